"""How Uptake itself is: who is alive, what waits to be sent, and the database it lives in."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.queries.message_lists import SEEN

_WORKERS = text("""
SELECT process AS worker, at, version FROM heartbeat
WHERE process <> 'tick' AND at >= clock_timestamp() - interval '1 hour' ORDER BY process
""")
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
class WorkerRow:
    """When a worker looked for due work last, and which version of Uptake it is."""

    worker: str  # its machine and process
    at: datetime
    version: str | None


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


def workers(session: Session) -> list[WorkerRow]:
    """The workers that looked for due work within the hour; a busy one may not have come to it."""
    return [WorkerRow(**row) for row in session.execute(_WORKERS).mappings()]


def queues(session: Session, *, now: datetime, sources: Collection[str] | None = None) -> list[Queue]:
    """What waits to be sent, by receiver; with *sources* only what is about those."""
    bound = {"now": now, "sources": None if sources is None else sorted(sources)}
    return [Queue(**row) for row in session.execute(_QUEUES, bound).mappings()]


def database(session: Session) -> Database:
    """The database's version, size and schema."""
    return Database(**session.execute(_DATABASE).mappings().one())
