"""How portals were read of late: what polls came to, how long they took, and which apps cannot be read."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

MOST = 20_000  # polls of a source that are looked at: the newest

# By source, for each has its own place in the index, however many there are of the others.
_RECENT = """
WITH recent AS MATERIALIZED (
    SELECT p.* FROM source s CROSS JOIN LATERAL (
        SELECT app_id, started_at, duration_seconds, outcome FROM poll
        WHERE source_id = s.id AND started_at > :since ORDER BY started_at DESC LIMIT :most
    ) p
    WHERE s.enabled AND (cast(:sources AS text[]) IS NULL OR s.name = ANY(cast(:sources AS text[])))
)
"""
_HOURS = text(f"""{_RECENT}
SELECT date_trunc('hour', started_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS begins, count(*) AS polls,
    count(*) FILTER (WHERE outcome = 'complete') AS complete, count(*) FILTER (WHERE outcome = 'partial') AS partial,
    count(*) FILTER (WHERE outcome = 'held') AS held, count(*) FILTER (WHERE outcome = 'failed') AS failed,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_seconds) AS median_seconds,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_seconds) AS slow_seconds
FROM recent GROUP BY begins ORDER BY begins
""")  # noqa: S608 - constants only
_SLOWEST = text(f"""{_RECENT}
SELECT s.name || ':' || a.external_id AS app, a.name AS app_name, max(r.duration_seconds) AS seconds,
    (array_agg(r.started_at ORDER BY r.duration_seconds DESC))[1] AS at
FROM recent r JOIN app a ON a.id = r.app_id JOIN source s ON s.id = a.source_id
GROUP BY s.name, a.external_id, a.name ORDER BY seconds DESC, app LIMIT :shown
""")  # noqa: S608 - constants only
_READINGS = text("""
SELECT s.name || ':' || a.external_id AS app, a.name AS app_name, a.failures, a.next_poll_at,
    f.exact_at AS last_complete_poll_at, p.started_at, p.duration_seconds, p.outcome, p.fault, p.reason, p.rows
FROM app a JOIN source s ON s.id = a.source_id JOIN freshness f ON f.app_id = a.id
LEFT JOIN LATERAL (
    SELECT started_at, duration_seconds, outcome, fault, reason, rows FROM poll
    WHERE poll.app_id = a.id ORDER BY started_at DESC LIMIT 1
) p ON true
WHERE a.deleted_at IS NULL AND s.enabled AND (NOT :failing OR a.failures > 0)
  AND (cast(:sources AS text[]) IS NULL OR s.name = ANY(cast(:sources AS text[])))
  AND (cast(:source AS text) IS NULL
      OR (s.name, a.external_id) > (cast(:source AS text), cast(:app AS text)))
ORDER BY s.name, a.external_id LIMIT :most
""")


@dataclass(frozen=True, slots=True)
class Hour:
    """What the polls of one hour came to."""

    begins: datetime
    polls: int
    complete: int
    partial: int
    held: int
    failed: int
    median_seconds: float
    slow_seconds: float  # one of twenty took longer


@dataclass(frozen=True, slots=True)
class Slow:
    """An app and its longest poll of late."""

    app: str
    app_name: str
    seconds: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Reading:
    """One app: its last poll, and when it is to be polled next."""

    app: str
    app_name: str
    failures: int  # in a row
    next_poll_at: datetime
    last_complete_poll_at: datetime | None
    started_at: datetime | None  # None: it was never polled
    duration_seconds: float | None
    outcome: str | None  # complete | partial | held | failed
    fault: str | None
    reason: str | None
    rows: int | None


def hours(session: Session, *, now: datetime, sources: Collection[str] | None = None) -> list[Hour]:
    """The polls of the last day by the hour, lists of apps among them; of a busy source, only the last MOST."""
    return [Hour(**row) for row in session.execute(_HOURS, _recent(now, sources)).mappings()]


def slowest(session: Session, *, now: datetime, sources: Collection[str] | None = None, shown: int = 5) -> list[Slow]:
    """The apps whose polls took longest within the last day."""
    rows = session.execute(_SLOWEST, _recent(now, sources) | {"shown": shown}).mappings()
    return [Slow(**row) for row in rows]


def readings(
    session: Session,
    *,
    failing: bool = False,
    sources: Collection[str] | None = None,
    after: tuple[str, str] | None = None,
    most: int,
) -> list[Reading]:
    """The apps that are polled, or those of which the last poll failed, by source and id *after* those of the last."""
    source, app = after or (None, None)
    bound = {"failing": failing, "sources": _named(sources), "source": source, "app": app, "most": most}
    return [Reading(**row) for row in session.execute(_READINGS, bound).mappings()]


def _recent(now: datetime, sources: Collection[str] | None) -> dict[str, object]:
    return {"since": now - timedelta(days=1), "most": MOST, "sources": _named(sources)}


def _named(sources: Collection[str] | None) -> list[str] | None:
    return None if sources is None else sorted(sources)
