"""Every task of ours, run a second time at the same instant, changes nothing at all."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from config.settings import settings
from models import Base
from models.leases import claim_app
from models.parts import plan_parts
from tasks.deliver import deliver_now
from tasks.edges import source_named
from tasks.evaluate import evaluate_now
from tasks.flush import flush_now
from tasks.parts import read_parts
from tasks.poll import list_apps, poll
from tasks.remind import remind_now
from tasks.rules import rules
from tasks.study import study_next
from tasks.sweep import sweep_now
from tasks.tick import due_work
from tests.integration.models.world import World
from tests.integration.small_portal import SmallPortal, small_portal
from uptake.pages import ALL

# Both say when somebody looked, not what was found.
OF_THE_CLOCK = {"heartbeat", "fire"}
RECEIVERS = """
[policy]
receivers = ["ops"]
reminders = "tenants"

[[receiver]]
name = "ops"
kind = "log"

[[receiver]]
name = "tenants"
kind = "log"
"""
Run = Callable[[World, datetime], Any]


def _poll_source(world: World, now: datetime) -> None:
    list_apps(world.source_id, now=now)


def _poll_app(world: World, now: datetime) -> None:
    poll(world.app_id, now=now)


def _walk_part(world: World, now: datetime) -> None:
    """Help with a walk that another worker has begun."""
    if not world.rows("SELECT FROM walk_part"):
        lease = claim_app(world.session, world.app_id, now=now, every=world.step, forced=True)
        assert lease
        plan_parts(world.session, lease, [ALL], conditional=False, walked=None)
    read_parts(world.app_id)


def _evaluate_app(world: World, now: datetime) -> None:
    evaluate_now(world.app_id, now=now)


# The way of the data, in its order: each task, how long after the one before it runs, and what it does.
STEPS: tuple[tuple[str, timedelta, Run], ...] = (
    ("tick", timedelta(0), lambda _, now: due_work(now=now)),
    ("poll_source", timedelta(0), _poll_source),
    ("poll_app", timedelta(0), _poll_app),
    ("walk_part", timedelta(0), _walk_part),
    ("evaluate_app", timedelta(days=30), _evaluate_app),
    ("flush", timedelta(minutes=1), lambda _, now: flush_now(now=now)),
    ("remind", timedelta(0), lambda _, now: remind_now(now=now)),
    ("deliver", timedelta(0), lambda _, now: deliver_now(now=now)),
    ("sweep", timedelta(0), lambda _, now: sweep_now(now=now)),
    ("study", timedelta(0), lambda _, now: study_next(now=now)),
)


@pytest.fixture
def portal(chosen: Path) -> Iterator[SmallPortal]:
    """A portal with an app that three tenants run, one of them at the latest version; the rules read it."""
    with small_portal(latest=2, tenants={1: 1, 2: 1, 3: 2}) as portal:
        portal.toml(chosen, RECEIVERS)
        settings.cache_clear()
        rules.cache_clear()
        source_named.cache_clear()
        yield portal
    source_named("acme").close()
    source_named.cache_clear()


def contents(world: World) -> dict[str, list[Any]]:
    """Every row of every table of ours, but of those that follow the clock, and which months there are."""
    tables = [table for table in Base.metadata.sorted_tables if table.name not in OF_THE_CLOCK]
    months = world.rows("SELECT inhrelid::regclass::text FROM pg_inherits ORDER BY 1")
    return {"months": months} | {
        table.name: sorted(map(repr, world.session.execute(select(*table.columns).select_from(table)).all()))
        for table in tables
    }


def test_all_tasks_are_here() -> None:
    """A task that is added must be added to the steps, too."""
    from celery import current_app

    registered = {name.removeprefix("uptake.") for name in current_app.tasks if name.startswith("uptake.")}
    # The audit only looks, and who helps to study does the same.
    assert registered == {name for name, _, _ in STEPS} | {"audit", "help_to_study"}


@pytest.mark.parametrize("name", [name for name, _, _ in STEPS])
def test_twice_is_once(name: str, world: World, portal: SmallPortal) -> None:
    """Nothing is polled, raised, queued or sent again, and no row differs."""
    world.session.execute(text("UPDATE source SET next_poll_at = :now"), {"now": world.now})
    for step, after, run in STEPS:
        world.now += after
        _make_ready(world)
        if step != name:
            run(world, world.now)
            continue
        before = contents(world)
        run(world, world.now)
        once, asked = contents(world), len(portal.asked)
        assert once != before, f"{name} did nothing even the first time"
        run(world, world.now)
        assert contents(world) == once
        assert len(portal.asked) == asked
        return


def _make_ready(world: World) -> None:
    """What no task of ours writes: somebody to remind."""
    world.session.execute(
        text("INSERT INTO contact (tenant_id, email) SELECT id, 'a@b.example' FROM tenant ON CONFLICT DO NOTHING")
    )
