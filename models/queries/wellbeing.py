"""How Uptake itself is: who is alive, what waits to be sent, and the database it lives in."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.queries.message_lists import SEEN

_BEATS = text("SELECT process, at FROM heartbeat ORDER BY process")
_QUEUES = text(f"""
SELECT n.receiver, count(*) AS waiting, count(*) FILTER (WHERE n.due_at <= :now) AS due,
    count(*) FILTER (WHERE n.state = 'sending') AS sending, count(*) FILTER (WHERE n.failures > 0) AS tried,
    min(n.created_at) AS oldest_at
FROM notice n
WHERE n.state IN ('due', 'sending') AND {SEEN}
GROUP BY n.receiver ORDER BY n.receiver
""")  # noqa: S608 - constants only
_DATABASE = text("""
SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS size,
    (SELECT max(version_num) FROM alembic_version) AS schema
""")


@dataclass(frozen=True, slots=True)
class Beat:
    """When a process gave its last sign of life, by the work it did."""

    process: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits for one receiver."""

    receiver: str
    waiting: int
    due: int  # of them, whose time has come
    sending: int  # of them, on their way
    tried: int  # of them, without success so far
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class Database:
    """What all of it is kept in."""

    version: str  # of PostgreSQL
    size: int  # bytes
    schema: str  # the last migration that was run


def beats(session: Session) -> list[Beat]:
    """Every process that ever gave a sign of life."""
    return [Beat(**row) for row in session.execute(_BEATS).mappings()]


def queues(session: Session, *, now: datetime, sources: Collection[str] | None = None) -> list[Queue]:
    """What waits to be sent, by receiver; with *sources* only what is about those."""
    bound = {"now": now, "sources": None if sources is None else sorted(sources)}
    return [Queue(**row) for row in session.execute(_QUEUES, bound).mappings()]


def database(session: Session) -> Database:
    """The database's version, size and schema."""
    return Database(**session.execute(_DATABASE).mappings().one())
