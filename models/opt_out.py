"""Who wants no more reminders: said by themselves, and kept whatever a later contact book says."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

_ABOUT = text("""
SELECT c.email, coalesce(t.name, t.external_id) AS tenant, s.name AS source, c.opted_out_at
FROM contact c JOIN tenant t ON t.id = c.tenant_id JOIN source s ON s.id = t.source_id
WHERE c.tenant_id = :tenant AND c.email = :email
""")
_OUT = text("""
UPDATE contact SET opted_out_at = :now WHERE tenant_id = :tenant AND email = :email AND opted_out_at IS NULL
RETURNING id
""")
_IN = text("""
UPDATE contact SET opted_out_at = NULL WHERE tenant_id = :tenant AND email = :email AND opted_out_at IS NOT NULL
RETURNING id
""")
# Threads before their notices, as everywhere; what is queued by somebody who held one is seen by the next statement.
_THREADS = text("""
SELECT id FROM reminder WHERE tenant_id = :tenant AND stopped_at IS NULL ORDER BY id FOR NO KEY UPDATE
""")
# What is on its way already is looked at once more before it is sent; what waits is not, and its turn goes to who is
# left.
_CANCEL = text("""
WITH cancelled AS (
    UPDATE notice SET state = 'cancelled', settled_at = :now, settle_reason = 'opted_out'
    WHERE reminder_id = ANY(cast(:threads AS int8[])) AND "to" = :email AND state = 'due'
    RETURNING reminder_id
), turns AS (SELECT reminder_id, count(*) AS turns FROM cancelled GROUP BY reminder_id)
UPDATE reminder r SET sent = r.sent - t.turns, due_at = :now FROM turns t WHERE r.id = t.reminder_id
""")
_SAID = text("""
INSERT INTO event (at, type, tenant_id, data)
VALUES (:now, :type, :tenant, jsonb_build_object('contact', cast(:contact AS int8)))
""")


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who is reminded, or was."""

    email: str
    tenant: str
    source: str
    opted_out_at: datetime | None


def reader(session: Session, tenant_id: int, email: str) -> Reader | None:
    """The contact of this tenant; None when the contact book does not have them any more."""
    row = session.execute(_ABOUT, {"tenant": tenant_id, "email": email}).mappings().one_or_none()
    return Reader(**row) if row else None


def opt_out(session: Session, tenant_id: int, email: str, *, now: datetime) -> bool:
    """Send them no more reminders; whether that was news."""
    bound = {"tenant": tenant_id, "email": email, "now": now}
    contact = session.scalar(_OUT, bound)
    if contact is None:
        return False
    threads = session.scalars(_THREADS, bound).all()
    session.execute(_CANCEL, bound | {"threads": list(threads)})
    session.execute(_SAID, bound | {"type": "contact.opted_out", "contact": contact})
    return True


def opt_in(session: Session, tenant_id: int, email: str, *, now: datetime) -> bool:
    """Take that back; whether there was anything to take back."""
    bound = {"tenant": tenant_id, "email": email, "now": now}
    contact = session.scalar(_IN, bound)
    if contact is not None:
        session.execute(_SAID, bound | {"type": "contact.opted_in", "contact": contact})
    return contact is not None
