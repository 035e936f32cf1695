"""Months of events and polls: made ahead, filled in order, dropped whole."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.partitions import drop_partitions, make_partitions
from tests.integration.models.world import World

NOW = datetime(2031, 11, 26, 12, tzinfo=UTC)
KEEP = {"event": timedelta(days=730), "poll": timedelta(days=90)}


def months(session: Session, table: str, year: int) -> list[str]:
    """The partitions of *table* for the months of *year*."""
    query = text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE :like ORDER BY relname")
    return list(session.scalars(query, {"like": f"{table}_{year}_%"}))


def test_months_are_made_ahead(world: World) -> None:
    """This month and the three after it, across the turn of the year; a second run makes nothing."""
    assert len(make_partitions(world.session, now=NOW)) == 8
    assert months(world.session, "event", 2031) == ["event_2031_11", "event_2031_12"]
    assert months(world.session, "poll", 2032) == ["poll_2032_01", "poll_2032_02"]
    assert make_partitions(world.session, now=NOW) == []


def test_rows_without_a_month_wait_and_are_moved(world: World) -> None:
    """Nothing is refused when nobody made the month in time; the rows move when it is made."""
    world.session.execute(text("INSERT INTO event (at, type) VALUES (:at, 'late')"), {"at": NOW})
    assert world.rows("SELECT count(*) FROM event_rest WHERE type = 'late'") == [(1,)]
    make_partitions(world.session, now=NOW)
    assert world.rows("SELECT count(*) FROM event_rest WHERE type = 'late'") == [(0,)]
    assert world.rows("SELECT tableoid::regclass::text FROM event WHERE type = 'late'") == [("event_2031_11",)]


def test_old_months_are_dropped_whole(world: World) -> None:
    """A month goes when its last row may go; its index, its rows and nothing else with it."""
    make_partitions(world.session, now=NOW, since=NOW - timedelta(days=800))
    for days in (2, 80, 120, 700, 760):
        world.session.execute(
            text("INSERT INTO event (at, type) VALUES (:at, 'old')"), {"at": NOW - timedelta(days=days)}
        )
    world.session.execute(text("INSERT INTO event (at, type) VALUES ('2020-01-01Z', 'old')"))
    dropped = drop_partitions(world.session, KEEP, now=NOW)
    assert "event_2029_10" in dropped
    assert "event_2029_11" not in dropped
    assert "poll_2031_07" in dropped
    assert "poll_2031_08" not in dropped
    assert world.rows("SELECT count(*) FROM event WHERE type = 'old'") == [(4,)]
    assert drop_partitions(world.session, KEEP, now=NOW) == []
