"""The life of alerts: opened by facts and time, told once each step, closed by facts only."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import text

from models import moves
from models.failures import app_poll_failed
from models.groups import arouse
from models.leases import claim_app
from tests.integration.models.world import A, B, C, World
from uptake.errors import Fault, TransientError
from uptake.facts import Status
from uptake.lag import LagClass
from uptake.policies import Policies
from uptake.policy import DEFAULT, severity

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ALERTS = "SELECT kind, state, severity, resolve_reason FROM alert ORDER BY id"


def lagging(world: World) -> None:
    """Tenant 1 is connected at version 1; version 2 wants B too; its settle window is over."""
    world.put("1", 1)
    world.poll()
    world.release(A, B)
    world.poll()
    world.now += 2 * HOUR


def test_new_lag_is_pending_then_fires_then_escalates(world: World) -> None:
    """Grace first, then the severity ladder by age, each step logged and told as an event once."""
    lagging(world)
    assert world.evaluate().pending == 1
    assert world.evaluate(after=14 * DAY).raised == 1
    assert world.evaluate(after=7 * DAY).escalated == 1
    assert world.evaluate(after=14 * DAY).escalated == 1
    assert world.rows(ALERTS) == [("tenant_lagging", "firing", "critical", None)]
    assert world.rows("SELECT step, severity FROM alert_step ORDER BY id") == [
        ("pending", None), ("firing", "info"), ("escalated", "warning"), ("escalated", "critical")
    ]  # fmt: skip
    assert world.events()[-3:] == ["alert.raised", "alert.escalated", "alert.escalated"]


def test_nothing_opens_before_the_newest_version_settled(world: World) -> None:
    """A version released within the settle window raises nothing yet; its end is the next time to look."""
    world.put("1", 1)
    world.poll()
    released_at = world.now
    world.release(A, B)
    world.poll()
    evaluated = world.evaluate()
    assert world.rows(ALERTS) == []
    assert evaluated.next_at == released_at + DEFAULT.settle


def test_evaluating_twice_changes_nothing(world: World) -> None:
    """A second evaluation at the same instant writes no row."""
    lagging(world)
    world.evaluate(after=20 * DAY)
    before = world.snapshot()
    world.evaluate()
    assert world.snapshot() == before


def test_what_cannot_be_judged_resolves_nothing(world: World) -> None:
    """A version that nobody knows is no proof that nothing is missing: the alert stays as it was."""
    lagging(world)
    world.evaluate(after=20 * DAY)
    world.put("1", None, status=Status.CONNECTED, client_id="cid.1")
    world.poll()
    assert world.evaluate().resolved == 0
    assert world.rows("SELECT state FROM alert") == [("firing",)]


def test_upgrade_resolves(world: World) -> None:
    """A tenant that upgraded has no open alert, and the reason says so."""
    lagging(world)
    world.evaluate(after=20 * DAY)
    world.put("1", 2)
    world.poll()
    assert world.evaluate().resolved == 1
    assert world.rows(ALERTS) == [("tenant_lagging", "resolved", "info", "upgraded")]


def test_newer_release_neither_restarts_nor_reopens(world: World) -> None:
    """No amnesty: the alert keeps its identity and its clock when another version comes."""
    lagging(world)
    world.evaluate(after=20 * DAY)
    since = world.rows("SELECT id, since FROM alert")
    world.release(A, B, C)
    world.poll()
    world.evaluate()
    assert world.rows("SELECT id, since FROM alert") == since
    assert world.rows("SELECT data ->> 'latest', data -> 'missing' FROM alert") == [("3", [B, C])]


def test_upgrade_that_is_not_enough_starts_a_later_clock(world: World) -> None:
    """A tenant that took one version of two lags on the second only: back to pending, told as such."""
    lagging(world)
    world.now += 20 * DAY
    world.release(A, B, C)
    world.poll()
    world.evaluate(after=2 * HOUR)
    world.put("1", 2)
    world.poll()
    world.evaluate()
    assert world.rows("SELECT state, reason, severity FROM alert") == [("pending", "upgraded_partly", None)]


def test_only_withdrawn_scopes_are_overgranted(world: World) -> None:
    """A version that only withdraws scopes blocks nobody: its alert is another one, later and mild."""
    world.release(A, B)
    world.put("1", 2)
    world.poll()
    world.release(A)
    world.poll()
    world.evaluate(after=61 * DAY)
    assert world.rows(ALERTS) == [("tenant_overgranted", "firing", "info", None)]


def test_equal_scopes_raise_nothing(world: World) -> None:
    """A version bump with an empty diff never raises anything."""
    world.put("1", 1)
    world.poll()
    world.release(A)
    world.poll()
    world.evaluate(after=300 * DAY)
    assert world.rows(ALERTS) == []


@pytest.mark.parametrize("end", ["disabled", "disconnected", "app_deleted"])
def test_ends_close_with_their_reason(world: World, end: str) -> None:
    """Disabled, gone or deleted: the alert closes and says which."""
    lagging(world)
    world.put("2", 2)
    world.poll()
    world.evaluate(after=20 * DAY)
    if end == "disabled":
        world.put("1", 1, status=Status(end))
        world.poll()
    elif end == "disconnected":
        world.drop("1")
        world.poll()
        world.poll()
    else:
        world.list_apps(deleted=True)
    world.evaluate()
    assert world.rows("SELECT resolve_reason FROM alert") == [(end,)]


def test_other_environments_are_not_watched(world: World) -> None:
    """By default only production alerts."""
    world.put("1", 1, environment="integration")
    world.poll()
    world.release(A, B)
    world.poll()
    world.evaluate(after=30 * DAY)
    assert world.rows(ALERTS) == []


def test_reconnect_starts_a_new_clock(world: World) -> None:
    """A new epoch's lag counts from its own start, never from a release long before it."""
    lagging(world)
    world.now += 100 * DAY
    world.put("1", 1, client_id="cid.new")
    world.poll()
    began = world.now
    world.evaluate()
    assert world.rows("SELECT since FROM alert") == [(began,)]


