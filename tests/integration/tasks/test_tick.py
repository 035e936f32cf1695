"""The clock: whoever ticks, and however often, each due thing is rung for once."""

import os
import socket
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import text

from models.leases import LEASE, claim_app, claim_source
from tasks.edges import source_named
from tasks.evaluate import evaluate_app
from tasks.poll import list_apps, poll, poll_app, poll_source
from tasks.rules import rules
from tasks.tick import SCHEDULES, due_work, fires
from tests.integration.models.world import A, B, World
from tests.integration.portal_double import said
from tests.integration.tasks.recorded import Ours

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def test_two_ticks_do_the_work_once(world: World) -> None:
    """A second tick in the same slot rings for nothing, and the next slot does not ring twice for one poll."""
    first = due_work(now=world.now)
    assert (poll_app, (world.app_id,)) in first
    assert due_work(now=world.now) == []
    assert (poll_app, (world.app_id,)) not in due_work(now=world.now + 6 * SECOND)


def test_schedule_fires_once_per_slot(world: World) -> None:
    """The slots of a schedule are the same for everybody."""
    slot = world.now.replace(second=0, microsecond=0)
    assert fires(world.session, "poll", now=slot)
    assert not fires(world.session, "poll", now=slot + 4 * SECOND)
    assert fires(world.session, "poll", now=slot + SCHEDULES["poll"])
    # A clock that was set back finds its slots taken.
    assert not fires(world.session, "poll", now=slot)


def test_sources_and_evaluations_are_rung_for(world: World) -> None:
    """A source whose list is due, and an app whose alerts may have changed."""
    world.put("1", 1)
    world.poll()
    world.release(A, B)
    world.poll()
    rung = due_work(now=world.now + timedelta(hours=1))
    assert (evaluate_app, (world.app_id,)) in rung
    assert (poll_source, (world.source_id,)) in rung


def test_deleted_apps_are_left_alone(world: World) -> None:
    """Nobody is rung to poll a deleted app."""
    world.list_apps(deleted=True)
    assert (poll_app, (world.app_id,)) not in due_work(now=world.now + timedelta(days=1))


def _killed(world: World, *, slept: timedelta) -> None:
    """A worker takes the app and dies; *slept* later by Postgres's clock it is looked for."""
    assert claim_app(world.session, world.app_id, now=world.now, every=timedelta(hours=6), forced=True)
    world.session.execute(
        text("UPDATE app SET rung_until = NULL, lease_until = lease_until - cast(:slept AS interval)"), {"slept": slept}
    )


def test_app_of_a_dead_worker_is_polled_soon(world: World) -> None:
    """Once nothing was heard for two leases, and not after its usual time; a walk that is only slow goes on."""
    _killed(world, slept=1.9 * LEASE)
    assert (poll_app, (world.app_id,)) not in due_work(now=world.now + MINUTE)
    world.session.execute(text("UPDATE app SET lease_until = lease_until - interval '12 s'"))
    assert (poll_app, (world.app_id,)) in due_work(now=world.now + 2 * MINUTE)
    assert world.rows("SELECT outcome, reason FROM poll WHERE app_id IS NOT NULL") == [
        ("failed", "its worker fell silent: was it killed?")
    ]


def test_app_that_kills_its_workers_waits(world: World) -> None:
    """One after another dies of it: the portal is left alone for longer each time, and its operator is told."""
    waits = []
    for _ in range(6):
        world.now += timedelta(hours=1)
        _killed(world, slept=3 * LEASE)
        due_work(now=world.now)
        waits += [(due - world.now).total_seconds() for (due,) in world.rows("SELECT next_poll_at FROM app")]
    assert waits == [0, 30, 90, 210, 450, 930]
    assert world.rows("SELECT failures, evaluate_at = :now FROM app", now=world.now) == [(6, True)]
    world.evaluate()
    assert world.rows("SELECT kind, data->>'error' FROM alert") == [
        ("poll_failing", "its worker fell silent: was it killed?")
    ]
    world.poll()
    assert world.rows("SELECT failures FROM app") == [(0,)]


def test_list_of_a_dead_worker_is_read_soon(world: World) -> None:
    """So is the list of apps, and three deaths over it are an alert."""
    for _ in range(3):
        world.now += timedelta(hours=1)
        assert claim_source(world.session, world.source_id, now=world.now, every=timedelta(hours=6), forced=True)
        world.session.execute(
            text("UPDATE source SET rung_until = NULL, lease_until = lease_until - cast(:slept AS interval)"),
            {"slept": 3 * LEASE},
        )
        rung = due_work(now=world.now)
        world.now += timedelta(minutes=2)
        assert (poll_source, (world.source_id,)) in rung + due_work(now=world.now)
    assert world.rows("SELECT kind, app_id FROM alert") == [("poll_failing", None)]


def test_source_has_a_pace_of_its_own(ours: Ours, chosen: Path) -> None:
    """The list of its apps, and an app that another try soon would not mend, are due after the source's own time."""
    ours.portal.toml(chosen, 'poll_every = "2h"')
    for cache in (rules, source_named):
        cache.cache_clear()
    at = ours.now + timedelta(hours=7)
    ours.portal.fault = lambda request: said({}, 400) if request.path.endswith("/connections") else None
    assert list_apps(ours.source, now=at) is not None
    assert poll(ours.app, now=at) is None
    due = f"next_poll_at - '{at.isoformat()}' BETWEEN interval '1 h 54 min' AND interval '2 h 6 min'"
    assert ours.rows(f"SELECT {due} FROM source") == [(True,)]  # noqa: S608 - ours
    assert ours.rows(f"SELECT {due} FROM app WHERE id = {ours.app}") == [(True,)]  # noqa: S608 - ours


def test_who_looked_is_known(world: World) -> None:
    """By machine, process and version; who was not heard of for an hour is forgotten."""
    due_work(now=world.now)
    mine = f"{socket.gethostname()} {os.getppid()}"
    seen = [("tick", world.now, version("uptake")), (mine, world.now, version("uptake"))]
    found = world.rows("SELECT process, at, version FROM heartbeat")
    assert sorted(found) == sorted(seen)
    world.session.execute(text("UPDATE heartbeat SET process = 'another' WHERE process <> 'tick'"))
    due_work(now=world.now + 62 * MINUTE)
    assert sorted(world.rows("SELECT process FROM heartbeat")) == sorted([("tick",), (mine,)])
