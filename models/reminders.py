"""Reminder threads: opened, moved to a newer version and stopped by facts, set by set."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.base import as_sets
from models.letters import take_back
from models.ruled import RULE_OF, RULED, UNWATCHED, Ruled

_STOP = text(
    "WITH"  # noqa: S608 - constants only
    + RULED
    + """,
stopped AS (
    UPDATE reminder r SET stopped_at = :now, due_at = NULL, stop_reason = CASE
            WHEN (SELECT deleted_at FROM app WHERE id = :app) IS NOT NULL THEN 'app_deleted'
            WHEN c.status IN ('disabled', 'disconnected') THEN c.status
            WHEN c.status <> 'connected' THEN 'disconnected'"""
    + UNWATCHED
    + """
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
           OR c.status <> 'connected' OR c.environment NOT IN (SELECT environment FROM ruled)
           OR EXISTS (SELECT FROM exempt e WHERE e.tenant_id = c.tenant_id AND e.environment = c.environment))
    RETURNING r.id, r.app_id, r.tenant_id, r.connection_id, r.stop_reason
)
INSERT INTO event (at, type, app_id, tenant_id, connection_id, data)
SELECT :now, 'reminder.stopped', app_id, tenant_id, connection_id,
    jsonb_build_object('reminder', id, 'reason', stop_reason) FROM stopped
RETURNING cast(data ->> 'reminder' AS int8) AS id
"""
)
_OUTDATED = text(
    "WITH"  # noqa: S608 - constants only
    + RULED
    + """,
outdated AS (
    SELECT r.id, s.latest, u.settles_at
    FROM reminder r JOIN standing s ON s.connection_id = r.connection_id AND s.app_id = :app"""
    + RULE_OF
    + """
    WHERE r.app_id = :app AND r.stopped_at IS NULL AND r.target_version < s.latest
      AND (:whole OR r.connection_id = ANY(cast(:only AS int8[])))
      AND (:whole OR s.connection_id = ANY(cast(:only AS int8[])))
    ORDER BY r.id FOR NO KEY UPDATE OF r
)
SELECT * FROM outdated
"""
)
_MOVE = text("""
UPDATE reminder r SET target_version = m.latest, not_before = m.settles_at,
    due_at = CASE WHEN r.due_at IS NOT NULL THEN greatest(r.due_at, m.settles_at) END
FROM unnest(cast(:outdated AS int8[]), cast(:latest AS int4[]), cast(:settle AS timestamptz[]))
    AS m (id, latest, settles_at) WHERE r.id = m.id
""")
_OPEN = text(
    "WITH"  # noqa: S608 - constants only
    + RULED
    + """,
opened AS (
    INSERT INTO reminder (connection_id, app_id, tenant_id, environment, target_version, opened_at, due_at)
    SELECT s.connection_id, s.app_id, s.tenant_id, s.environment, s.latest, :now, u.first_due_at
    FROM standing s"""
    + RULE_OF
    + """
        AND u.first_due_at IS NOT NULL AND (u.settles_at IS NULL OR u.settles_at <= :now)
    WHERE EXISTS (SELECT FROM app WHERE id = :app AND deleted_at IS NULL AND approval <> 'pending')
      AND s.app_id = :app AND s.lag = 'blocking' AND s.status = 'connected'
      AND NOT EXISTS (SELECT FROM exempt e WHERE e.tenant_id = s.tenant_id AND e.environment = s.environment)
      AND (:whole OR s.connection_id = ANY(cast(:only AS int8[])))
      AND NOT EXISTS (
        SELECT FROM reminder r WHERE r.app_id = :app AND r.connection_id = s.connection_id AND r.stopped_at IS NULL
            AND (:whole OR r.connection_id = ANY(cast(:only AS int8[]))))
    -- Whoever is written to first is not the planner's choice: a plan says the same a minute later.
    ORDER BY u.first_due_at, s.connection_id
    RETURNING id, app_id, tenant_id, connection_id, target_version
)
INSERT INTO event (at, type, app_id, tenant_id, connection_id, data)
SELECT :now, 'reminder.opened', app_id, tenant_id, connection_id,
    jsonb_build_object('reminder', id, 'target_version', target_version) FROM opened
RETURNING id
"""
)


def thread(session: Session, rules: Ruled, *, only: Sequence[int] | None = None) -> tuple[int, int]:
    """Stop the threads that have nothing to ask any more, open those that have; how many were opened and stopped.

    Threads open only when the newest version has settled, at most one per connection, due as the *rules* for it say;
    those that are open ask for the newest version from then on, and keep still until it settled. *only*: no other
    connections are looked at.
    """
    bound = {**rules.bound, "whole": only is None, "only": list(only or ())}
    now = rules.bound["now"]
    with as_sets(session):
        stopped = session.scalars(_STOP, bound).all()
        outdated = session.execute(_OUTDATED, bound).all()
        opened = session.scalars(_OPEN, bound).all() if rules.opens_threads else ()
    if stopped:
        take_back(session, stopped, now=now)
    if outdated:
        ids, latest, settle = (list(column) for column in zip(*outdated, strict=True))
        # What was queued about the older version and not sent is asked again when the newer one has settled.
        take_back(session, ids, reason="superseded", now=now)
        session.execute(_MOVE, {"outdated": ids, "latest": latest, "settle": settle})
    return len(opened), len(stopped)
