"""Partitions of what grows for ever: made a few months ahead, dropped whole when nobody has to keep them."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

# By the month of this column. What belongs to no month that was made waits in `<table>_rest`.
PARTITIONED = {"event": "at", "poll": "started_at"}
PARTITION = re.compile(r"(event|poll)_(?:(\d{4})_(\d{2})|rest)")
MONTHS_AHEAD = 3

_EXISTING = text("""
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = cast(:table AS regclass) ORDER BY c.relname
""")


def make_partitions(session: Session, *, now: datetime, since: datetime | None = None) -> list[str]:
    """Make what is missing from the month of *since* (else of *now*) to three months ahead; the names of the new ones.

    Rows that came before their partition was made are moved into it. A second run makes nothing.
    """
    made = []
    for table, column in PARTITIONED.items():
        existing = set(session.scalars(_EXISTING, {"table": table}))
        for begin, end in _months(since or now, now):
            name = f"{table}_{begin:%Y_%m}"
            if name not in existing:
                _make(session, table, column, name, begin, end)
                made.append(name)
    return made


def drop_partitions(session: Session, keep: Mapping[str, timedelta], *, now: datetime) -> list[str]:
    """Drop every partition of which the last row is older than its table's *keep*; the names of those dropped."""
    dropped = []
    for table, span in keep.items():
        for name in session.scalars(_EXISTING, {"table": table}).all():
            found = PARTITION.fullmatch(name)
            if found and found[2] and _after(datetime(int(found[2]), int(found[3]), 1, tzinfo=UTC)) <= now - span:
                session.execute(text(f"DROP TABLE {name}"))
                dropped.append(name)
        old = text(f"DELETE FROM {table}_rest WHERE {PARTITIONED[table]} < :before")  # noqa: S608 - names of ours
        session.execute(old, {"before": now - span})
    return dropped


def _make(session: Session, table: str, column: str, name: str, begin: datetime, end: datetime) -> None:
    session.execute(text(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"))
    moved = f"DELETE FROM {table}_rest WHERE {column} >= :begin AND {column} < :end RETURNING *"  # noqa: S608 - names of ours
    session.execute(
        text(f"WITH moved AS ({moved}) INSERT INTO {name} SELECT * FROM moved"),  # noqa: S608 - names of ours
        {"begin": begin, "end": end},
    )
    session.execute(
        text(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{begin:%F %T}Z') TO ('{end:%F %T}Z')")
    )


def _months(since: datetime, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The months from that of *since* to the last that has to be there at *now*, as [begin, end)."""
    begin = since.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    last = now.astimezone(UTC)
    for _ in range(MONTHS_AHEAD):
        last = _after(last.replace(day=1))
    while begin <= last:
        yield begin, _after(begin)
        begin = _after(begin)


def _after(month: datetime) -> datetime:
    """The beginning of the month after one that begins so."""
    return (month + timedelta(days=32)).replace(day=1)
