"""How a rollout went: the versions of an app, and how many tenants ran each of them day by day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import text
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
    SELECT s.name || ':' || a.external_id AS app, v.app_id, v.number, v.released_at, v.released_by,
        g.grants AS grants, lag(g.grants, 1, '{}') OVER (ORDER BY v.number) AS before
    FROM app a JOIN source s ON s.id = a.source_id JOIN app_version v ON v.app_id = a.id
    JOIN scope_set g ON g.id = v.scope_set_id
    WHERE s.name || ':' || a.external_id = :app
)
SELECT k.app, k.number, k.released_at, k.released_by, k.grants AS scopes,
    coalesce((SELECT sum(t.tenants) FROM tally t WHERE t.app_id = k.app_id AND t.environment = :environment
        AND t.status = 'connected' AND t.version = k.number), 0) AS tenants,
    ARRAY(SELECT unnest(k.grants) EXCEPT SELECT unnest(k.before) ORDER BY 1) AS added,
    ARRAY(SELECT unnest(k.before) EXCEPT SELECT unnest(k.grants) ORDER BY 1) AS removed
FROM known k ORDER BY k.number DESC
""")


def versions(session: Session, app: str, *, environment: str = "production") -> list[Version]:
    """Every version of the app called *app*, be it deleted, the newest first."""
    bound = {"app": app, "environment": environment}
    return [Version(**row) for row in session.execute(_VERSIONS, bound).mappings()]


@dataclass(frozen=True, slots=True)
class Uptake:
    """How many connected tenants ran one version of an app at the end of each day from *first* on."""

    app: str
    version: int  # 0: the portal did not tell
    first: date
    tenants: Sequence[int]


# A day without change has no row: what was true before the first day holds until the first row after it. The versions
# are those that anybody ever ran, found one after the other in the key, whatever the portal lists.
_ADOPTION = text("""
WITH RECURSIVE meant AS MATERIALIZED (
    SELECT a.id, s.name || ':' || a.external_id AS app FROM app a JOIN source s ON s.id = a.source_id
    WHERE s.name || ':' || a.external_id = :app
), ran AS (
    SELECT m.id, m.app, (
        SELECT min(version) FROM adoption WHERE app_id = m.id AND environment = :environment) AS version FROM meant m
    UNION ALL
    SELECT r.id, r.app, (
        SELECT min(version) FROM adoption
        WHERE app_id = r.id AND environment = :environment AND adoption.version > r.version)
    FROM ran r WHERE r.version IS NOT NULL
)
SELECT r.app, r.version, d.days, d.tenants FROM ran r CROSS JOIN LATERAL (
    SELECT array_agg(greatest(day - cast(:first AS date), 0) ORDER BY day) AS days,
        array_agg(tenants ORDER BY day) AS tenants
    FROM (
        (SELECT day, tenants FROM adoption WHERE app_id = r.id AND environment = :environment
            AND adoption.version = r.version AND day <= :first ORDER BY day DESC LIMIT 1)
        UNION ALL
        (SELECT day, tenants FROM adoption WHERE app_id = r.id AND environment = :environment
            AND adoption.version = r.version AND day > :first AND day <= :until)
    ) told
) d WHERE d.days IS NOT NULL ORDER BY r.app, r.version
""")


def uptake(session: Session, app: str, *, until: date, days: int, environment: str = "production") -> list[Uptake]:
    """The last *days* days up to *until* of the app called *app*, for every version that somebody ran in them."""
    first = until - timedelta(days=days - 1)
    bound = {"first": first, "until": until, "environment": environment, "app": app}
    rows = session.execute(_ADOPTION, bound)
    curves = [Uptake(row.app, row.version, first, _filled(row.days, row.tenants, days)) for row in rows]
    return [curve for curve in curves if any(curve.tenants)]


def _filled(told: Sequence[int], counts: Sequence[int], days: int) -> list[int]:
    """What was *told* on some days, counted from 0, holds on each until the next."""
    filled = [0] * told[0]
    for tenants, begins, ends in zip(counts, told, [*told[1:], days], strict=True):
        filled += [tenants] * (ends - begins)
    return filled
