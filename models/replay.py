"""One message once more, because somebody asks for it."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

# It belongs to no group's order any more and takes no turn of a thread, but is looked at once more before it is sent.
_REPLAY = text("""
WITH old AS (
    SELECT n.*, (SELECT count(*) FROM notice x WHERE starts_with(x.key, n.key || ':replay:')) + 1 AS number
    FROM notice n WHERE n.id = :notice
), made AS (
    INSERT INTO notice (key, receiver, "to", reason, source_id, app_id, tenant_id, reminder_id, subject, body, html,
        payload, state, created_at, due_at)
    SELECT key || ':replay:' || number, receiver, "to", reason, source_id, app_id, tenant_id, reminder_id, subject,
        body, html, payload || jsonb_build_object('replay_of', key), 'due', :now, :now FROM old
    RETURNING id
), turns AS (
    INSERT INTO notice_reminder (notice_id, reminder_id, number, target_version)
    SELECT made.id, p.reminder_id, 0, p.target_version FROM made, notice_reminder p WHERE p.notice_id = :notice
    ON CONFLICT (notice_id, reminder_id) DO UPDATE SET number = 0
)
SELECT id FROM made
""")
_OVER = text("""
SELECT coalesce(r.stop_reason, 'nothing_missing') FROM notice_reminder p JOIN reminder r ON r.id = p.reminder_id
LEFT JOIN standing s ON s.connection_id = r.connection_id
WHERE p.notice_id = :notice AND (r.stopped_at IS NOT NULL OR s.lag IS DISTINCT FROM 'blocking') LIMIT 1
""")


def over(session: Session, notice_id: int) -> str | None:
    """Why there is nothing more to ask in this reminder; None: there is, or it is none."""
    reason: str | None = session.scalar(_OVER, {"notice": notice_id})
    return reason


def replay(session: Session, notice_id: int, *, now: datetime) -> int | None:
    """Queue the message once more, by a key of its own; the id of that one, None when there is no such message."""
    made: int | None = session.scalar(_REPLAY, {"notice": notice_id, "now": now})
    return made
