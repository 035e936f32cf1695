"""Alerts on apps of which we know too little: not read for long, or not judged."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

BROKEN_AFTER = 3  # evaluations in a row that broke off

_STALE = text("""
WITH old AS MATERIALIZED (
    SELECT a.id, a.source_id, coalesce(f.exact_at, a.first_seen_at) AS since,
        CASE WHEN a.evaluations_broken >= :broken THEN 'evaluation_breaks' ELSE 'not_read_for_long' END AS reason
    FROM app a JOIN source s ON s.id = a.source_id AND s.enabled JOIN freshness f ON f.app_id = a.id
    WHERE a.deleted_at IS NULL AND (coalesce(f.exact_at, a.first_seen_at) < cast(:now AS timestamptz) - :older_than
        OR a.evaluations_broken >= :broken)
), opened AS (
    INSERT INTO alert (source_id, app_id, kind, state, severity, since, opened_at, fired_at, reason)
    SELECT source_id, id, 'data_stale', 'firing', 'warning', since, :now, :now, reason FROM old
    ON CONFLICT DO NOTHING RETURNING id, app_id, 'firing' AS step, reason, severity
), closed AS (
    UPDATE alert x SET state = 'resolved', resolved_at = :now, resolve_reason = CASE
        WHEN a.deleted_at IS NOT NULL THEN 'app_deleted' WHEN s.enabled THEN 'read_again' ELSE 'source_not_watched' END
    FROM app a JOIN source s ON s.id = a.source_id
    WHERE x.app_id = a.id AND x.connection_id IS NULL AND x.kind = 'data_stale' AND x.resolved_at IS NULL
      AND NOT EXISTS (SELECT FROM old WHERE old.id = a.id)
    RETURNING x.id, x.app_id, 'resolved' AS step, x.resolve_reason AS reason, x.severity
), step AS (SELECT * FROM opened UNION ALL SELECT * FROM closed
), logged AS (
    INSERT INTO alert_step (alert_id, at, step, reason, severity) SELECT id, :now, step, reason, severity FROM step
)
INSERT INTO event (at, type, app_id, data)
SELECT :now, 'alert.' || CASE step WHEN 'firing' THEN 'raised' ELSE step END, app_id,
    jsonb_build_object('alert', id, 'kind', 'data_stale', 'reason', reason, 'severity', severity)
FROM step RETURNING app_id
""")


def stale(session: Session, *, older_than: timedelta, now: datetime) -> list[int]:
    """Open and close the alerts on apps whose picture is *older_than* this, or that cannot be judged.

    The apps for which that changed. A second run changes nothing.
    """
    bound = {"now": now, "older_than": older_than, "broken": BROKEN_AFTER}
    return list(session.scalars(_STALE, bound))
