"""What was said long ago is forgotten: messages with their tries, and who was told of alerts that are over."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

_MOST = 10_000  # rows in one statement

_MESSAGES = text("""
WITH old AS (
    SELECT id FROM notice WHERE state IN ('sent', 'failed', 'cancelled') AND settled_at < :before AND NOT gives_back
    ORDER BY id LIMIT :most
), tries AS (
    DELETE FROM attempt a USING old WHERE a.notice_id = old.id
), threads AS (
    DELETE FROM notice_reminder p USING old WHERE p.notice_id = old.id
)
DELETE FROM notice n USING old WHERE n.id = old.id RETURNING n.id
""")
# An alert that is over begins again within the flap window or never.
_TOLD = text("""
WITH old AS (
    SELECT t.receiver, t.alert_id FROM told t JOIN alert a ON a.id = t.alert_id
    WHERE t.state <> 'firing' AND a.state <> 'firing' AND a.resolved_at < :before LIMIT :most
)
DELETE FROM told t USING old WHERE t.receiver = old.receiver AND t.alert_id = old.alert_id RETURNING t.alert_id
""")


def forget_messages(session: Session, *, before: datetime) -> int:
    """Forget some messages that were settled *before* then; how many, 0 when there are no more."""
    return len(session.scalars(_MESSAGES, {"before": before, "most": _MOST}).all())


def forget_told(session: Session, *, before: datetime) -> int:
    """Forget some of who was told that an alert is over which was *before* then; how many, 0 when there are no more."""
    return len(session.scalars(_TOLD, {"before": before, "most": _MOST}).all())
