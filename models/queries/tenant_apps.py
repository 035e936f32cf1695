"""One tenant: every app that it has, whom to write to there, and all that happened to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from uptake.features import Feature, blocked


@dataclass(frozen=True, slots=True)
class TenantProfile:
    """Who a tenant is."""

    tenant_id: int
    key: str  # source:tenant
    source: str
    tenant: str
    tenant_name: str | None
    labels: dict[str, str]
    time_zone: str | None  # None: UTC
    locale: str | None
    first_seen_at: datetime


_PROFILE = text("""
SELECT t.id AS tenant_id, s.name || ':' || t.external_id AS key, s.name AS source, t.external_id AS tenant,
    t.name AS tenant_name, coalesce(l.labels, '{}') AS labels, t.time_zone, t.locale, t.first_seen_at
FROM tenant t JOIN source s ON s.id = t.source_id LEFT JOIN label_set l ON l.id = t.label_set_id WHERE t.id = :tenant
""")


def profile(session: Session, tenant_id: int) -> TenantProfile:
    """Who the tenant is."""
    return TenantProfile(**session.execute(_PROFILE, {"tenant": tenant_id}).mappings().one())


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An alert on one tenant and app that is not over."""

    id: int
    kind: str
    state: str  # pending | firing
    severity: str | None
    since: datetime


@dataclass(frozen=True, slots=True)
class AppOf:
    """How a tenant stands with one app in one environment."""

    app: str  # source:external id
    app_name: str
    app_deleted_at: datetime | None
    environment: str
    status: str
    version: int | None
    latest_version: int | None
    lag: str | None  # the class of a connected tenant; None: not judged, or not connected
    missing: Sequence[str]
    superfluous: Sequence[str]
    blocked: Sequence[str]  # the features that it lacks scopes for, in the words of uptake.toml
    since: datetime | None  # since when it is blocked, or grants too much
    accepted_at: datetime | None  # as the portal says
    version_not_before: datetime | None  # the version was accepted in (not before, not after]
    version_not_after: datetime | None
    upgraded_at: datetime | None
    alerts: Sequence[OpenAlert]
    reminders_sent: int
    last_reminder_at: datetime | None
    next_reminder_at: datetime | None
    held_reason: str | None  # why the next reminder waits
    as_of: datetime | None  # until when this is exact


_APPS = text("""
SELECT s.name || ':' || app.external_id AS app, app.name AS app_name, app.deleted_at AS app_deleted_at,
    c.environment, c.status, c.version, app.latest_version, v.lag, coalesce(v.missing, '{}') AS missing,
    coalesce(v.superfluous, '{}') AS superfluous,
    CASE WHEN v.lag IN ('blocking', 'trimming') THEN greatest(v.since, c.epoch_started_at) END AS since,
    c.accepted_at, c.version_not_before, c.version_not_after, c.upgraded_at,
    ARRAY(SELECT jsonb_build_array(al.id, al.kind, al.state, al.severity, al.since) FROM alert al
        WHERE al.app_id = c.app_id AND al.connection_id = c.id AND al.resolved_at IS NULL ORDER BY al.id) AS alerts,
    coalesce(r.sent, 0) AS reminders_sent, r.last_sent_at AS last_reminder_at, r.due_at AS next_reminder_at,
    r.held_reason, f.exact_at AS as_of
FROM connection c JOIN app ON app.id = c.app_id JOIN source s ON s.id = app.source_id
JOIN freshness f ON f.app_id = c.app_id
LEFT JOIN verdict v ON v.app_id = c.app_id AND v.version = coalesce(c.version, 0)
    AND v.scope_set_id = c.scope_set_id AND c.status = 'connected'
LEFT JOIN reminder r ON r.app_id = c.app_id AND r.connection_id = c.id AND r.stopped_at IS NULL
WHERE c.tenant_id = :tenant
ORDER BY v.lag = 'blocking' DESC NULLS LAST, app.deleted_at IS NULL DESC, app.name, app.id, c.environment LIMIT :most
""")


