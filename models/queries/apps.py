"""Which apps there are, how far each rollout is, and who holds it up."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

from models.queries.app_order import Place, Sort, beginning, ranked
from models.queries.kinds import BEGAN, IN_ORDER, IS_OF_KIND
from models.queries.typed import anywhere


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
    open_alerts: int  # that fire, in this environment or about the app as a whole
    last_complete_poll_at: datetime | None
    last_poll: LastPoll | None
    deleted_at: datetime | None


_ASKED = """
(a.deleted_at IS NULL OR :deleted)
AND (cast(:app AS text) IS NULL OR s.name || ':' || a.external_id = :app)
AND (cast(:sources AS text[]) IS NULL OR s.name = ANY(cast(:sources AS text[])))
AND (cast(:letters AS text) IS NULL OR a.name ILIKE :letters OR s.name || ':' || a.external_id ILIKE :letters)
"""
# First which apps are meant: the rest is looked up for each of them.
_OVERVIEW = f"""
WITH meant AS MATERIALIZED (
    SELECT a.id, a.name, a.external_id, a.latest_version, a.deleted_at, s.name AS source, {{rank}} AS rank
    FROM {{apps}}
    WHERE {_ASKED} AND (cast(:after_source AS text) IS NULL OR ({{rank}}, s.name, a.name, a.external_id)
        > (cast(:after_rank AS int8), cast(:after_source AS text), cast(:after_name AS text), cast(:after_id AS text)))
    ORDER BY rank, s.name, a.name, a.external_id LIMIT :most
)
SELECT a.source || ':' || a.external_id AS app, a.name, a.source, a.latest_version, f.exact_at, a.deleted_at,
    n.connected, n.current, n.blocking, n.trimming, n.equivalent, n.unknown, n.disabled, n.not_connected,
    x.open_alerts, p.started_at, p.outcome, p.reason, p.rows
FROM meant a JOIN freshness f ON f.app_id = a.id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(t.tenants) FILTER (WHERE t.status = 'connected'), 0) AS connected,
        coalesce(sum(t.tenants) FILTER (WHERE t.status = 'connected' AND v.lag = 'current'), 0) AS current,
        coalesce(sum(t.tenants) FILTER (WHERE t.status = 'connected' AND v.lag = 'blocking'), 0) AS blocking,
        coalesce(sum(t.tenants) FILTER (WHERE t.status = 'connected' AND v.lag = 'trimming'), 0) AS trimming,
        coalesce(sum(t.tenants) FILTER (WHERE t.status = 'connected' AND v.lag = 'equivalent'), 0) AS equivalent,
        coalesce(sum(t.tenants) FILTER (WHERE t.status = 'connected' AND coalesce(v.lag, 'unknown') = 'unknown'), 0)
            AS unknown,
        coalesce(sum(t.tenants) FILTER (WHERE t.status = 'disabled'), 0) AS disabled,
        coalesce(sum(t.tenants) FILTER (WHERE t.status IN ('not_connected', 'awaiting_approval')), 0) AS not_connected
    FROM tally t
    LEFT JOIN verdict v ON v.app_id = t.app_id AND v.version = t.version AND v.scope_set_id = t.scope_set_id
    WHERE t.app_id = a.id AND t.environment = :environment
) n
CROSS JOIN LATERAL (
    SELECT count(*) AS open_alerts FROM alert x WHERE x.app_id = a.id AND x.state = 'firing'
        AND coalesce(x.environment, :environment) = :environment
) x
LEFT JOIN LATERAL (
    -- That of these days is in one month or two; only where there is none, all are looked into.
    (SELECT started_at, outcome, reason, rows FROM poll WHERE poll.app_id = a.id
        AND started_at BETWEEN now() - interval '3 days' AND now() + interval '1 day'
     ORDER BY started_at DESC LIMIT 1)
    UNION ALL
    (SELECT started_at, outcome, reason, rows FROM poll WHERE poll.app_id = a.id ORDER BY started_at DESC LIMIT 1)
    LIMIT 1
) p ON true
ORDER BY a.rank, a.source, a.name, a.external_id
"""  # noqa: S608 - constants only


def _query(sort: Sort) -> TextClause:
    apps, rank = ranked(sort)
    return text(_OVERVIEW.format(apps=apps, rank=rank))


_QUERIES: dict[Sort, TextClause] = {sort: _query(sort) for sort in get_args(Sort)}


def has_apps(session: Session) -> bool:
    """Whether any app was ever listed."""
    return bool(session.scalar(text("SELECT EXISTS (SELECT FROM app)")))


def is_app(session: Session, app: str) -> bool:
    """Whether there is or was an app called *app* (source:external id)."""
    query = text("""SELECT EXISTS (SELECT FROM app a JOIN source s ON s.id = a.source_id
                                   WHERE s.name || ':' || a.external_id = :app)""")
    return bool(session.scalar(query, {"app": app}))


def overview(  # noqa: PLR0913 - each says which apps are meant
    session: Session,
    *,
    environment: str = "production",
    app: str | None = None,
    deleted: bool = False,
    sources: Collection[str] | None = None,
    letters: str | None = None,
    sort: Sort = "name",
    after: Place | None = None,
    most: int | None = None,
) -> list[AppOverview]:
    """Every app (or the one called *app*, or those of *sources*) with its counts and its last poll.

    By source and name, the most blocked first or the lowest adoption first (*sort*): the next *most* of them, *after*
    the place of the last one, that have these *letters* in their name or id.
    """
    bound = {
        "environment": environment,
        "app": app,
        "deleted": deleted,
        "sources": None if sources is None else sorted(sources),
        "letters": anywhere(letters) if letters else None,
        "most": most,
    }
    rows = session.execute(_QUERIES[sort], bound | beginning(sort, after))
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
class Totals:
    """All apps together; counts are of connections in one environment."""

    apps: int
    connected: int
    current: int
    blocking: int
    firing: int  # alerts, in whatever environment, and about sources as well


_TOTALS = text("""
WITH meant AS MATERIALIZED (
    SELECT a.id FROM app a JOIN source s ON s.id = a.source_id
    WHERE a.deleted_at IS NULL AND (cast(:sources AS text[]) IS NULL OR s.name = ANY(cast(:sources AS text[])))
), counts AS (
    SELECT sum(t.tenants) AS connected, sum(t.tenants) FILTER (WHERE v.lag = 'current') AS current,
        sum(t.tenants) FILTER (WHERE v.lag = 'blocking') AS blocking
    FROM tally t JOIN meant m ON m.id = t.app_id
    LEFT JOIN verdict v ON v.app_id = t.app_id AND v.version = t.version AND v.scope_set_id = t.scope_set_id
    WHERE t.environment = :environment AND t.status = 'connected'
)
SELECT (SELECT count(*) FROM meant) AS apps, coalesce(connected, 0) AS connected, coalesce(current, 0) AS current,
    coalesce(blocking, 0) AS blocking,
    (SELECT count(*) FROM alert x WHERE x.state = 'firing' AND (cast(:sources AS text[]) IS NULL
        OR x.source_id IN (SELECT id FROM source WHERE name = ANY(cast(:sources AS text[]))))) AS firing
