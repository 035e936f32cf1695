"""A past that was lived by a worker that is always there: by the same rules, the same is told at the same moments."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import text
from sqlalchemy.orm import Session as OrmSession
from werkzeug import Request, Response

from config.policy_file import load_file
from models import Session
from models.base import engine_for
from models.groups import arouse_all
from models.leases import claim_source
from models.listing import record_listing
from models.quiet import Matchers, acknowledge, silence, snooze, unhold
from tasks.attention import SLACK
from tasks.backtest import Happened, backtested
from tasks.edges import channel_named
from tasks.rules import rules, written
from tests.integration.conftest import MONDAY
from tests.integration.models.world import A, B, C, World
from tests.integration.tasks.always_on import HOUR, MINUTE, Daemon
from tests.servers import Servers, create, drop
from uptake.facts import SeenApp, Status

# `PASTS=100 PAST_DAYS=3 pytest …` lives so many new ones, each of so many days.
PASTS = int(os.environ.get("PASTS", "0"))
SPAN = timedelta(days=float(os.environ.get("PAST_DAYS", "0.6")))
SEEDS = (
    [int(seed) for seed in os.environ.get("SEEDS", "").split()]
    or [int.from_bytes(os.urandom(3)) for _ in range(PASTS)]
    or [2]
)
POLICY = """
[policy]
receivers = ["ops"]
reminders = "tenants"
grace = {{ blocking = "5h", trimming = "12h" }}
severity = {{ info = "0h", warning = "9h", critical = "20h" }}
targets = [{{ share = 0.9, by = "8h" }}]
min_audience = 3
stalled_after = "10h"
remind_days = [0, 1]
fallback = "ops"

[[mute]]
name = "night"
hours = "22:00-05:30"
kind = "tenant_lagging"
app = "acme:4711"

[[mute]]
name = "tea"
hours = "17:00-17:40"
labels = {{ tier = "gold" }}

[[route]]
kinds = ["rollout_behind_target", "poll_failing", "version_regressed"]
receivers = ["hook"]

[[receiver]]
name = "ops"
kind = "log"

[[receiver]]
name = "hook"
kind = "webhook"
url = "{hook}"
secret = "file:hook_secret"

