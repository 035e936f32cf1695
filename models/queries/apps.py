"""Which apps there are, how far each rollout is, and who holds it up."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class LastPoll:
    """How the last poll of an app went."""

    at: datetime
    outcome: str  # complete | partial | held | failed
    reason: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class AppOverview:
    """One app at a glance; counts are of connections in *environment*."""

    app: str  # source:external id
    name: str
    source: str
    environment: str
    latest_version: int | None
    connected: int
    current: int
    blocking: int
    trimming: int
    equivalent: int
    unknown: int
    disabled: int
    not_connected: int
    adoption: float | None  # share of connected tenants on the latest version; None: nobody is connected
    open_alerts: int
    last_complete_poll_at: datetime | None
    last_poll: LastPoll | None
    deleted_at: datetime | None


_OVERVIEW = text("""
WITH counts AS (
    SELECT t.app_id,
        sum(t.tenants) FILTER (WHERE t.status = 'connected') AS connected,
        sum(t.tenants) FILTER (WHERE t.status = 'connected' AND v.lag = 'current') AS current,
        sum(t.tenants) FILTER (WHERE t.status = 'connected' AND v.lag = 'blocking') AS blocking,
        sum(t.tenants) FILTER (WHERE t.status = 'connected' AND v.lag = 'trimming') AS trimming,
        sum(t.tenants) FILTER (WHERE t.status = 'connected' AND v.lag = 'equivalent') AS equivalent,
        sum(t.tenants) FILTER (WHERE t.status = 'connected' AND coalesce(v.lag, 'unknown') = 'unknown') AS unknown,
        sum(t.tenants) FILTER (WHERE t.status = 'disabled') AS disabled,
        sum(t.tenants) FILTER (WHERE t.status IN ('not_connected', 'awaiting_approval')) AS not_connected
    FROM tally t
    LEFT JOIN verdict v ON v.app_id = t.app_id AND v.version = t.version AND v.scope_set_id = t.scope_set_id
    WHERE t.environment = :environment GROUP BY t.app_id
)
SELECT s.name || ':' || a.external_id AS app, a.name, s.name AS source, a.latest_version, f.exact_at, a.deleted_at,
    coalesce(n.connected, 0) AS connected, coalesce(n.current, 0) AS current, coalesce(n.blocking, 0) AS blocking,
    coalesce(n.trimming, 0) AS trimming, coalesce(n.equivalent, 0) AS equivalent, coalesce(n.unknown, 0) AS unknown,
    coalesce(n.disabled, 0) AS disabled, coalesce(n.not_connected, 0) AS not_connected,
    (SELECT count(*) FROM alert x WHERE x.app_id = a.id AND x.resolved_at IS NULL AND x.state = 'firing')
        AS open_alerts,
    p.started_at, p.outcome, p.reason, p.rows
FROM app a JOIN source s ON s.id = a.source_id JOIN freshness f ON f.app_id = a.id LEFT JOIN counts n ON n.app_id = a.id
LEFT JOIN LATERAL (
    SELECT started_at, outcome, reason, rows FROM poll WHERE poll.app_id = a.id ORDER BY started_at DESC LIMIT 1
) p ON true
WHERE (a.deleted_at IS NULL OR :deleted)
  AND (cast(:app AS text) IS NULL OR s.name || ':' || a.external_id = :app)
  AND (cast(:sources AS text[]) IS NULL OR s.name = ANY(cast(:sources AS text[])))
  AND (cast(:after_source AS text) IS NULL OR (s.name, a.name, a.external_id)
      > (cast(:after_source AS text), cast(:after_name AS text), cast(:after_id AS text)))
