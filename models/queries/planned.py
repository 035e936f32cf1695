"""What one transaction has done to an app so far, for whoever takes it back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from uptake.policies import Who


@dataclass(frozen=True, slots=True)
class Step:
    """A step of an alert."""

    kind: str
    step: str
    severity: str | None
    reason: str
    tenant: str | None
    tenant_name: str | None
    environment: str | None


_STEPS = text("""
SELECT a.kind, s.step, s.severity, s.reason, t.external_id AS tenant, t.name AS tenant_name, a.environment
FROM alert a JOIN alert_step s ON s.alert_id = a.id LEFT JOIN tenant t ON t.id = a.tenant_id
WHERE a.app_id = :app AND s.at = :at ORDER BY s.step, a.kind, t.external_id, a.environment, s.id
""")


def steps(session: Session, app_id: int, *, at: datetime) -> list[Step]:
    """The steps that the app's alerts took at that instant."""
    return [Step(**row) for row in session.execute(_STEPS, {"app": app_id, "at": at}).mappings()]


@dataclass(frozen=True, slots=True)
class Telling:
    """A message on its way to somebody."""

    at: datetime
    receiver: str
    to: str
    reason: str
    subject: str
    kind: str | None  # of the alerts; None: a reminder
    firing: int | None
    tenant: str | None
    tenant_name: str | None


_TELLINGS = text("""
SELECT n.due_at AS at, n.receiver, n."to", n.reason, n.subject, n.payload ->> 'kind' AS kind,
    cast(n.payload ->> 'firing' AS int) AS firing, t.external_id AS tenant, t.name AS tenant_name
FROM notice n LEFT JOIN notice_reminder p ON p.notice_id = n.id
LEFT JOIN reminder r ON r.id = p.reminder_id LEFT JOIN tenant t ON t.id = coalesce(r.tenant_id, n.tenant_id)
WHERE coalesce(r.app_id, n.app_id) = :app AND n.created_at >= :since AND n.state = 'due'
  AND (n.reminder_id IS NOT NULL) = :reminders
ORDER BY n.created_at, n.receiver, n."to", kind, n.id
""")


def tellings(session: Session, app_id: int, *, since: datetime, reminders: bool) -> list[Telling]:
    """The messages queued since then about the app: to operators, or *reminders*, one for each tenant."""
    bound = {"app": app_id, "since": since, "reminders": reminders}
    return [Telling(**row) for row in session.execute(_TELLINGS, bound).mappings()]


@dataclass(frozen=True, slots=True)
class Lagging:
    """A tenant that lags and has no alert that fires, with what a decision about it rests on."""

    tenant: str
    tenant_name: str | None
    environment: str
    status: str
    version: int | None
    grants: Sequence[str] | None
    epoch_started_at: datetime | None
    source: str
    app: str
    labels: Mapping[str, str]

    @property
    def who(self) -> Who:
        """What a policy asks of it."""
        return Who(
            source=self.source,
            app=self.app,
            environment=self.environment,
            tenant=self.tenant,
            labels=self.labels,
        )


_LAGGING = text("""
SELECT t.external_id AS tenant, t.name AS tenant_name, s.environment, s.status, s.version, g.grants,
    c.epoch_started_at, src.name AS source, a.external_id AS app, coalesce(l.labels, '{}') AS labels
FROM standing s JOIN connection c ON c.id = s.connection_id
JOIN app a ON a.id = s.app_id JOIN source src ON src.id = a.source_id JOIN tenant t ON t.id = s.tenant_id
LEFT JOIN scope_set g ON g.id = s.scope_set_id LEFT JOIN label_set l ON l.id = t.label_set_id
WHERE s.app_id = :app AND s.lag IN ('blocking', 'trimming') AND NOT EXISTS (
    SELECT FROM alert x WHERE x.app_id = :app AND x.connection_id = s.connection_id AND x.resolved_at IS NULL
        AND x.state = 'firing' AND x.kind IN ('tenant_lagging', 'tenant_overgranted'))
ORDER BY t.external_id, s.environment LIMIT :most
""")


def lagging(session: Session, app_id: int, *, most: int) -> list[Lagging]:
    """Who lags without an alert that fires, by tenant."""
    return [Lagging(**row) for row in session.execute(_LAGGING, {"app": app_id, "most": most}).mappings()]
