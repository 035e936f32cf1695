"""Reminder threads that are due, and whom each of them may write to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from uptake.policies import Who

# The first contact who has not opted out; the thread is locked, so another worker gets others.
_DUE = text("""
SELECT r.id, r.app_id, r.tenant_id, r.environment, r.target_version, r.opened_at, r.sent, r.last_sent_at,
    s.version, s.missing, s.superfluous, s.since, app.name AS app, src.name AS source, app.source_id,
    t.external_id AS tenant, t.name AS tenant_name, t.time_zone, t.locale,
    app.external_id AS app_external_id, coalesce(l.labels, '{}') AS labels, c.id AS contact_id, c.email, f.exact_at
FROM reminder r
JOIN standing s ON s.connection_id = r.connection_id AND s.lag = 'blocking' AND s.status = 'connected'
JOIN app ON app.id = r.app_id
JOIN freshness f ON f.app_id = r.app_id
JOIN source src ON src.id = app.source_id AND src.enabled
JOIN tenant t ON t.id = r.tenant_id LEFT JOIN label_set l ON l.id = t.label_set_id
LEFT JOIN LATERAL (
    SELECT c.id, c.email FROM contact c WHERE c.tenant_id = r.tenant_id AND c.opted_out_at IS NULL
    ORDER BY c.may_accept DESC, c.rank, c.id LIMIT 1
) c ON true
WHERE r.stopped_at IS NULL AND r.due_at <= :now AND (cast(:app AS int8) IS NULL OR r.app_id = :app)
ORDER BY r.due_at, r.id LIMIT :most FOR NO KEY UPDATE OF r SKIP LOCKED
""")


@dataclass(frozen=True, slots=True)
class DueReminder:
    """A thread whose turn it is, locked for this transaction, with what a message says."""

    id: int
    app_id: int
    tenant_id: int
    environment: str
    target_version: int
    opened_at: datetime
    sent: int
    last_sent_at: datetime | None
    version: int | None
    missing: Sequence[str]
    superfluous: Sequence[str]
    since: datetime
    app: str
    app_external_id: str
    source: str
    source_id: int
    tenant: str
    tenant_name: str | None
    time_zone: str | None
    locale: str | None
    labels: Mapping[str, str]
    contact_id: int | None
    email: str | None
    exact_at: datetime | None  # until when we know what the app's tenants run

    @property
    def who(self) -> Who:
        """What a policy asks of it."""
        return Who(
            source=self.source,
            app=self.app_external_id,
            environment=self.environment,
            tenant=self.tenant,
            labels=self.labels,
        )


def due_reminders(session: Session, *, now: datetime, most: int, app_id: int | None = None) -> list[DueReminder]:
    """Threads (of this app) that are due and still have something to ask, the longest overdue first.

    Those of a source that is no longer watched rest: nobody would see the upgrade that ends them.
    """
    return [DueReminder(**row) for row in session.execute(_DUE, {"now": now, "most": most, "app": app_id}).mappings()]


def defer(session: Session, reminder_id: int, *, due_at: datetime | None, reason: str) -> None:
    """Send nothing now, look again at *due_at*, and keep the reason for whoever asks."""
    session.execute(
        text("UPDATE reminder SET due_at = :due_at, held_reason = :reason WHERE id = :reminder"),
        {"reminder": reminder_id, "due_at": due_at, "reason": reason},
    )


def held(session: Session, reminder_id: int) -> tuple[str, datetime | None]:
    """Why the thread sent nothing at its last due time, and when it is looked at again."""
    query = text("SELECT coalesce(held_reason, ''), due_at FROM reminder WHERE id = :reminder")
    reason, due_at = session.execute(query, {"reminder": reminder_id}).one()
    return reason, due_at


def stepped(session: Session, reminder_id: int, *, due_at: datetime | None, now: datetime) -> None:
    """One more reminder of the thread is on its way; the next is due at *due_at*, None at the cap."""
    session.execute(
        text("""UPDATE reminder SET sent = sent + 1, last_sent_at = :now, due_at = :due_at, held_reason = NULL
                WHERE id = :reminder"""),
        {"reminder": reminder_id, "due_at": due_at, "now": now},
    )
