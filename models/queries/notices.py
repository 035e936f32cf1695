"""What was told to whom, the newest first."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Told:
    """One message to one address, an alert's or a reminder."""

    created_at: datetime
    receiver: str
    to: str
    reason: str
    subject: str
    state: str  # due | sending | sent | failed | cancelled
    settle_reason: str | None
    is_reminder: bool
    app: str | None
    app_name: str | None
    tenant: str | None
    tenant_name: str | None


_TOLD = text("""
SELECT n.created_at, n.receiver, n."to", n.reason, n.subject, n.state, n.settle_reason,
    n.reminder_id IS NOT NULL AS is_reminder, s.name || ':' || a.external_id AS app, a.name AS app_name,
    t.external_id AS tenant, t.name AS tenant_name
FROM notice n LEFT JOIN app a ON a.id = n.app_id LEFT JOIN source s ON s.id = a.source_id
LEFT JOIN tenant t ON t.id = n.tenant_id
WHERE (cast(:app AS text) IS NULL OR s.name || ':' || a.external_id = :app)
  AND (cast(:reminders AS boolean) IS NULL OR (n.reminder_id IS NOT NULL) = :reminders)
ORDER BY n.id DESC LIMIT :most
""")


def told(session: Session, *, app: str | None = None, reminders: bool | None = None, most: int = 20) -> list[Told]:
    """The last messages, about everything or the one *app*; *reminders* wants only those, or only alerts' messages."""
    bound = {"app": app, "reminders": reminders, "most": most}
    return [Told(**row) for row in session.execute(_TOLD, bound).mappings()]
