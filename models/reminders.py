"""Reminder threads: opened, moved to a newer version and stopped by facts, set by set."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from uptake.policy import Policy

_STOP = text("""
WITH stopped AS (
    UPDATE reminder r SET stopped_at = :now, due_at = NULL, stop_reason = CASE
            WHEN (SELECT deleted_at FROM app WHERE id = :app) IS NOT NULL THEN 'app_deleted'
            WHEN c.status IN ('disabled', 'disconnected') THEN c.status
            WHEN c.status <> 'connected' THEN 'disconnected'
            WHEN NOT c.environment = ANY(cast(:environments AS text[])) THEN 'environment_not_watched'
            WHEN c.version >= r.target_version THEN 'upgraded'
            ELSE 'nothing_missing'
        END
    FROM connection c
    LEFT JOIN standing s ON s.connection_id = c.id AND s.app_id = :app
        AND (:whole OR s.connection_id = ANY(cast(:only AS int8[])))
    WHERE r.app_id = :app AND r.stopped_at IS NULL AND c.id = r.connection_id AND c.app_id = :app
      AND (:whole OR r.connection_id = ANY(cast(:only AS int8[])))
      AND (:whole OR c.id = ANY(cast(:only AS int8[])))
      AND ((SELECT deleted_at FROM app WHERE id = :app) IS NOT NULL OR s.lag NOT IN ('blocking', 'unknown')
           OR c.status <> 'connected' OR NOT c.environment = ANY(cast(:environments AS text[])))
    RETURNING r.id, r.app_id, r.tenant_id, r.connection_id, r.stop_reason
), cancelled AS (
    UPDATE notice n SET state = 'cancelled', settled_at = :now, settle_reason = s.stop_reason
    FROM stopped s WHERE n.reminder_id = s.id AND n.state = 'due'
)
INSERT INTO event (at, type, app_id, tenant_id, connection_id, data)
SELECT :now, 'reminder.stopped', app_id, tenant_id, connection_id,
    jsonb_build_object('reminder', id, 'reason', stop_reason) FROM stopped
RETURNING id
""")
# What was queued about the older version and not sent gives its turn back; either way the newer one settles first.
_SUPERSEDE = text("""
WITH moved AS (
    SELECT r.id, s.latest FROM reminder r JOIN standing s ON s.connection_id = r.connection_id AND s.app_id = :app
    WHERE r.app_id = :app AND r.stopped_at IS NULL AND r.target_version < s.latest
      AND (:whole OR r.connection_id = ANY(cast(:only AS int8[])))
      AND (:whole OR s.connection_id = ANY(cast(:only AS int8[])))
    FOR NO KEY UPDATE OF r
), cancelled AS (
    UPDATE notice n SET state = 'cancelled', settled_at = :now, settle_reason = 'superseded'
    FROM moved WHERE n.reminder_id = moved.id AND n.state = 'due'
    RETURNING n.reminder_id
), unsent AS (
    SELECT moved.id, moved.latest, count(cancelled.reminder_id) AS turns
    FROM moved LEFT JOIN cancelled ON cancelled.reminder_id = moved.id GROUP BY moved.id, moved.latest
)
UPDATE reminder r SET target_version = u.latest, sent = r.sent - u.turns,
    due_at = CASE WHEN u.turns > 0 THEN greatest(:now, cast(:settles AS timestamptz))
                  WHEN r.due_at IS NOT NULL THEN greatest(r.due_at, cast(:settles AS timestamptz)) END,
    last_sent_at = CASE WHEN u.turns = 0 THEN r.last_sent_at ELSE (
        SELECT max(n.created_at) FROM notice n WHERE n.reminder_id = r.id AND n.state IN ('sending', 'sent')) END
FROM unsent u WHERE r.id = u.id AND r.app_id = :app AND r.stopped_at IS NULL
""")
_OPEN = text("""
WITH opened AS (
    INSERT INTO reminder (connection_id, app_id, tenant_id, environment, target_version, opened_at, due_at)
    SELECT s.connection_id, s.app_id, s.tenant_id, s.environment, s.latest, :now, cast(:first AS timestamptz)
    FROM standing s
    WHERE EXISTS (SELECT FROM app WHERE id = :app AND deleted_at IS NULL AND approval <> 'pending')
      AND s.app_id = :app AND s.lag = 'blocking' AND s.status = 'connected'
      AND s.environment = ANY(cast(:environments AS text[]))
      AND (:whole OR s.connection_id = ANY(cast(:only AS int8[])))
      AND NOT EXISTS (
        SELECT FROM reminder r WHERE r.app_id = :app AND r.connection_id = s.connection_id AND r.stopped_at IS NULL
            AND (:whole OR r.connection_id = ANY(cast(:only AS int8[]))))
    RETURNING id, app_id, tenant_id, connection_id, target_version
)
INSERT INTO event (at, type, app_id, tenant_id, connection_id, data)
SELECT :now, 'reminder.opened', app_id, tenant_id, connection_id,
    jsonb_build_object('reminder', id, 'target_version', target_version) FROM opened
RETURNING id
""")


def thread(
    session: Session,
    app_id: int,
    policy: Policy,
    *,
    now: datetime,
    settles_at: datetime | None,
    first_due_at: datetime | None,
    only: Sequence[int] | None = None,
) -> tuple[int, int]:
    """Stop the threads that have nothing to ask any more, open those that have; how many were opened and stopped.

    Threads open only when the newest version has settled (*settles_at*), at most one per connection, due at
    *first_due_at*; those that are open ask for the newest version from then on, and keep still until it settled.
    *only*: no other connections are looked at.
    """
    bound = {"app": app_id, "now": now, "environments": list(policy.environments), "first": first_due_at}
    bound |= {"settles": settles_at, "whole": only is None, "only": list(only or ())}
    stopped = len(session.execute(_STOP, bound).all())
    session.execute(_SUPERSEDE, bound)
    settled = settles_at is None or settles_at <= now
    opened = len(session.execute(_OPEN, bound).all()) if settled and policy.reminders and first_due_at else 0
    return opened, stopped