def apps_of(session: Session, tenant_id: int, *, features: Sequence[Feature] = (), most: int = 10_000) -> list[AppOf]:
    """Every app of the tenant in every environment, those it is blocked in first; *features* are those of the file."""
    rows = session.execute(_APPS, {"tenant": tenant_id, "most": most}).mappings()
    return [_app_of(dict(row), features) for row in rows]


def _app_of(row: dict[str, Any], features: Sequence[Feature]) -> AppOf:
    source, _, app = row["app"].partition(":")
    missing = row["missing"] if row["lag"] == "blocking" else ()
    alerts = [
        OpenAlert(number, kind, state, severity, datetime.fromisoformat(since))
        for number, kind, state, severity, since in row.pop("alerts")
    ]
    return AppOf(**row, alerts=alerts, blocked=blocked(features, source=source, app=app, missing=missing).names)


@dataclass(frozen=True, slots=True)
class ContactRow:
    """A person at a tenant, and why they are not written to, if so."""

    email: str
    name: str | None
    role: str | None
    may_accept: bool
    rank: int  # 1 is written to first of those who may accept
    opted_out_at: datetime | None
    refused_at: datetime | None  # when a mail server said last that there is no such address
    refusal: str | None


_CONTACTS = text("""
SELECT email, name, role, may_accept, rank, opted_out_at, refused_at, refusal FROM contact
WHERE tenant_id = :tenant ORDER BY may_accept DESC, rank, id LIMIT :most
""")


def contacts(session: Session, tenant_id: int, *, most: int = 1000) -> list[ContactRow]:
    """Whom to write to at the tenant, in the order in which they are."""
    return [ContactRow(**row) for row in session.execute(_CONTACTS, {"tenant": tenant_id, "most": most}).mappings()]


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One event of a tenant's history."""

    event_id: int
    at: datetime
    type: str
    app: str | None
    app_name: str | None
    environment: str | None  # None: it is about none of its connections
    data: dict[str, Any]


_NEXT = """
      AND (cast(:about AS text[]) IS NULL OR split_part(event.type, '.', 1) = ANY(cast(:about AS text[])))
      AND (cast(:at AS timestamptz) IS NULL OR (event.at, event.id) {beyond} (cast(:at AS timestamptz), :event))
    ORDER BY event.at {order}, event.id {order} LIMIT :most
"""
# Of each connection so many at most, in the order of its index; and of what is about none of them.
_TIMELINE = f"""
SELECT e.id AS event_id, e.at, e.type, s.name || ':' || app.external_id AS app, app.name AS app_name,
    e.environment, e.data
FROM (
    SELECT e.*, c.environment FROM connection c CROSS JOIN LATERAL (
        SELECT * FROM event WHERE event.connection_id = c.id {_NEXT}
    ) e WHERE c.tenant_id = :tenant
    UNION ALL
    (SELECT event.*, NULL FROM event WHERE event.tenant_id = :tenant AND event.connection_id IS NULL {_NEXT})
) e
LEFT JOIN app ON app.id = e.app_id LEFT JOIN source s ON s.id = app.source_id
WHERE cast(:app AS text) IS NULL OR s.name || ':' || app.external_id = :app
ORDER BY e.at {{order}}, e.id {{order}} LIMIT :most
"""  # noqa: S608 - constants only
_ABOUT = {"versions": ["tenant", "version"], "alerts": ["alert"], "reminders": ["reminder", "contact"]}
_FORWARD = text(_TIMELINE.format(beyond=">", order="ASC"))
_BACKWARD = text(_TIMELINE.format(beyond="<", order="DESC"))


def timeline_of(
    session: Session,
    tenant_id: int,
    *,
    app: str | None = None,
    about: str | None = None,
    newest_first: bool = False,
    after: tuple[datetime, int] | None = None,
    most: int = 100,
) -> list[TimelineRow]:
    """The next events of the tenant (with *app*), oldest or *newest_first*, *after* the time and id of the last one.

    *about* is versions, alerts or reminders; None: all of it.
    """
    at, event = after or (None, None)
    bound = {"tenant": tenant_id, "app": app, "about": _ABOUT.get(about or ""), "at": at, "event": event, "most": most}
    rows = session.execute(_BACKWARD if newest_first else _FORWARD, bound).mappings()
    return [TimelineRow(**row) for row in rows]
