"""What happened to one tenant, and how it stands with one app, in full."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.threads import CONTACTS, contacts_of
from uptake.policies import Who
from uptake.reminding import Contact


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One event of a tenant's history."""

    at: datetime
    type: str
    app: str | None
    app_name: str | None
    data: dict[str, Any]


_TIMELINE = text("""
SELECT e.at, e.type, src.name || ':' || app.external_id AS app, app.name AS app_name, e.data
FROM source own JOIN tenant t ON t.source_id = own.id
CROSS JOIN LATERAL (
    SELECT e.* FROM connection c JOIN event e ON e.connection_id = c.id WHERE c.tenant_id = t.id
    UNION ALL
    SELECT e.* FROM event e WHERE e.tenant_id = t.id AND e.connection_id IS NULL
) e
LEFT JOIN app ON app.id = e.app_id LEFT JOIN source src ON src.id = app.source_id
WHERE t.external_id = :tenant ORDER BY e.at, e.id LIMIT :most
""")


def timeline(session: Session, tenant: str, *, most: int = 10_000) -> list[TimelineEntry]:
    """Every event of the tenant over all apps, oldest first."""
    return [TimelineEntry(**row) for row in session.execute(_TIMELINE, {"tenant": tenant, "most": most}).mappings()]


def is_tenant(session: Session, tenant: str) -> bool:
    """Whether any source has listed a tenant with this id."""
    query = text("""
        SELECT EXISTS (SELECT FROM source s JOIN tenant t ON t.source_id = s.id WHERE t.external_id = :tenant)
    """)
    return bool(session.scalar(query, {"tenant": tenant}))


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of one tenant and one app in one environment, for `explain`."""

    app: str
    app_id: int
    app_name: str
    app_deleted_at: datetime | None
    approval: str
    tenant: str
    tenant_name: str | None
    time_zone: str | None
    labels: Mapping[str, str]
    environment: str
    status: str
    version: int | None
    latest_version: int | None
    grants: Sequence[str] | None
    lag: str | None
    missing: Sequence[str]
    superfluous: Sequence[str]
    since: datetime | None
    outdated_since: datetime | None
    epoch_started_at: datetime | None
    version_not_before: datetime | None
    version_not_after: datetime | None
    accepted_at: datetime | None
    last_complete_poll_at: datetime | None
    alert_state: str | None
    alert_reason: str | None
    severity: str | None
    fired_at: datetime | None
    reminders_sent: int
    last_reminder_at: datetime | None
    next_reminder_at: datetime | None
    held_reason: str | None
    stop_reason: str | None
    contacts: Sequence[Contact]  # who may be written to, in their order

    @property
    def who(self) -> Who:
        """What a policy asks of it."""
        source, _, app = self.app.partition(":")
        return Who(source=source, app=app, environment=self.environment, tenant=self.tenant, labels=self.labels)


# First who is meant, then what stands beside it: to plan all of that as one takes ten times as long as to find it.
_STORY = text(
    """
WITH met AS MATERIALIZED (
    SELECT src.name || ':' || app.external_id AS app, app.id AS app_id, app.name AS app_name,
        app.deleted_at AS app_deleted_at, app.approval, app.latest_version, t.id, t.external_id AS tenant,
        t.name AS tenant_name, t.time_zone, t.label_set_id, c.id AS connection_id, c.environment, c.status, c.version,
        c.scope_set_id, c.epoch_started_at, c.version_not_before, c.version_not_after, c.accepted_at
    FROM connection c JOIN app ON app.id = c.app_id JOIN source src ON src.id = app.source_id
    JOIN tenant t ON t.id = c.tenant_id AND t.source_id = src.id
    WHERE src.name || ':' || app.external_id = :app AND t.external_id = :tenant
)
SELECT t.app, t.app_id, t.app_name, t.app_deleted_at, t.approval, t.tenant, t.tenant_name, t.time_zone,
    coalesce((SELECT labels FROM label_set WHERE label_set.id = t.label_set_id), '{}') AS labels,
    t.environment, t.status, t.version, t.latest_version,
    (SELECT grants FROM scope_set WHERE scope_set.id = t.scope_set_id) AS grants, s.lag,
    coalesce(s.missing, '{}') AS missing, coalesce(s.superfluous, '{}') AS superfluous, s.since, s.outdated_since,
    t.epoch_started_at, t.version_not_before, t.version_not_after, t.accepted_at,
    f.exact_at AS last_complete_poll_at,
    al.state AS alert_state, coalesce(al.resolve_reason, al.reason) AS alert_reason, al.severity, al.fired_at,
    coalesce(r.sent, 0) AS reminders_sent, r.last_sent_at AS last_reminder_at, r.due_at AS next_reminder_at,
    r.held_reason, r.stop_reason,
    """  # noqa: S608 - constants only
    + CONTACTS
    + """ AS contacts
FROM met t
JOIN freshness f ON f.app_id = t.app_id
LEFT JOIN standing s ON s.connection_id = t.connection_id
LEFT JOIN LATERAL (
    SELECT * FROM alert WHERE alert.app_id = t.app_id AND alert.connection_id = t.connection_id
    ORDER BY resolved_at IS NULL DESC, id DESC LIMIT 1
) al ON true
LEFT JOIN LATERAL (
    -- Open or stopped, each from its own index.
    (SELECT * FROM reminder
     WHERE reminder.app_id = t.app_id AND reminder.connection_id = t.connection_id AND stopped_at IS NULL)
    UNION ALL
    (SELECT * FROM reminder WHERE reminder.connection_id = t.connection_id AND stopped_at IS NOT NULL
     ORDER BY id DESC LIMIT 1)
    ORDER BY stopped_at DESC NULLS FIRST LIMIT 1
) r ON true
ORDER BY t.environment = 'production' DESC, t.environment
"""
)


def story(session: Session, app: str, tenant: str, *, now: datetime) -> list[Story]:
    """How *tenant* stands with *app*, one per environment, production first; empty when they never met."""
    rows = session.execute(_STORY, {"app": app, "tenant": tenant, "now": now}).mappings()
    return [Story(**{**row, "contacts": contacts_of(row["contacts"])}) for row in rows]


@dataclass(frozen=True, slots=True)
class SentNotice:
    """One message about a tenant and an app, and what became of it."""

    created_at: datetime
    receiver: str
    to: str
    reason: str
    subject: str
    state: str
    attempts: int
    settled_at: datetime | None
    settle_reason: str | None
    number: int  # which reminder of its thread it is; below 1: one that was sent once more
    apps: int  # that it is about


_NOTICES = text("""
SELECT n.created_at, n.receiver, n."to", n.reason, n.subject, n.state, n.attempts, n.settled_at, n.settle_reason,
    own.number, (SELECT count(DISTINCT q.app_id) FROM notice_reminder q WHERE q.notice_id = n.id) AS apps
FROM notice n JOIN (
    SELECT p.notice_id, max(p.number) AS number
    FROM source src JOIN app ON app.source_id = src.id JOIN tenant t ON t.source_id = src.id
    JOIN notice_reminder p ON p.tenant_id = t.id AND p.app_id = app.id
    WHERE src.name || ':' || app.external_id = :app AND t.external_id = :tenant GROUP BY p.notice_id
) own ON own.notice_id = n.id
ORDER BY n.id LIMIT :most
""")


def notices(session: Session, app: str, tenant: str, *, most: int = 1000) -> list[SentNotice]:
    """What was sent to the tenant about the app, oldest first."""
    bound = {"app": app, "tenant": tenant, "most": most}
    return [SentNotice(**row) for row in session.execute(_NOTICES, bound).mappings()]
