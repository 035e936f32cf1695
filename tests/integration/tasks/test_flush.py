"""Telling operators: few, grouped messages with a reason, and never the same twice."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session as OrmSession

from models.base import engine_for
from models.turns import alone
from tasks.evaluate import evaluate_now
from tasks.flush import flush_now
from tasks.rules import rules
from tests.integration.models.world import A, B, C, World
from tests.integration.tasks.alarmed import alarmed

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOTICES = "SELECT reason, payload ->> 'firing' FROM notice ORDER BY id"


def flushed(world: World, after: timedelta) -> int:
    """Flush twice, *after* some time; the second run must do nothing."""
    world.now += after
    queued = flush_now(now=world.now)
    before = world.snapshot(), world.rows("SELECT * FROM told ORDER BY 1, 2")
    assert flush_now(now=world.now) == 0
    assert (world.snapshot(), world.rows("SELECT * FROM told ORDER BY 1, 2")) == before
    return queued


def test_many_alerts_are_one_message(world: World) -> None:
    """So many tenants that lag at once are one message, after the group's wait, that counts them."""
    alarmed(world, 19)
    assert flushed(world, timedelta()) == 0
    assert flushed(world, timedelta(seconds=31)) == 1
    assert world.rows(NOTICES) == [("first", "19")]
    (body,) = world.rows("SELECT body FROM notice")[0]
    assert "Tenant 1" in body


def test_unchanged_group_repeats_only_after_its_interval(world: World) -> None:
    """Nothing new: silent until repeat_interval has passed."""
    alarmed(world, 3)
    flushed(world, timedelta(seconds=31))
    assert flushed(world, HOUR) == 0
    assert flushed(world, 4 * HOUR) == 1
    assert [reason for reason, _ in world.rows(NOTICES)] == ["first", "repeat"]


def test_enough_for_an_hour(world: World, chosen: Path) -> None:
    """Over the cap the receiver hears once that more waits, and all of it when there is room again."""
    chosen.write_text(chosen.read_text().replace('name = "ops"', 'name = "ops"\ncap = 1'))
    rules.cache_clear()
    alarmed(world, 3)
    assert flushed(world, timedelta(seconds=31)) == 1
    for number, told in ((0, 1), (1, 0)):
        world.put(str(number), 2)
        world.poll(after=MINUTE)
        evaluate_now(world.app_id, now=world.now)
        assert flushed(world, 6 * MINUTE) == told
    assert [reason for reason, _ in world.rows(NOTICES)] == ["first", "capped"]
    (text_of,) = world.rows("SELECT body FROM notice WHERE reason = 'capped'")[0]
    assert "ops has had the 1 messages" in text_of
    assert "1 group of alerts waits" in text_of
    assert flushed(world, 44 * MINUTE) == 0
    assert flushed(world, 2 * MINUTE) == 1
    last = "SELECT reason, payload ->> 'resolved' FROM notice ORDER BY id DESC LIMIT 1"
    assert world.rows(last) == [("new_resolved", "2")]


def test_two_at_once(world: World, database_url: str) -> None:
    """While somebody else tells operators nobody does: each would count without the other."""
    alarmed(world)
    engine = engine_for(database_url)
    with OrmSession(engine) as other:
        assert alone(other, "flush", waits=False)
        assert flush_now(now=world.now + MINUTE) == 0
    engine.dispose()
    flush_now(now=world.now)
    assert flush_now(now=world.now + MINUTE) == 1


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


def test_removed_receiver_hears_no_more(world: World, chosen: Path) -> None:
    """Who is taken off the policy's receivers is not told again; the one who is there now is."""
    alarmed(world, 1)
    flushed(world, timedelta(seconds=31))
    chosen.write_text(chosen.read_text().replace('receivers = ["ops"]', 'receivers = ["tenants"]'))
    rules.cache_clear()
    for _ in range(8):
        flushed(world, 4 * HOUR)
    assert world.rows("SELECT receiver, count(*) FROM notice GROUP BY 1 ORDER BY 1")[0] == ("ops", 1)


def test_less_severe_is_no_escalation(world: World) -> None:
    """A tenant that upgraded partly is better off: nobody is told that it became worse, but the next rise is told."""
    world.put("1", 1)
    world.poll()
    world.release(A, B)
    world.poll()
    world.now += 40 * DAY
    evaluate_now(world.app_id, now=world.now)
    world.release(A, B, C)
    world.poll()
    evaluate_now(world.app_id, now=world.now)
    flushed(world, timedelta(seconds=31))
    world.put("1", 2)
    world.now += 15 * DAY
    world.poll()
    evaluate_now(world.app_id, now=world.now)
    assert world.rows("SELECT severity FROM alert WHERE resolved_at IS NULL") == [("info",)]
    assert world.rows("SELECT step FROM alert_step ORDER BY id DESC LIMIT 1") == [("eased",)]
    flushed(world, DAY)
    assert "escalated" not in {reason for reason, _ in world.rows(NOTICES)}
    world.now += 30 * DAY
    evaluate_now(world.app_id, now=world.now)
    flushed(world, HOUR)
    assert world.rows(NOTICES)[-1][0] == "escalated"


def test_source_no_longer_watched_repeats_nothing(world: World) -> None:
    """Alerts of a source that nobody polls are not repeated for ever."""
    alarmed(world, 1)
    flushed(world, timedelta(seconds=31))
    world.session.execute(text("UPDATE source SET enabled = false"))
    world.session.commit()
    assert flushed(world, 5 * HOUR) == 0