def test_failing_polls_alert_and_recover(world: World) -> None:
    """Three failed polls in a row are an alert; lag alerts stay as they are; a good poll ends it."""
    lagging(world)
    world.evaluate(after=20 * DAY)
    for _ in range(3):
        world.now += HOUR
        lease = claim_app(world.session, world.app_id, now=world.now, every=world.step, forced=True)
        assert lease
        error = TransientError("portal answered 500", fault=Fault.SERVER)
        app_poll_failed(world.session, lease, error, now=world.now, duration_seconds=0.1)
    world.evaluate()
    assert world.rows(ALERTS) == [
        ("tenant_lagging", "firing", "info", None),
        ("poll_failing", "firing", "warning", None),
    ]
    world.poll()
    world.evaluate()
    assert world.rows(ALERTS)[1] == ("poll_failing", "resolved", "warning", "recovered")


@pytest.mark.parametrize("days", [0, 13, 14, 20, 21, 34, 35, 400])
def test_sql_and_core_agree_on_severity(world: World, days: int) -> None:
    """What the set-based statement writes is what the pure core would say."""
    lagging(world)
    since = world.versions[-1].released_at
    world.now = since + days * DAY + 2 * HOUR
    world.evaluate()
    said = severity(DEFAULT, LagClass.BLOCKING, world.now - since)
    assert world.rows("SELECT severity FROM alert") == [(said.value if said else None,)]


def test_time_alone_wakes_the_evaluation(world: World) -> None:
    """The app is due for evaluation exactly when the next threshold is crossed."""
    lagging(world)
    evaluated = world.evaluate()
    since = world.versions[-1].released_at
    assert evaluated.next_at == since + DEFAULT.grace_blocking
    assert world.session.scalar(text("SELECT evaluate_at FROM app")) == evaluated.next_at


def test_nothing_new_is_not_judged_again(world: World) -> None:
    """An evaluation that rests on what the last one rested on looks at no tenant; with any of it new, at all."""
    lagging(world)
    world.evaluate(after=20 * DAY)
    world.session.execute(text("UPDATE alert SET severity = 'critical'"))
    severities = "SELECT DISTINCT severity FROM alert"
    world.evaluate(after=timedelta(minutes=1))
    assert world.rows(severities) == [("critical",)]

    everything_new: tuple[Callable[[], object], ...] = (
        lambda: world.evaluate(replace(DEFAULT, environments=("production", "integration"))),
        lambda: world.evaluate(replace(DEFAULT, reminders="tenants")),
        lambda: world.evaluate(after=timedelta(hours=23)),
    )
    for news in everything_new:
        world.session.execute(text("UPDATE alert SET severity = 'critical'"))
        news()
        assert ("critical",) not in world.rows(severities)


def crowd(world: World) -> None:
    """Ten tenants at version 1; version 2 wants B too, three have it."""
    for tenant in range(10):
        world.put(str(tenant), 1)
    world.poll()
    world.release(A, B)
    for tenant in range(3):
        world.put(str(tenant), 2)
    world.poll()
    world.evaluate(after=20 * DAY)


def test_only_whom_a_poll_changed_is_judged(world: World) -> None:
    """Where a few tenants changed and nothing else, the others' alerts are not looked at."""
    crowd(world)
    world.put("5", 2)
    world.poll()
    world.session.execute(text("UPDATE alert SET severity = 'critical'"))
    evaluated = world.evaluate()
    assert (len(evaluated.only or ()), evaluated.resolved) == (1, 1)
    assert world.rows("SELECT DISTINCT severity FROM alert WHERE state = 'firing'") == [("critical",)]


