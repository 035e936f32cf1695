"""Who wants no more reminders: said by themselves, and kept whatever a later contact book says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.letters import take_back
from models.turns import alone

_TENANTS = text("""
SELECT c.tenant_id FROM contact c JOIN tenant t ON t.id = c.tenant_id
WHERE t.source_id = :source AND c.email = :email ORDER BY 1
""")
_ABOUT = text("""
SELECT min(c.email) AS email, array_agg(coalesce(t.name, t.external_id) ORDER BY t.name, t.id) AS tenants,
    min(s.name) AS source, bool_and(c.opted_out_at IS NOT NULL) AS is_out
FROM contact c JOIN tenant t ON t.id = c.tenant_id JOIN source s ON s.id = t.source_id
WHERE c.tenant_id = ANY(cast(:tenants AS int8[])) AND c.email = :email HAVING count(*) > 0
""")
# In their order, as whoever notes that an address was refused has them.
_CHANGE = """
WITH chosen AS MATERIALIZED (
    SELECT id FROM contact WHERE tenant_id = ANY(cast(:tenants AS int8[])) AND email = :email
      AND opted_out_at IS {was} ORDER BY id FOR NO KEY UPDATE
)
UPDATE contact c SET opted_out_at = {becomes} FROM chosen WHERE c.id = chosen.id RETURNING c.id, c.tenant_id
"""
_OUT = text(_CHANGE.format(was="NULL", becomes=":now"))
_IN = text(_CHANGE.format(was="NOT NULL", becomes="NULL"))
_THREADS = text("SELECT id FROM reminder WHERE tenant_id = ANY(cast(:tenants AS int8[])) AND stopped_at IS NULL")
_SAID = text("""
INSERT INTO event (at, type, tenant_id, data)
SELECT :now, :type, c.tenant, jsonb_build_object('contact', c.id)
FROM unnest(cast(:contacts AS int8[]), cast(:of AS int8[])) AS c (id, tenant)
""")


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who is reminded of these tenants, or was."""

    email: str
    tenants: Sequence[str]
    source: str
    is_out: bool  # has opted out of all of it


def tenants_of(session: Session, source_id: int, email: str) -> list[int]:
    """Every tenant of the source whose contact they are."""
    return list(session.scalars(_TENANTS, {"source": source_id, "email": email}))


def reader(session: Session, tenants: Sequence[int], email: str) -> Reader | None:
    """The contact of these tenants; None when the contact book does not have them any more."""
    row = session.execute(_ABOUT, {"tenants": list(tenants), "email": email}).mappings().one_or_none()
    return Reader(**row) if row else None


def opt_out(session: Session, tenants: Sequence[int], email: str, *, now: datetime) -> bool:
    """Send them no more reminders about these tenants; whether that was news."""
    bound = {"tenants": list(tenants), "email": email, "now": now}
    # Whoever queues reminders now has read who may be written to: what they queue is seen when they are done.
    alone(session, "remind", waits=True)
    contacts = session.execute(_OUT, bound).all()
    if not contacts:
        return False
    threads = session.scalars(_THREADS, bound).all()
    # What is on its way already is looked at once more before it is sent.
    take_back(session, threads, email=email, reason="opted_out", now=now)
    _said(session, "contact.opted_out", contacts, now=now)
    return True


def opt_in(session: Session, tenants: Sequence[int], email: str, *, now: datetime) -> bool:
    """Take that back; whether there was anything to take back."""
    contacts = session.execute(_IN, {"tenants": list(tenants), "email": email, "now": now}).all()
    if contacts:
        _said(session, "contact.opted_in", contacts, now=now)
    return bool(contacts)


def _said(session: Session, what: str, contacts: Sequence[Sequence[int]], *, now: datetime) -> None:
    ids, tenants = (list(column) for column in zip(*contacts, strict=True))
    session.execute(_SAID, {"type": what, "contacts": ids, "of": tenants, "now": now})
