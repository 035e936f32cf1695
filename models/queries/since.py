"""What has come to an end since somebody looked last, for whoever keeps count of it."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

AT_ONCE = 20_000  # rows; who has not looked for long catches up bit by bit


@dataclass(frozen=True, slots=True)
class EndedPoll:
    """One run of a source, of its list or of one of its apps."""

    id: int
    source: str
    outcome: str  # complete | partial | held | failed
    fault: str | None
    duration_seconds: float


_POLLS = text("""
SELECT p.id, s.name AS source, p.outcome, p.fault, p.duration_seconds FROM poll p JOIN source s ON s.id = p.source_id
WHERE p.id > :after ORDER BY p.id LIMIT :most
""")


def polls_since(session: Session, *, after: int) -> list[EndedPoll]:
    """The next runs in the order of their ids, which are handed out a little before others can see them."""
    return [EndedPoll(**row) for row in session.execute(_POLLS, {"after": after, "most": AT_ONCE}).mappings()]


@dataclass(frozen=True, slots=True)
class Try:
    """One try to deliver a message; without an outcome it is still under way, or nobody knows."""

    id: int
    receiver: str
    outcome: str | None  # sent | transient | permanent


_TRIES = text("""
(SELECT a.id, n.receiver, a.outcome FROM attempt a JOIN notice n ON n.id = a.notice_id
 WHERE a.id > :after ORDER BY a.id LIMIT :most)
UNION ALL
SELECT a.id, n.receiver, a.outcome FROM attempt a JOIN notice n ON n.id = a.notice_id
WHERE a.id = ANY(cast(:open AS int8[])) AND a.id <= :after
""")


def tries_since(session: Session, *, after: int, under_way: Collection[int]) -> list[Try]:
    """The next tries in the order of their ids, and how those stand that were *under_way*."""
    bound = {"after": after, "open": sorted(under_way), "most": AT_ONCE}
    return [Try(**row) for row in session.execute(_TRIES, bound).mappings()]


@dataclass(frozen=True, slots=True)
class Marks:
    """How far everything has come: the last id of each kind that was handed out, and the oldest transaction."""

    poll: int
    attempt: int
    tx: str


_MARKS = text("""
SELECT coalesce(pg_sequence_last_value('poll_id_seq'), 0) AS poll,
    coalesce(pg_sequence_last_value(cast(pg_get_serial_sequence('attempt', 'id') AS regclass)), 0) AS attempt,
    cast(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS tx
""")


def marks(session: Session) -> Marks:
    """Where to go on from, for who begins to count now."""
    return Marks(**session.execute(_MARKS).mappings().one())


_EVENTS = text("""
SELECT type, count(*) AS events FROM event WHERE tx >= cast(:after AS xid8) AND tx < cast(:until AS xid8) GROUP BY type
""")


def events_between(session: Session, after: str, until: str) -> dict[str, int]:
    """How many events of each type these transactions wrote; exact when *until* is the oldest still running."""
    return {row.type: row.events for row in session.execute(_EVENTS, {"after": after, "until": until})}