def test_whom_several_polls_changed_are_judged_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each poll adds those it changed, until they are so many that all are judged."""
    crowd(world)
    monkeypatch.setattr(moves, "NAMED", 2)
    for tenants, judged in ((("4", "5"), 2), (("6", "7", "8"), None)):
        for tenant in tenants:
            world.put(tenant, 2)
            world.poll()
        evaluated = world.evaluate()
        assert (None if evaluated.only is None else len(evaluated.only)) == judged
        assert evaluated.resolved == len(tenants)
        assert world.evaluate().only == ()


@pytest.mark.parametrize("seed", range(8))
def test_few_judged_alone_stand_as_if_all_were(world: World, seed: int) -> None:
    """After any changes an evaluation of everybody finds nothing left to do."""
    crowd(world)
    chance, narrow = Random(seed), 0
    for _ in range(12):
        for tenant in chance.sample(range(12), chance.choice([1, 1, 2])):
            move = chance.choice(["upgrade", "back", "drop", "disable", "unknown", "reconnect"])
            if move == "drop":
                world.drop(str(tenant))
            else:
                version = {"upgrade": len(world.versions), "unknown": None}.get(move, 1)
                status = Status.DISABLED if move == "disable" else Status.CONNECTED
                world.put(str(tenant), version, status=status, client_id=f"cid.{chance.random()}")
        if chance.random() < 0.1:
            world.release(A, *chance.sample([B, C], chance.choice([1, 2])))
        world.poll()
        evaluated = world.evaluate(after=chance.choice([timedelta(), HOUR, 3 * DAY]))
        narrow += evaluated.only is not None
        before = world.snapshot()
        world.session.execute(text("UPDATE app SET evaluated_as = NULL"))
        world.evaluate()
        after = world.snapshot()
        # A verdict on what nobody runs any more is forgotten with the next evaluation of all.
        assert all(row in before["verdict"] for row in after.pop("verdict"))
        assert after == {table: rows for table, rows in before.items() if table != "verdict"}
    assert narrow


def test_only_the_groups_of_one_app_are_woken(world: World) -> None:
    """An evaluation gives its own app's groups a time to flush, and looks at no other alert."""
    lagging(world)
    world.evaluate(after=20 * DAY)
    for app_id, groups in ((world.app_id + 1, 0), (world.app_id, 1)):
        arouse(world.session, Policies(DEFAULT), now=world.now, apps=[app_id])
        assert world.rows("SELECT count(*) FROM notice_group") == [(groups,)]


def test_plans_of_what_follows_are_free(world: World) -> None:
    """How an evaluation joins an app's sets is its own affair: what comes after it in the transaction looks rows up."""
    world.put("1", 1)
    world.poll()
    world.evaluate()
    assert world.rows("SHOW enable_nestloop") == [("on",)]


FLAPPED = "SELECT state, reason, resolve_reason FROM alert ORDER BY id"


def firing(world: World) -> None:
    """Tenant 1 lags, and its alert fires."""
    lagging(world)
    world.evaluate(after=20 * DAY)
    assert world.rows(FLAPPED) == [("firing", "grace_over", None)]


def seen(world: World, status: Status, *, after: timedelta) -> None:
    """The portal says so of tenant 1, *after* a while, and it is judged."""
    world.now += after
    world.put("1", 1, status=status)
    world.poll()
    world.evaluate()


def test_flapping_is_one_alert(world: World) -> None:
    """What begins again within an hour goes on: the same alert, with a step each time."""
    firing(world)
    for reason in ("grace_over", "reopened"):
        seen(world, Status.DISABLED, after=HOUR)
        assert world.rows(FLAPPED) == [("resolved", reason, "disabled")]
        seen(world, Status.CONNECTED, after=HOUR / 2)
        assert world.rows(FLAPPED) == [("firing", "reopened", None)]
    steps = [step for (step,) in world.rows("SELECT step FROM alert_step ORDER BY id")]
    assert steps == ["firing", "resolved", "firing", "resolved", "firing"]


def test_what_begins_later_is_another_alert(world: World) -> None:
    """After the flap window, and at once where there is none."""
    firing(world)
    seen(world, Status.DISABLED, after=HOUR)
    seen(world, Status.CONNECTED, after=2 * HOUR)
    assert world.rows(FLAPPED) == [("resolved", "grace_over", "disabled"), ("firing", "grace_over", None)]
    seen(world, Status.DISABLED, after=HOUR)
    world.put("1", 1)
    world.poll()
    world.evaluate(replace(DEFAULT, flap_window=timedelta()))
    assert len(world.rows(FLAPPED)) == 3


def test_who_connects_anew_begins_anew(world: World) -> None:
    """A new life of the connection has its own clock, and its own alert."""
    firing(world)
    world.drop("1")
    world.poll()
    world.poll()
    world.evaluate()
    world.put("1", 1, client_id="cid.new")
    world.poll()
    world.evaluate(replace(DEFAULT, grace_blocking=timedelta(), flap_window=DAY))
    assert world.rows("SELECT state, resolve_reason FROM alert WHERE kind = 'tenant_lagging' ORDER BY id") == [
        ("resolved", "disconnected"),
        ("firing", None),
    ]