FROM counts
""")


def totals(session: Session, *, environment: str = "production", sources: Collection[str] | None = None) -> Totals:
    """All apps (of *sources*) that are not deleted, added up."""
    bound = {"environment": environment, "sources": None if sources is None else sorted(sources)}
    return Totals(**session.execute(_TOTALS, bound).mappings().one())


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


# Somebody of a kind that began to lag at some time lags since then or since it connected, whichever is later. *last*
# bounds what is read: that many lag at least as long, whoever they are.
_LAGGARDS = text(f"""
WITH kinds AS MATERIALIZED (
    SELECT t.*, v.lag, v.since, v.latest, v.missing, v.superfluous,
        src.name || ':' || app.external_id AS app, app.name AS app_name,
        sum(t.tenants) OVER (ORDER BY v.lag, v.since, t.app_id, t.environment, t.version, t.scope_set_id) - t.tenants
            AS before
    FROM tally t JOIN verdict v ON v.app_id = t.app_id AND v.version = t.version AND v.scope_set_id = t.scope_set_id
    JOIN app ON app.id = t.app_id AND app.deleted_at IS NULL JOIN source src ON src.id = app.source_id
    WHERE t.status = 'connected' AND v.lag = ANY(cast(:lags AS text[]))
      AND (cast(:app AS text) IS NULL OR src.name || ':' || app.external_id = :app)
      AND (cast(:sources AS text[]) IS NULL OR src.name = ANY(cast(:sources AS text[])))
      AND (cast(:environment AS text) IS NULL OR t.environment = :environment)
), last AS MATERIALIZED (
    SELECT k.lag, greatest(k.since, c.began) AS since FROM kinds k CROSS JOIN LATERAL (
        SELECT {BEGAN} AS began FROM connection c WHERE {IS_OF_KIND} ORDER BY {IN_ORDER} LIMIT :most
    ) c WHERE k.before < 2 * :most ORDER BY 1, 2 OFFSET :most - 1 LIMIT 1
), page AS (
    SELECT k.*, c.id, c.tenant_id, c.began, greatest(k.since, c.began) AS lags_since
    FROM kinds k LEFT JOIN last ON true CROSS JOIN LATERAL (
        SELECT c.id, c.tenant_id, {BEGAN} AS began FROM connection c
        WHERE {IS_OF_KIND} AND (last.lag IS NULL OR k.lag < last.lag OR {BEGAN} <= last.since)
        ORDER BY {IN_ORDER} LIMIT :most
    ) c WHERE last.lag IS NULL OR (k.lag, k.since) <= (last.lag, last.since)
    ORDER BY k.lag, lags_since, c.began, c.id LIMIT :most
)
SELECT p.app, p.app_name, t.external_id AS tenant, t.name AS tenant_name, p.environment,
    nullif(p.version, 0) AS version, p.latest AS latest_version, p.lag, p.missing, p.superfluous,
    p.lags_since AS since, al.state AS alert, al.severity, coalesce(r.sent, 0) AS reminders_sent,
    r.last_sent_at AS last_reminder_at
FROM page p JOIN tenant t ON t.id = p.tenant_id
LEFT JOIN alert al ON al.app_id = p.app_id AND al.connection_id = p.id AND al.resolved_at IS NULL
    AND al.kind = CASE p.lag WHEN 'blocking' THEN 'tenant_lagging' ELSE 'tenant_overgranted' END
LEFT JOIN reminder r ON r.app_id = p.app_id AND r.connection_id = p.id AND r.stopped_at IS NULL
ORDER BY p.lag, p.lags_since, p.began, p.id
""")  # noqa: S608 - constants only


def laggards(
    session: Session,
    *,
    app: str | None = None,
    sources: Collection[str] | None = None,
    environment: str | None = None,
    lags: Sequence[str] = ("blocking", "trimming"),
    most: int = 1000,
) -> list[Laggard]:
    """Who lags, blocking first, the longest first; over all apps, those of *sources* or the one called *app*."""
    bound = {
        "app": app,
        "sources": None if sources is None else sorted(sources),
        "environment": environment,
        "lags": list(lags),
        "most": most,
    }
    return [Laggard(**row) for row in session.execute(_LAGGARDS, bound).mappings()]