ORDER BY s.name, a.name, a.external_id LIMIT :most
""")


def has_apps(session: Session) -> bool:
    """Whether any app was ever listed."""
    return bool(session.scalar(text("SELECT EXISTS (SELECT FROM app)")))


def is_app(session: Session, app: str) -> bool:
    """Whether there is or was an app called *app* (source:external id)."""
    query = text("""SELECT EXISTS (SELECT FROM app a JOIN source s ON s.id = a.source_id
                                   WHERE s.name || ':' || a.external_id = :app)""")
    return bool(session.scalar(query, {"app": app}))


def overview(
    session: Session,
    *,
    environment: str = "production",
    app: str | None = None,
    deleted: bool = False,
    sources: Collection[str] | None = None,
    after: tuple[str, str, str] | None = None,
    most: int | None = None,
) -> list[AppOverview]:
    """Every app (or the one called *app*, or those of *sources*) with its counts and its last poll.

    By source and name: the next *most* of them, *after* the source, name and id of the last one.
    """
    bound = {
        "environment": environment,
        "app": app,
        "deleted": deleted,
        "sources": None if sources is None else sorted(sources),
        "most": most,
    }
    places = dict(zip(("after_source", "after_name", "after_id"), after or (None, None, None), strict=True))
    rows = session.execute(_OVERVIEW, bound | places)
    return [_app(row, environment) for row in rows]


def _app(row: Row[Any], environment: str) -> AppOverview:
    return AppOverview(
        app=row.app,
        name=row.name,
        source=row.source,
        environment=environment,
        latest_version=row.latest_version,
        connected=row.connected,
        current=row.current,
        blocking=row.blocking,
        trimming=row.trimming,
        equivalent=row.equivalent,
        unknown=row.unknown,
        disabled=row.disabled,
        not_connected=row.not_connected,
        adoption=row.current / row.connected if row.connected else None,
        open_alerts=row.open_alerts,
        last_complete_poll_at=row.exact_at,
        last_poll=LastPoll(row.started_at, row.outcome, row.reason, row.rows) if row.started_at else None,
        deleted_at=row.deleted_at,
    )


@dataclass(frozen=True, slots=True)
class Laggard:
    """A connected tenant that lacks scopes of the latest version, or still grants withdrawn ones."""

    app: str
    app_name: str
    tenant: str
    tenant_name: str | None
    environment: str
    version: int | None
    latest_version: int
    lag: str  # blocking | trimming
    missing: Sequence[str]
    superfluous: Sequence[str]
    since: datetime | None
    alert: str | None  # pending | firing
    severity: str | None
    reminders_sent: int
    last_reminder_at: datetime | None


_LAGGARDS = text("""
SELECT src.name || ':' || app.external_id AS app, app.name AS app_name, t.external_id AS tenant, t.name AS tenant_name,
    s.environment, s.version, s.latest AS latest_version, s.lag, s.missing, s.superfluous, s.since,
    al.state AS alert, al.severity, coalesce(r.sent, 0) AS reminders_sent, r.last_sent_at AS last_reminder_at
FROM standing s
JOIN app ON app.id = s.app_id AND app.deleted_at IS NULL
JOIN source src ON src.id = app.source_id
JOIN tenant t ON t.id = s.tenant_id
LEFT JOIN alert al ON al.app_id = s.app_id AND al.connection_id = s.connection_id AND al.resolved_at IS NULL
    AND al.kind = CASE s.lag WHEN 'blocking' THEN 'tenant_lagging' ELSE 'tenant_overgranted' END
LEFT JOIN reminder r ON r.app_id = s.app_id AND r.connection_id = s.connection_id AND r.stopped_at IS NULL
WHERE s.status = 'connected' AND s.lag = ANY(cast(:lags AS text[]))
  AND (cast(:app AS text) IS NULL OR src.name || ':' || app.external_id = :app)
ORDER BY s.lag, s.since, s.connection_id LIMIT :most
""")


def laggards(
    session: Session, *, app: str | None = None, lags: Sequence[str] = ("blocking", "trimming"), most: int = 1000
) -> list[Laggard]:
    """Who lags, blocking first, the longest first; over all apps or the one called *app*."""
    rows = session.execute(_LAGGARDS, {"app": app, "lags": list(lags), "most": most}).mappings()
    return [Laggard(**row) for row in rows]
