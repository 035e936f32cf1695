"""A plan says what a tick would do, and does nothing."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from models.queries.planned import steps, tellings
from tasks.deliver import deliver_now
from tasks.evaluate import evaluate_now
from tasks.flush import flush_now
from tasks.plan import Plan, planned
from tasks.remind import remind_now
from tasks.rules import rules
from tests.integration.models.world import A, B, C, World
from tests.integration.tasks.alarmed import alarmed
from uptake.facts import Status

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
POLICY = """
[[policy.override]]
labels = { tier = "gold" }
grace = { blocking = "2d" }
[[exemption]]
tenant = "3"
until = 2999-01-01
reason = "left for good"
[[route]]
labels = { tier = "gold" }
receivers = ["tenants"]
continue = true
[[mute]]
name = "weekends"
days = ["sat", "sun"]
"""


@pytest.fixture
def choose(chosen: Path) -> Callable[[str], None]:
    """Add this to uptake.toml."""

    def choose(toml: str) -> None:
        chosen.write_text(f"{chosen.read_text()}\n{toml}\n")
        rules.cache_clear()

    return choose


def plan(world: World) -> Plan:
    """The plan of the world's app, which must leave everything as it is."""
    world.session.commit()
    before = world.snapshot(), world.rows("SELECT * FROM app")
    found = planned(world.app_id, now=world.now)
    assert found
    assert (world.snapshot(), world.rows("SELECT * FROM app")) == before
    return found


def done(world: World, at: datetime) -> tuple[Any, ...]:
    """What the tasks do in truth: the evaluation and the reminders at once, each group at its time."""
    evaluate_now(world.app_id, now=at)
    took = steps(world.session, world.app_id, at=at)
    policy = rules().policy
    horizon = at + max(policy.group_wait, policy.group_interval)
    times = world.rows(
        "SELECT DISTINCT greatest(flush_at, :at) FROM notice_group WHERE flush_at <= :until ORDER BY 1",
        at=at,
        until=horizon,
    )
    world.session.commit()
    for (time,) in times:
        flush_now(now=time)
    messages = tellings(world.session, world.app_id, since=at, reminders=False)
    world.session.commit()
    remind_now(now=at)
    reminders = tellings(world.session, world.app_id, since=at, reminders=True)
    held = world.rows(
        """SELECT t.external_id, r.held_reason, r.due_at FROM reminder r JOIN tenant t ON t.id = r.tenant_id
           WHERE r.stopped_at IS NULL AND r.held_reason IS NOT NULL AND r.due_at > :at ORDER BY 1""",
        at=at,
    )
    world.session.commit()
    return took, messages, reminders, held


@pytest.mark.parametrize("seed", range(6))
def test_plan_is_what_a_tick_does(world: World, choose: Callable[[str], None], chosen: Path, seed: int) -> None:
    """Step by step, message by message, reminder by reminder, whatever has happened before."""
    chosen.write_text(chosen.read_text().replace("[policy]", '[policy]\nworking_hours = "00:00-23:59"'))
    choose(POLICY)
    chance = Random(seed)
    for tenant in range(6):
        world.put(str(tenant), 1)
    world.poll()
    world.label("1", "2", tier="gold")
    # The first two have one admin, the last has none.
    world.session.execute(
        text("""INSERT INTO contact (tenant_id, email)
                SELECT id, 'admin' || least(external_id, '4') || '@b.example' FROM tenant WHERE external_id <> '5'""")
    )
    happened: Counter[str] = Counter()
    for _ in range(20):
        if chance.random() < 0.25:
            world.release(A, *chance.sample([B, C], chance.choice([0, 1, 2])))
        for tenant in chance.sample(range(6), 2):
            move = chance.choice(["upgrade", "back", "disable"])
            version = len(world.versions) if move == "upgrade" else 1
            world.put(str(tenant), version, status=Status.DISABLED if move == "disable" else Status.CONNECTED)
        world.poll(after=chance.choice([HOUR, DAY, 3 * DAY, 9 * DAY]))
        world.now += chance.choice([timedelta(), 2 * HOUR, 5 * HOUR])
        foreseen = plan(world)
        took, messages, reminders, held = done(world, world.now)
        assert foreseen.steps == took
        assert foreseen.messages == messages
        assert foreseen.reminders == reminders
        assert {(one.tenant, one.reason, one.again_at) for one in foreseen.held} <= set(held)
        happened.update(steps=len(took), messages=len(messages), reminders=len(reminders), held=len(held))
        world.session.commit()
        if chance.random() < 0.7:
            deliver_now(now=world.now)
        world.now += timedelta(minutes=6)
    assert min(happened[what] for what in ("steps", "messages", "reminders", "held")) > 2, happened


def test_why_not(world: World, choose: Callable[[str], None]) -> None:
    """Whoever lags without an alert is named with the reason, the rule and the time."""
    choose(POLICY)
    for tenant in "123":
        world.put(tenant, 1)
    world.put("4", 1, environment="integration")
    world.poll()
    world.label("1", tier="gold")
    world.release(A, B)
    world.poll()
    world.now += 2 * HOUR
    released = world.versions[-1].released_at
    assert [(one.tenant, one.reason, one.fires_at, one.by) for one in plan(world).quiet] == [
        ("1", "in_grace", released + 2 * DAY, "[[policy.override]] number 1"),
        ("2", "in_grace", released + 14 * DAY, "[policy]"),
        ("3", "exempt", None, "[[exemption]] number 1"),
        ("4", "environment_not_watched", None, "[policy]"),
    ]


def test_settling(world: World) -> None:
    """Who would have an alert by now, and has none as a newer version has not settled, waits for just that."""
    world.put("1", 1)
    world.poll()
    world.release(A, B)
    world.now += 30 * DAY
    world.release(A, B, C)
    world.poll()
    settled = world.versions[-1].released_at + HOUR
    found = plan(world)
    assert found.steps == []
    assert [(one.tenant, one.reason, one.fires_at) for one in found.quiet] == [("1", "settling", settled)]
    world.now = settled
    assert plan(world).quiet == []


def test_whoever_fires_is_not_quiet(world: World) -> None:
    """What would begin to fire now is a step, and no longer among those that wait."""
    alarmed(world, 2)
    found = plan(world)
    assert found.quiet == []
    assert [(one.receiver, one.reason, one.firing) for one in found.messages] == [("ops", "first", 2)]


def test_no_such_app(world: World) -> None:
    """There is nothing to plan."""
    assert planned(world.app_id + 1, now=world.now) is None