[[receiver]]
name = "tenants"
kind = "log"
"""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def world(servers: Servers, worker_id: str, chosen: Path) -> Iterator[World]:
    """A world whose past is committed, in a database of its own: in one transaction nothing would be vacuumed."""
    name = f"{servers.prefix}_always_on_{worker_id}"
    url = create(servers.admin, name, servers.template)
    engine = engine_for(url)
    Session.configure(bind=engine, join_transaction_mode="conditional_savepoint")
    with Session() as session:
        world = World.founded(session, MONDAY, step=15 * MINUTE)
        session.commit()
        yield world
    engine.dispose()
    drop(servers.admin, name)


class Story:
    """Two apps, what happens to them, and what somebody does by hand."""

    def __init__(self, world: World, chance: Random) -> None:
        self.one, self.two, self.chance = world, _second_app(world), chance
        for tenant in range(1, 13):
            self.one.put(str(tenant), 1)
        for tenant in range(10, 16):
            self.two.put(str(tenant), 1)
        for each in (self.one, self.two):
            each.poll(after=MINUTE)
        for tenant in range(1, 16):
            world.label(str(tenant), tier="gold" if tenant % 3 else "none")
        world.session.commit()
        self.down = [(at, at + chance.randint(5, 90) * MINUTE) for at in self.moments(3)]
        self.refusing = [(at, at + chance.randint(30, 300) * MINUTE) for at in self.moments(2)]

    def is_down(self, at: datetime) -> bool:
        """Whether the portal does not answer."""
        return any(begins <= at - self.begun < ends for begins, ends in self.down)

    def refuses(self, at: datetime) -> bool:
        """Whether the hook wants nothing of us any more."""
        return any(begins <= at - self.begun < ends for begins, ends in self.refusing)

    @property
    def begun(self) -> datetime:
        """When it began."""
        return MONDAY + 2 * MINUTE

    def daemon(self) -> Daemon:
        """Whoever lives through it."""
        tick = self.chance.choice([(5, 5.5), (5, 60), (10, 20)])
        worlds = {world.app_id: world for world in (self.one, self.two)}
        return Daemon(worlds, self.chance, self.plan(), tick=tick, is_down=self.is_down)

    def plan(self) -> dict[timedelta, Callable[[], object]]:
        """What happens when, two releases at least."""
        found: dict[timedelta, Callable[[], object]] = {
            HOUR: lambda: self.one.release(A, B),
            2 * HOUR: lambda: self.two.release(A, C),
            SPAN / 2: lambda: self.one.release(A, B, C),
        }
        hours = int(SPAN / HOUR)
        found |= dict.fromkeys(self.moments(hours), self.moves)
        return found | dict.fromkeys(self.moments(hours // 3), self.says)

    def moments(self, count: int) -> list[timedelta]:
        """So many of them."""
        return [timedelta(seconds=self.chance.uniform(0, SPAN.total_seconds())) for _ in range(count)]

    def moves(self) -> None:
        """A tenant upgrades, goes back, is disabled, leaves or comes."""
        world = self.chance.choice([self.one, self.one, self.two])
        tenant, latest = self.chance.choice([tenant for tenant, _ in world.listed] or ["1"]), len(world.versions)
        match self.chance.choice(["upgrade", "upgrade", "back", "leave", "disable", "come"]):
            case "upgrade":
                world.put(tenant, latest)
            case "back":
                world.put(tenant, 1)
            case "leave":
                world.drop(tenant)
            case "disable":
                world.put(tenant, 1, status=Status.DISABLED)
            case _:
                world.put(str(self.chance.randint(1, 15)), self.chance.randint(1, latest))

    def says(self) -> None:
        """Somebody asks for quiet, or takes that back."""
        session, now = self.one.session, self.one.now
        found = list(session.scalars(text("SELECT id FROM alert WHERE state = 'firing' ORDER BY id")))
        some = self.chance.sample(found, self.chance.randint(1, len(found))) if found else []
        span = self.chance.choice([2, 4, 30, 120, 400]) * MINUTE
        match self.chance.choice(["some", "all", "snooze", "unhold", "unhold", "silence", "later"]):
            case "some":
                until = self.chance.choice([None, now + span])
                acknowledge(session, some, author="eve", comment="", until=until, now=now)
            case "all":
                acknowledge(session, found, author="eve", comment="", until=None, now=now)
            case "snooze":
                snooze(session, some, author="eve", comment="", until=now + span, now=now)
            case "unhold":
                unhold(session, found, author="eve", now=now)
                arouse_all(session, rules().policies, now=now)
            case which:
                self._silences(session, now + (50 * MINUTE if which == "later" else timedelta()), span, now)

    def _silences(self, session: OrmSession, starts_at: datetime, span: timedelta, now: datetime) -> None:
        about = [Matchers(), Matchers(app="acme:4711"), Matchers(tenant="1*"), Matchers(kind="version_regressed")]
        matchers = self.chance.choice(about)
        silence(session, matchers, author="eve", comment="", starts_at=starts_at, ends_at=starts_at + span, now=now)


def _second_app(world: World) -> World:
    lease = claim_source(world.session, world.source_id, now=world.now, every=world.step, forced=True)
    assert lease
    apps = [
        SeenApp(name, f"App {name}", None, "public", "approved", world.now, False, ("production",))
        for name in ("4711", "4712")
    ]
    record_listing(world.session, lease, apps, now=world.now, duration_seconds=0.1)
    app = world.session.scalars(text("SELECT id FROM app WHERE external_id = '4712'")).one()
    other = World(world.session, world.now, world.step, source_id=world.source_id, app_id=app)
    other.release(A)
    return other


def differences(really: Happened, by_policy: Happened) -> list[str]:
    """What there is in one and not in the other, in order."""
    pairs = ((really.steps, by_policy.steps), (really.messages, by_policy.messages))
    return sorted(
        f"{one.at:%d %H:%M:%S.%f} {who}: {one}"
        for ours, theirs in pairs
        for who, some, others in (("really", ours, theirs), ("by policy", theirs, ours))
        for one in some
        if one not in others
    )


@dataclass
class Lived:
    """A past, and the file that it was lived by."""

    world: World
    path: Path
    now: datetime


@pytest.fixture
def live(world: World, chosen: Path, httpserver: HTTPServer) -> Callable[[int], Lived]:
    """Live through a story."""
    (chosen.parent / "hook_secret").write_text(SECRET)
    chosen.write_text(POLICY.format(hook=httpserver.url_for("/hook")))
    rules.cache_clear()
    channel_named.cache_clear()

    def lived(seed: int) -> Lived:
        story = Story(world, Random(seed))
        daemon = story.daemon()

        def hook(_request: Request) -> Response:
            return Response(status=410 if story.refuses(daemon.now) else 204)

        httpserver.expect_request("/hook").respond_with_handler(hook)
        daemon.live(SPAN)
        return Lived(world, chosen, daemon.now)

    return lived


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_always_on(live: Callable[[int], Lived], seed: int) -> None:
    """Releases, upgrades, who goes back, an outage, quiet of each kind, a receiver that refuses us: to the moment."""
    lived = live(seed)
    before = lived.world.snapshot()
    lived.world.session.commit()
    looks: list[float] = []
    found = backtested(rules(), now=lived.now, progress=looks.append)
    really = found.really
    assert differences(really, found.by_policy) == []
    assert found.by_policy == really
    assert lived.world.snapshot() == before
    # By what happened, and not by how long it took: each group was looked at three hundred times a day.
    assert len(looks) < 2 * (len(really.steps) + len(really.messages))
    if not PASTS:
        done = {(step.kind, step.step) for step in really.steps}
        assert done >= {("tenant_lagging", "firing"), ("version_regressed", "firing"), ("poll_failing", "resolved")}
        said = {one.reason for one in really.messages}
        assert said >= {"first", "new_alerts", "mute_ended", "repeat", "receiver_stopped", "new_resolved"}
    _check_another(lived)


def _check_another(lived: Lived) -> None:
    """By another policy, a group is told of again an interval after that policy says, and once a mute has ended."""
    lived.world.session.commit()
    text = lived.path.read_text().replace("[policy]", '[policy]\nrepeat_interval = "2h"', 1)
    other = lived.path.with_name("other.toml")
    other.write_text(text.replace("17:00-17:40", "18:00-18:40"))
    found = backtested(written(load_file(other, required=True)), now=lived.now)
    told = [
        [one for one in happened.messages if one.kind == "tenant_lagging" and one.receiver == "ops"]
        for happened in (found.really, found.by_policy)
    ]
    assert len(told[0]) < len(told[1])
    for app in {one.app for one in told[1]}:
        for before, after in pairwise(one for one in told[1] if one.app == app):
            gap = after.at - before.at
            assert after.reason != "repeat" or 2 * HOUR <= gap <= 2 * HOUR + 5 * MINUTE + SLACK
    if not PASTS:
        ended = {one.at - MONDAY for one in found.by_policy.messages if one.reason == "mute_ended"}
        # At nine o'clock it began.
        assert any(timedelta() <= at - timedelta(hours=9, minutes=40) <= SLACK for at in ended)
