"""A policy over the past: the present one says what was done, another one what it would have done; nothing stays."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Engine, create_engine, text

from config.policy_file import load_file
from config.settings import SettingsError
from models import Session
from models.base import engine_for
from models.opt_out import opt_out
from models.quiet import Matchers, acknowledge, silence, snooze
from tasks.backtest import Backtest, backtested
from tasks.deliver import deliver_now
from tasks.evaluate import due_apps, evaluate_now
from tasks.flush import flush_now
from tasks.remind import remind_now
from tasks.rules import rules, written
from tests.integration.conftest import MONDAY
from tests.integration.models.world import A, B, C, World
from tests.servers import Servers, create, drop
from uptake.facts import Status
from worker.cli.backtest import backtest

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STEP = 3 * HOUR
POLICY = """
[policy]
receivers = ["ops"]
reminders = "tenants"
grace = { blocking = "7d", trimming = "30d" }
flap_window = "8h"
repeat_interval = "3d"
min_audience = 3
remind_pace = 0

[[policy.override]]
labels = { tier = "gold" }
grace = { blocking = "2d" }

[[exemption]]
tenant = "7"
until = 2026-03-20
reason = "moves house"

[[receiver]]
name = "ops"
kind = "log"

[[receiver]]
name = "tenants"
kind = "log"
"""


@pytest.fixture
def present(chosen: Path) -> Path:
    """The policy that the past is lived by."""
    chosen.write_text(POLICY)
    rules.cache_clear()
    return chosen


def live(
    world: World, until: datetime, happens: Callable[[datetime], None] = lambda _: None, *, step: timedelta = STEP
) -> None:
    """Let some hours pass again and again, and do what a worker does."""
    while world.now + step <= until:
        happens(world.now + step)
        world.poll(after=step)
        world.session.commit()
        for app in due_apps(now=world.now):
            evaluate_now(app, now=world.now)
        flush_now(now=world.now)
        remind_now(now=world.now)
        deliver_now(now=world.now)


def people(world: World) -> None:
    """Somebody to write to at each tenant."""
    for tenant, _ in world.listed:
        world.label(tenant, tier="gold" if tenant in "12" else "none")
    world.session.commit()


def by(path: Path, old: str, new: str) -> Path:
    """The rules of *path* with something else in them, in a file of its own."""
    text = path.read_text()
    assert old in text
    other = path.with_name("other.toml")
    other.write_text(text.replace(old, new, 1))
    return other


def tried(world: World, path: Path | None = None) -> Backtest:
    """The past by these rules, which must leave everything as it is."""
    world.session.commit()
    before = world.snapshot(), world.rows("SELECT * FROM app ORDER BY id")
    found = backtested(written(load_file(path, required=True)) if path else rules(), now=world.now)
    after = world.snapshot(), world.rows("SELECT * FROM app ORDER BY id")
    assert after == before
    world.session.commit()
    return found


def by_hand(world: World) -> None:
    """Somebody takes alerts on, puts one off and silences a third, and somebody wants no more reminders."""
    lagging = world.session.scalars(text("SELECT id FROM alert WHERE state = 'firing' ORDER BY id")).all()
    assert acknowledge(world.session, lagging[:-1], author="eve", comment="", until=None, now=world.now)
    snooze(world.session, lagging[-1:], author="eve", comment="", until=world.now + 2 * DAY, now=world.now)
    tenant = world.session.scalars(text("SELECT id FROM tenant WHERE external_id = '4'")).one()
    assert opt_out(world.session, [tenant], "admin@t4.example", now=world.now)
    until = world.now + DAY
    silence(
        world.session,
        Matchers(tenant="5"),
        author="eve",
        comment="",
        starts_at=world.now,
        ends_at=until,
        now=world.now,
    )


def moved(world: World, chance: Random) -> None:
    """A tenant upgrades, goes back, is disabled or is gone."""
    tenant, latest = str(chance.randint(1, 7)), len(world.versions)
    match chance.choice(["upgrade", "back", "leave", "disable"]):
        case "leave":
            world.drop(tenant)
        case "disable":
            world.put(tenant, 1, status=Status.DISABLED)
        case "upgrade":
            world.put(tenant, latest)
        case _:
            world.put(tenant, chance.randint(1, latest))


@pytest.mark.parametrize("seed", range(2))
def test_the_present_policy_says_what_was_done(world: World, present: Path, seed: int) -> None:
    """Releases, upgrades, disconnects, alerts that begin again, and what was done by hand: all is told once more."""
    chance = Random(seed)
    for tenant in range(1, 9):
        world.put(str(tenant), 1)
    world.poll()
    people(world)
    begun = world.now

    def happens(at: datetime) -> None:
        world.now = at
        deed = deeds.get((at - begun) / DAY)
        if deed:
            deed(world)
        if chance.random() < 0.25:
            moved(world, chance)
        world.now = at - 2 * STEP

    deeds: dict[float, Callable[[World], object]] = {
        1: lambda world: world.release(A, B),
        6: lambda world: world.release(A, *chance.sample([B, C], 2)),
        9: by_hand,
        11: World.list_apps,
    }
    live(world, begun + 12 * DAY, happens, step=2 * STEP)
    # It comes and goes within the window: one alert that goes on.
    for version in (1, len(world.versions), 1):
        world.put("8", version)
        live(world, world.now + 2 * STEP, step=2 * STEP)
    live(world, begun + 20 * DAY, happens, step=2 * STEP)
    found = tried(world)
    assert found.by_policy.steps == found.really.steps
    assert found.by_policy.messages == found.really.messages
    assert found.is_same
    done = {(step.step, step.reason) for step in found.really.steps}
    assert {("firing", "grace_over"), ("resolved", "upgraded"), ("firing", "reopened")} <= done
    assert {"first", "new_alerts", "ladder"} <= {one.reason for one in found.really.messages}


def test_another_policy_differs_as_counted_by_hand(world: World, present: Path) -> None:
    """With a grace of three days instead of seven, and two reminders instead of a ladder of four."""
    world.put("3", 1)
    world.put("4", 1)
    world.poll(after=timedelta())
    people(world)
    world.release(A, B)  # on Monday at nine
    begun = world.now

    def happens(at: datetime) -> None:
        if at == begun + 5 * DAY:
            world.put("4", 2)

    live(world, begun + 10 * DAY, happens)
    other = by(present, 'grace = { blocking = "7d"', 'remind_days = [0, 1]\ngrace = { blocking = "3d"')
    found = tried(world, other)
    assert not found.is_same

    def fired(steps: object) -> list[tuple[str, datetime]]:
        return [(step.tenant, step.at) for step in steps if step.step == "firing" and step.kind == "tenant_lagging"]  # type: ignore[attr-defined]

    assert fired(found.really.steps) == [("3", begun + 7 * DAY)]
    assert fired(found.by_policy.steps) == [("3", begun + 3 * DAY), ("4", begun + 3 * DAY)]

    def reminded(messages: object) -> dict[str, list[timedelta]]:
        return {
            tenant: [one.at - begun for one in messages if one.tenant == tenant and one.about]  # type: ignore[attr-defined]
            for tenant in ("3", "4")
        }

    # The version has settled when somebody looks at noon; the ladder counts from there.
    noon = STEP
    assert reminded(found.really.messages) == {
        "3": [noon, noon + 3 * DAY, noon + 7 * DAY],
        "4": [noon, noon + 3 * DAY],
    }
    assert reminded(found.by_policy.messages) == {"3": [noon, noon + DAY], "4": [noon, noon + DAY]}


def test_who_is_awake_looks_in_between(world: World, present: Path) -> None:
    """Where polls come as often as they should, what time alone does is done at its time; where none do, later."""
    present.write_text('[polling]\npoll_every = "2h"\n' + POLICY)
    rules.cache_clear()
    world.put("3", 1)
    world.poll(after=timedelta())
    people(world)
    world.release(A, B)
    begun = world.now
    live(world, begun + 3 * DAY)
    other = by(present, 'blocking = "7d"', 'blocking = "50h"')
    (fired,) = [step.at for step in tried(world, other).by_policy.steps if step.step == "firing"]
    assert fired == begun + 50 * HOUR
    present.write_text(POLICY)
    rules.cache_clear()
    (fired,) = [step.at for step in tried(world, other).by_policy.steps if step.step == "firing"]
    assert fired == begun + 51 * HOUR


def test_a_span(world: World, present: Path) -> None:
    """What is told is of the span that is asked for, lived through from the beginning all the same."""
    world.put("3", 1)
    world.poll(after=timedelta())
    people(world)
    world.release(A, B)
    begun = world.now
    live(world, begun + 10 * DAY)
    whole = tried(world)
    since, until = begun + 2 * DAY, begun + 6 * DAY
    found = backtested(rules(), since=since, until=until, now=world.now)
    assert (found.since, found.until) == (since, until)
    assert found.by_policy == found.really
    assert [one.at for one in found.really.messages] == [begun + STEP + 3 * DAY]
    assert len(whole.really.messages) > 2


@pytest.fixture
def lived(servers: Servers, worker_id: str, present: Path) -> Iterator[tuple[World, Engine]]:
    """A past that is committed, in a database of its own."""
    name = f"{servers.prefix}_backtest_{worker_id}"
    url = create(servers.admin, name, servers.template)
    engine = engine_for(url)
    Session.configure(bind=engine, join_transaction_mode="conditional_savepoint")
    with Session() as session:
        world = World.founded(session, MONDAY, step=STEP)
        world.put("3", 1)
        world.poll()
        people(world)
        world.release(A, B)
        live(world, world.now + 9 * DAY)
        session.commit()
        other = create_engine(url)
        yield world, other
        other.dispose()
    engine.dispose()
    drop(servers.admin, name)


def test_nothing_stays_and_nobody_waits(lived: tuple[World, Engine]) -> None:
    """While a past is lived through, others write about the app; afterwards no table, sequence or row is another."""
    world, other = lived
    relations = "SELECT relname, relnamespace, oid FROM pg_class WHERE relkind IN ('r', 'v', 'S', 'i') ORDER BY oid"
    counters = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1"
    before = [world.rows(query) for query in (relations, counters)], world.snapshot()
    world.session.commit()
    shares = []
    with other.connect() as theirs:
        theirs.execute(text("SELECT id FROM app FOR UPDATE"))

        def progress(share: float) -> None:
            shares.append(share)
            if len(shares) == 2:
                # What held the app all the while; and what begins meanwhile does not wait for us.
                theirs.rollback()
                theirs.execute(text("SET LOCAL lock_timeout = '1s'"))
                for table in ("app", "connection", "alert", "reminder", "notice_group", "notice", "contact", "source"):
                    theirs.execute(text(f"SELECT * FROM {table} FOR UPDATE"))  # noqa: S608 - names of ours
                theirs.execute(text("SELECT pg_advisory_xact_lock(hashtext('uptake.remind'))"))

        found = backtested(rules(), now=world.now, progress=progress)
        theirs.rollback()
    assert found.is_same
    assert found.really.messages
    assert len(shares) > 20
    assert shares == sorted(shares)
    assert ([world.rows(query) for query in (relations, counters)], world.snapshot()) == before


def test_a_broken_one_leaves_nothing(lived: tuple[World, Engine]) -> None:
    """Whoever is stopped on the way leaves no table of theirs to the next one on the same connection."""
    world, _ = lived
    world.session.commit()

    def stop(_share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backtested(rules(), now=world.now, progress=stop)
    assert world.rows("SELECT count(*) FROM pg_class WHERE relname LIKE 'past%' OR relname LIKE '%of_our_own'") == [
        (0,)
    ]
    assert backtested(rules(), now=world.now).is_same


def test_a_broken_file_is_told(tmp_path: Path) -> None:
    """By file, line and key, as `uptake check` tells it, before any database is asked."""
    path = tmp_path / "broken.toml"
    path.write_text("[policy]\ngrace = 7\n")
    with pytest.raises(SettingsError, match=r"broken\.toml:2: policy\.grace"):
        backtest(path)
    with pytest.raises(SettingsError, match="no such file"):
        backtest(tmp_path / "none.toml")
