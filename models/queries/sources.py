"""How each source answers, and whether anybody still looks for due work."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

# A tick later than this means that nobody looks for due work any more.
TICK_IS_LATE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """One source at a glance: when its list of apps was last read, and what is wrong with it now."""

    source: str
    apps: int
    failing_apps: int  # the last poll of each of them failed
    listed_at: datetime | None
    fault: str | None
    error: str | None
    resting_until: datetime | None  # no request is sent before this
    fed_at: datetime | None  # when its feed of changes was last read; None: its apps are walked


_SOURCES = text("""
SELECT s.name, s.listed_at, s.last_fault, s.last_error, s.circuit_open_until, s.fed_at,
    count(a.id) AS apps, count(a.id) FILTER (WHERE a.failures > 0) AS failing
FROM source s LEFT JOIN app a ON a.source_id = s.id AND a.deleted_at IS NULL
WHERE s.enabled GROUP BY s.id ORDER BY s.name
""")


def sources(session: Session) -> list[SourceHealth]:
    """Every source of uptake.toml, by name."""
    return [
        SourceHealth(
            row.name,
            row.apps,
            row.failing,
            row.listed_at,
            row.last_fault,
            row.last_error,
            row.circuit_open_until,
            row.fed_at,
        )
        for row in session.execute(_SOURCES)
    ]


def tick_age(session: Session) -> timedelta | None:
    """How long ago a worker last looked for due work, by Postgres's clock; None: none ever did."""
    return session.execute(
        text("SELECT clock_timestamp() - at FROM heartbeat WHERE process = 'tick'")
    ).scalar_one_or_none()
