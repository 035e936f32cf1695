"""How rollouts went: the versions of each app, and how many tenants ran each of them day by day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from sqlalchemy import Row, text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an app, and what it changed against the one before."""

    app: str
    number: int
    released_at: datetime
    released_by: str | None
    scopes: Sequence[str]
    added: Sequence[str]
    removed: Sequence[str]
    tenants: int  # connected, that run it now


_VERSIONS = text("""
WITH known AS (
    SELECT v.app_id, v.number, v.released_at, v.released_by, g.grants AS grants,
        lag(g.grants, 1, '{}') OVER (PARTITION BY v.app_id ORDER BY v.number) AS before
    FROM app_version v JOIN scope_set g ON g.id = v.scope_set_id
)
SELECT s.name || ':' || a.external_id AS app, k.number, k.released_at, k.released_by, k.grants AS scopes,
    coalesce((SELECT sum(t.tenants) FROM tally t WHERE t.app_id = k.app_id AND t.environment = :environment
        AND t.status = 'connected' AND t.version = k.number), 0) AS tenants,
    ARRAY(SELECT unnest(k.grants) EXCEPT SELECT unnest(k.before) ORDER BY 1) AS added,
    ARRAY(SELECT unnest(k.before) EXCEPT SELECT unnest(k.grants) ORDER BY 1) AS removed
FROM known k JOIN app a ON a.id = k.app_id JOIN source s ON s.id = a.source_id
WHERE a.deleted_at IS NULL AND (cast(:app AS text) IS NULL OR s.name || ':' || a.external_id = :app)
ORDER BY s.name, a.name, a.id, k.number DESC
""")


def versions(session: Session, *, app: str | None = None, environment: str = "production") -> list[Version]:
    """Every version of every app (or of the one called *app*), the newest of each first."""
    bound = {"app": app, "environment": environment}
    return [Version(**row) for row in session.execute(_VERSIONS, bound).mappings()]


@dataclass(frozen=True, slots=True)
class Uptake:
    """How many connected tenants ran one version of an app at the end of each day from *first* on."""

    app: str
    version: int  # 0: the portal did not tell
    first: date
    tenants: Sequence[int]


# A day without change has no row: what was true before the first day holds until the first row after it.
_ADOPTION = text("""
WITH counted AS (
    SELECT * FROM (
        SELECT DISTINCT ON (app_id, version) app_id, version, cast(:first AS date) AS day, tenants FROM adoption
        WHERE environment = :environment AND day <= :first ORDER BY app_id, version, adoption.day DESC
    ) AS at_first
    UNION ALL
    SELECT app_id, version, day, tenants FROM adoption WHERE environment = :environment AND day > :first
)
SELECT s.name || ':' || a.external_id AS app, c.version, c.day, c.tenants
FROM counted c JOIN app a ON a.id = c.app_id JOIN source s ON s.id = a.source_id
WHERE a.deleted_at IS NULL AND (cast(:app AS text) IS NULL OR s.name || ':' || a.external_id = :app)
ORDER BY 1, 2, 3
""")


def uptake(
    session: Session, *, until: date, days: int, environment: str = "production", app: str | None = None
) -> list[Uptake]:
    """The last *days* days up to *until*, for every version that somebody ran in them, by app and version."""
    first = until - timedelta(days=days - 1)
    rows = session.execute(_ADOPTION, {"first": first, "environment": environment, "app": app}).all()
    grouped = groupby(rows, key=lambda row: (row.app, row.version))
    curves = [Uptake(name, version, first, _filled(list(told), first, days)) for (name, version), told in grouped]
    return [curve for curve in curves if any(curve.tenants)]


def _filled(rows: list[Row[tuple[str, int, date, int]]], first: date, days: int) -> list[int]:
    told = {row.day: row.tenants for row in rows}
    tenants, filled = 0, []
    for day in range(days):
        tenants = told.get(first + timedelta(days=day), tenants)
        filled.append(tenants)
    return filled
