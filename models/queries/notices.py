"""What was told to whom, the newest first."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Told:
    """One message to one address, an alert's or a reminder."""

    id: int
    created_at: datetime
    receiver: str
    to: str
    reason: str
    subject: str
    state: str  # due | sending | sent | failed | cancelled
    settle_reason: str | None
    attempts: int
    answer: str | None  # what was said to the last try
    is_reminder: bool
    app: str | None
    app_name: str | None
    tenant: str | None
    tenant_name: str | None


_TOLD = text("""
SELECT n.id, n.created_at, n.receiver, n."to", n.reason, n.subject, n.state, n.settle_reason, n.attempts,
    (SELECT answer FROM attempt x WHERE x.notice_id = n.id ORDER BY number DESC LIMIT 1) AS answer,
    n.reminder_id IS NOT NULL AS is_reminder, s.name || ':' || a.external_id AS app, a.name AS app_name,
    t.external_id AS tenant, t.name AS tenant_name
FROM notice n LEFT JOIN app a ON a.id = n.app_id LEFT JOIN source s ON s.id = a.source_id
LEFT JOIN tenant t ON t.id = n.tenant_id
WHERE (cast(:app AS text) IS NULL OR s.name || ':' || a.external_id = :app OR EXISTS (
      SELECT FROM notice_reminder p JOIN reminder r ON r.id = p.reminder_id JOIN app o ON o.id = r.app_id
      JOIN source os ON os.id = o.source_id WHERE p.notice_id = n.id AND os.name || ':' || o.external_id = :app))
  AND (cast(:tenant AS text) IS NULL OR t.external_id = :tenant OR EXISTS (
      SELECT FROM notice_reminder p JOIN reminder r ON r.id = p.reminder_id JOIN tenant o ON o.id = r.tenant_id
      WHERE p.notice_id = n.id AND o.external_id = :tenant))
  AND (cast(:state AS text) IS NULL OR n.state = :state)
  AND (cast(:reminders AS boolean) IS NULL OR (n.reminder_id IS NOT NULL) = :reminders)
ORDER BY n.id DESC LIMIT :most
""")


def told(
    session: Session,
    *,
    app: str | None = None,
    tenant: str | None = None,
    state: str | None = None,
    reminders: bool | None = None,
    most: int = 20,
) -> list[Told]:
    """The last messages, about everything or one *app* and *tenant*; *reminders* wants only those, or only others."""
    bound = {"app": app, "tenant": tenant, "state": state, "reminders": reminders, "most": most}
    return [Told(**row) for row in session.execute(_TOLD, bound).mappings()]


@dataclass(frozen=True, slots=True)
class Refused:
    """How many reminders of one receiver came to nothing, and what was said to the last."""

    receiver: str
    count: int
    last: str


# An address that there is not is the contact book's, and the next in it has had the turn.
_REFUSED = text("""
SELECT n.receiver, count(*) AS count, (array_agg(n.settle_reason ORDER BY n.settled_at DESC))[1] AS last
FROM notice n
WHERE n.state = 'failed' AND n.reminder_id IS NOT NULL AND n.settled_at > :since
  AND NOT EXISTS (SELECT FROM contact k WHERE k.email = n."to" AND k.refused_at = n.settled_at)
GROUP BY n.receiver ORDER BY n.receiver
""")


def refused(session: Session, *, since: datetime) -> list[Refused]:
    """Reminders that were refused, or given up, *since* then, by receiver; not those for which there is no address."""
    return [Refused(**row) for row in session.execute(_REFUSED, {"since": since}).mappings()]
