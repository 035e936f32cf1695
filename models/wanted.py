"""The alerts about an app that are to be open now: what is missing is opened, what is not wanted any more resolved."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from models.base import as_sets
from uptake.policy import AlertKind, Severity

_CHANGE = text(
    """
WITH wanted AS MATERIALIZED (
    SELECT * FROM json_to_recordset(cast(:wanted AS json)) AS w (kind text, environment text, connection_id int8,
        tenant_id int8, severity text, since timestamptz, reason text, data jsonb)
), recent AS (
    SELECT max(id) AS id, connection_id, environment, kind FROM alert
    WHERE app_id = :app AND kind = ANY(cast(:kinds AS text[]))
      AND resolved_at > cast(:now AS timestamptz) - cast(:flap AS interval)
    GROUP BY connection_id, environment, kind
), missing AS MATERIALIZED (
    SELECT w.*, r.id AS alert_id FROM wanted w
    LEFT JOIN recent r ON r.kind = w.kind
        AND coalesce(r.connection_id, 0) = coalesce(w.connection_id, 0)
        AND coalesce(r.environment, '') = coalesce(w.environment, '')
    WHERE NOT EXISTS (SELECT FROM alert a WHERE a.app_id = :app AND a.kind = w.kind AND a.resolved_at IS NULL
        AND coalesce(a.connection_id, 0) = coalesce(w.connection_id, 0)
        AND coalesce(a.environment, '') = coalesce(w.environment, ''))
), reopened AS (
    UPDATE alert a SET state = 'firing', severity = m.severity, data = m.data, resolved_at = NULL,
        resolve_reason = NULL, reason = 'reopened'
    FROM missing m WHERE a.id = m.alert_id
    RETURNING a.id, a.tenant_id, a.connection_id, a.kind, 'firing' AS step, a.reason, a.severity
), opened AS (
    INSERT INTO alert (source_id, app_id, kind, tenant_id, connection_id, environment, state, severity, since,
        opened_at, fired_at, reason, data)
    SELECT :source, :app, kind, tenant_id, connection_id, environment, 'firing', severity, since, :now, :now, reason,
        data
    FROM missing WHERE alert_id IS NULL ON CONFLICT DO NOTHING
    RETURNING id, tenant_id, connection_id, kind, 'firing' AS step, reason, severity
), refreshed AS (
    UPDATE alert a SET data = w.data FROM wanted w
    WHERE a.app_id = :app AND a.kind = w.kind AND a.resolved_at IS NULL
      AND coalesce(a.connection_id, 0) = coalesce(w.connection_id, 0)
        AND coalesce(a.environment, '') = coalesce(w.environment, '')
      AND a.data IS DISTINCT FROM w.data
), closed AS (
    UPDATE alert a SET state = 'resolved', resolved_at = :now, resolve_reason = coalesce(
        (SELECT 'app_deleted' FROM app WHERE id = :app AND deleted_at IS NOT NULL),
        (SELECT 'reconnected' FROM connection c WHERE c.id = a.connection_id AND c.status = 'connected'
            AND a.kind = 'tenant_disconnected_after_release'),
        (SELECT 'disconnected' FROM connection c WHERE c.id = a.connection_id AND a.kind = 'version_regressed'
            AND c.status NOT IN ('connected', 'disabled')),
        CASE a.kind {ends} END)
    WHERE a.app_id = :app AND a.kind = ANY(cast(:kinds AS text[])) AND a.resolved_at IS NULL
      AND NOT EXISTS (SELECT FROM wanted w WHERE w.kind = a.kind
          AND coalesce(w.connection_id, 0) = coalesce(a.connection_id, 0)
        AND coalesce(w.environment, '') = coalesce(a.environment, ''))
    RETURNING id, tenant_id, connection_id, kind, 'resolved' AS step, resolve_reason AS reason, severity
), step AS (SELECT * FROM opened UNION ALL SELECT * FROM reopened UNION ALL SELECT * FROM closed
), logged AS (
    INSERT INTO alert_step (alert_id, at, step, reason, severity) SELECT id, :now, step, reason, severity FROM step
)
INSERT INTO event (at, type, app_id, tenant_id, connection_id, data)
SELECT :now, 'alert.' || CASE step WHEN 'firing' THEN 'raised' ELSE step END, :app, tenant_id, connection_id,
    jsonb_build_object('alert', id, 'kind', kind, 'reason', reason, 'severity', severity)
FROM step RETURNING data ->> 'reason' AS reason
""".replace(
        "{ends}",
        """
            WHEN 'rollout_behind_target' THEN 'target_met' WHEN 'rollout_stalled' THEN 'moving'
            WHEN 'version_regressed' THEN 'upgraded' WHEN 'tenant_disconnected_after_release' THEN 'long_ago'
            WHEN 'approval_overdue' THEN 'approved'""",
    )
)
_KINDS = (
    AlertKind.ROLLOUT_BEHIND_TARGET,
    AlertKind.ROLLOUT_STALLED,
    AlertKind.VERSION_REGRESSED,
    AlertKind.TENANT_DISCONNECTED_AFTER_RELEASE,
    AlertKind.APPROVAL_OVERDUE,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An alert that is to be open now."""

    kind: AlertKind
    severity: Severity
    since: datetime
    reason: str
    environment: str | None = None
    connection_id: int | None = None
    tenant_id: int | None = None
    data: Mapping[str, object] = field(default_factory=dict)


def open_as_wanted(session: Session, app: Row[Any], wanted: Sequence[Wanted], *, flap: timedelta, now: datetime) -> int:
    """Have the alerts on the rollout of *app* (its id, source_id) be those that are *wanted*; how many changed.

    One that ended within *flap* is opened again, the same as before. A second run changes nothing.
    """
    bound = {"app": app.id, "source": app.source_id, "now": now, "kinds": [kind.value for kind in _KINDS], "flap": flap}
    with as_sets(session):
        return len(session.execute(_CHANGE, bound | {"wanted": json.dumps([_told(one) for one in wanted])}).all())


def _told(alert: Wanted) -> dict[str, object]:
    return {
        "kind": alert.kind.value,
        "environment": alert.environment,
        "connection_id": alert.connection_id,
        "tenant_id": alert.tenant_id,
        "severity": alert.severity.value,
        "since": alert.since.isoformat(),
        "reason": alert.reason,
        "data": alert.data,
    }
