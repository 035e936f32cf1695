"""Telling operators: few, grouped messages with a reason, and never the same twice."""

from datetime import timedelta

from tasks.evaluate import evaluate_now
from tasks.flush import flush_now
from tests.integration.models.world import A, B, World

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOTICES = "SELECT reason, payload ->> 'firing' FROM notice ORDER BY id"


def alarmed(world: World, tenants: int) -> None:
    """So many tenants lag, and their grace is over."""
    for number in range(tenants):
        world.put(str(number), 1)
    world.poll()
    world.release(A, B)
    world.poll()
    world.now += 20 * DAY
    evaluate_now(world.app_id, now=world.now)


def flushed(world: World, after: timedelta) -> int:
    """Flush twice, *after* some time; the second run must do nothing."""
    world.now += after
    queued = flush_now(now=world.now)
    before = world.snapshot(), world.rows("SELECT * FROM told ORDER BY 1, 2")
    assert flush_now(now=world.now) == 0
    assert (world.snapshot(), world.rows("SELECT * FROM told ORDER BY 1, 2")) == before
    return queued


def test_many_alerts_are_one_message(world: World) -> None:
    """Thirty tenants that lag at once are one message, after the group's wait, that counts them."""
    alarmed(world, 30)
    assert flushed(world, timedelta()) == 0
    assert flushed(world, timedelta(seconds=31)) == 1
    assert world.rows(NOTICES) == [("first", "30")]
    (body,) = world.rows("SELECT body FROM notice")[0]
    assert "Tenant 1" in body


def test_unchanged_group_repeats_only_after_its_interval(world: World) -> None:
    """Nothing new: silent until repeat_interval has passed."""
    alarmed(world, 3)
    flushed(world, timedelta(seconds=31))
    assert flushed(world, HOUR) == 0
    assert flushed(world, 4 * HOUR) == 1
    assert [reason for reason, _ in world.rows(NOTICES)] == ["first", "repeat"]


def test_resolution_is_told_once(world: World) -> None:
    """When all is over the receiver hears so, once, and then nothing more."""
    alarmed(world, 1)
    flushed(world, timedelta(seconds=31))
    world.put("0", 2)
    world.poll()
    evaluate_now(world.app_id, now=world.now)
    assert flushed(world, HOUR) == 1
    assert flushed(world, 30 * DAY) == 0
    assert [reason for reason, _ in world.rows(NOTICES)] == ["first", "all_resolved"]


def test_raised_and_resolved_unheard_is_silent(world: World) -> None:
    """What opened and closed within the group's wait is never told."""
    alarmed(world, 1)
    world.put("0", 2)
    world.now += timedelta(seconds=1)
    world.poll(after=timedelta(seconds=1))
    evaluate_now(world.app_id, now=world.now)
    assert flushed(world, HOUR) == 0
    assert world.rows(NOTICES) == []
