"""Who wants no more reminders: said by themselves, and kept whatever a later contact book says."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

_ABOUT = text("""
SELECT c.email, coalesce(t.name, t.external_id) AS tenant, s.name AS source, c.opted_out_at
FROM contact c JOIN tenant t ON t.id = c.tenant_id JOIN source s ON s.id = t.source_id WHERE c.id = :contact
""")
# What is on its way already is beyond recall; what waits is not sent, and its turn goes to who is left.
_OUT = text("""
WITH gone AS (
    UPDATE contact SET opted_out_at = :now WHERE id = :contact AND opted_out_at IS NULL RETURNING tenant_id, email
), thread AS MATERIALIZED (
    -- Before their notices, as everywhere.
    SELECT r.id, gone.email FROM reminder r JOIN gone ON gone.tenant_id = r.tenant_id WHERE r.stopped_at IS NULL
    FOR NO KEY UPDATE OF r
), cancelled AS (
    UPDATE notice n SET state = 'cancelled', settled_at = :now, settle_reason = 'opted_out'
    FROM thread WHERE n.reminder_id = thread.id AND n."to" = thread.email AND n.state = 'due'
    RETURNING n.reminder_id
), returned AS (
    UPDATE reminder r SET sent = r.sent - 1, due_at = :now
    WHERE r.id IN (SELECT reminder_id FROM cancelled) AND r.stopped_at IS NULL
)
INSERT INTO event (at, type, tenant_id, data)
SELECT :now, 'contact.opted_out', tenant_id, jsonb_build_object('contact', cast(:contact AS int8)) FROM gone
RETURNING id
""")
_IN = text("""
WITH back AS (
    UPDATE contact SET opted_out_at = NULL WHERE id = :contact AND opted_out_at IS NOT NULL RETURNING tenant_id
)
INSERT INTO event (at, type, tenant_id, data)
SELECT :now, 'contact.opted_in', tenant_id, jsonb_build_object('contact', cast(:contact AS int8)) FROM back
RETURNING id
""")


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who is reminded, or was."""

    email: str
    tenant: str
    source: str
    opted_out_at: datetime | None


def reader(session: Session, contact_id: int) -> Reader | None:
    """The contact with this id; None when the contact book does not have them any more."""
    row = session.execute(_ABOUT, {"contact": contact_id}).mappings().one_or_none()
    return Reader(**row) if row else None


def opt_out(session: Session, contact_id: int, *, now: datetime) -> bool:
    """Send them no more reminders; whether that was news."""
    return bool(session.execute(_OUT, {"contact": contact_id, "now": now}).all())


def opt_in(session: Session, contact_id: int, *, now: datetime) -> bool:
    """Take that back; whether there was anything to take back."""
    return bool(session.execute(_IN, {"contact": contact_id, "now": now}).all())
