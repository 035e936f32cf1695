"""The clock: whoever ticks, and however often, each due thing is rung for once."""

from datetime import timedelta

from tasks.evaluate import evaluate_app
from tasks.poll import poll_app, poll_source
from tasks.tick import SCHEDULES, due_work, fires
from tests.integration.models.world import A, B, World

SECOND = timedelta(seconds=1)


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
