"""Adoption counted anew from the tenures, beside the counters that polls maintain: the two are never apart."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

# The counters as of the end of a day, and who was connected then by the stretches themselves.
_APART = text("""
WITH counted AS (
    SELECT DISTINCT ON (app_id, environment, version) app_id, environment, version, tenants
    FROM adoption WHERE cast(:day AS date) IS NULL OR day <= :day
    ORDER BY app_id, environment, version, day DESC
), recounted AS (
    SELECT app_id, environment, coalesce(version, 0) AS version, count(*) AS tenants FROM tenure
    WHERE status = 'connected' AND (
        cast(:instant AS timestamptz) IS NULL AND valid_to IS NULL
        OR valid_from < :instant AND (valid_to IS NULL OR valid_to >= :instant))
    GROUP BY app_id, environment, coalesce(version, 0)
)
SELECT s.name || ':' || a.external_id AS app, environment, version, coalesce(c.tenants, 0) AS counted,
    coalesce(r.tenants, 0) AS recounted
FROM counted c FULL JOIN recounted r USING (app_id, environment, version)
JOIN app a ON a.id = app_id JOIN source s ON s.id = a.source_id
WHERE coalesce(c.tenants, 0) <> coalesce(r.tenants, 0)
ORDER BY app, environment, version
""")
_TALLIES_APART = text("""
WITH counted AS (
    SELECT app_id, environment, version, status, scope_set_id, tenants FROM tally
), recounted AS (
    SELECT app_id, environment, coalesce(version, 0) AS version, status, coalesce(scope_set_id, 0) AS scope_set_id,
        count(*) AS tenants FROM connection GROUP BY 1, 2, 3, 4, 5
)
SELECT s.name || ':' || a.external_id AS app, environment, version, coalesce(c.tenants, 0) AS counted,
    coalesce(r.tenants, 0) AS recounted
FROM counted c FULL JOIN recounted r USING (app_id, environment, version, status, scope_set_id)
JOIN app a ON a.id = app_id JOIN source s ON s.id = a.source_id
WHERE coalesce(c.tenants, 0) <> coalesce(r.tenants, 0)
ORDER BY app, environment, version
""")


@dataclass(frozen=True, slots=True)
class Apart:
    """One counter that is not what a recount gives."""

    app: str
    environment: str
    version: int  # 0: not told
    counted: int
    recounted: int


def tallies_apart(session: Session) -> list[Apart]:
    """The same of the tally of connections by kind, against the connections themselves."""
    return [Apart(**row) for row in session.execute(_TALLIES_APART).mappings()]


def counters_apart(session: Session, day: date | None = None) -> list[Apart]:
    """The counters that are wrong at the end of *day* (in UTC), or now; none, if all is as it should be."""
    instant = None if day is None else datetime.combine(day + timedelta(days=1), time(), UTC)
    return [Apart(**row) for row in session.execute(_APART, {"day": day, "instant": instant}).mappings()]
