"""The steps of alerts that rest on connections: one statement per app opens, moves and resolves them, and logs it."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.base import as_sets, forget_plans
from models.ruled import RULE_OF, RULED, UNWATCHED

_WANTED = (
    """,
rung AS (
    SELECT * FROM unnest(cast(:rung_rules AS int4[]), cast(:lags AS text[]), cast(:kinds AS text[]),
        cast(:severities AS text[]), cast(:thresholds AS interval[])) AS r (rule, lag, kind, severity, threshold)
),
-- Each age falls into exactly one: the first begins with the lag and has no severity yet.
stretch AS (
    SELECT rule, lag, kind, severity, threshold AS begins,
        lead(threshold) OVER (PARTITION BY rule, lag ORDER BY threshold) AS ends
    FROM rung
    UNION ALL SELECT rule, lag, kind, NULL, NULL, min(threshold) FROM rung GROUP BY rule, lag, kind
),
-- Built once for all who have the same.
lacking AS MATERIALIZED (
    SELECT v.version, v.scope_set_id,
        jsonb_build_object('version', nullif(v.version, 0), 'latest', v.latest, 'versions_behind', v.versions_behind,
                           'missing', v.missing, 'superfluous', v.superfluous) AS data
    FROM verdict v WHERE v.app_id = :app
),
wanted AS MATERIALIZED (
    SELECT s.connection_id, s.app_id, s.tenant_id, s.environment, g.kind, s.since, g.severity, l.data,
        u.settles_at IS NULL OR u.settles_at <= :now AS is_settled, s.since + g.ends AS next_at
    FROM standing s"""  # noqa: S608 - constants only
    + RULE_OF
    + """
    JOIN lacking l ON l.version = coalesce(s.version, 0) AND l.scope_set_id = s.scope_set_id
    JOIN stretch g ON g.rule = u.rule AND g.lag = s.lag AND (g.begins IS NULL OR s.since + g.begins <= :now)
        AND (g.ends IS NULL OR s.since + g.ends > :now)
    -- Asked once; a joined app would be looked up for every tenant.
    WHERE EXISTS (SELECT FROM app WHERE id = :app AND deleted_at IS NULL AND approval <> 'pending')
      AND s.app_id = :app AND s.status = 'connected'
      AND NOT EXISTS (SELECT FROM exempt e WHERE e.tenant_id = s.tenant_id AND e.environment = s.environment)
      AND (:whole OR s.connection_id = ANY(cast(:only AS int8[])))
)
"""
)
# A new release holds what has not fired yet (is_settled); what fires goes on firing.
_STEP = text(  # constants only, so nothing can be injected
    "WITH"  # noqa: S608
    + RULED
    + _WANTED
    + """,
-- What was over a moment ago goes on: a flapping tenant is one alert, unless it connected anew.
recent AS MATERIALIZED (
    SELECT max(id) AS id, connection_id, kind FROM alert
    WHERE app_id = :app AND resolved_at > cast(:now AS timestamptz) - cast(:flap AS interval)
      AND resolve_reason <> 'disconnected'
      AND (:whole OR connection_id = ANY(cast(:only AS int8[])))
    GROUP BY connection_id, kind
),
missing AS MATERIALIZED (
    SELECT w.*, r.id AS alert_id FROM wanted w
    LEFT JOIN recent r ON r.connection_id = w.connection_id AND r.kind = w.kind
    WHERE w.is_settled AND NOT EXISTS (
        SELECT FROM alert a WHERE a.app_id = :app AND a.connection_id = w.connection_id AND a.kind = w.kind
            AND a.resolved_at IS NULL AND (:whole OR a.connection_id = ANY(cast(:only AS int8[]))))
),
reopened AS (
    UPDATE alert a SET state = CASE WHEN m.severity IS NULL THEN 'pending' ELSE 'firing' END, severity = m.severity,
        since = m.since, data = m.data, resolved_at = NULL, resolve_reason = NULL, reason = 'reopened',
        acknowledged_at = CASE WHEN m.severity IS DISTINCT FROM a.severity THEN NULL ELSE a.acknowledged_at END,
        fired_at = CASE WHEN m.severity IS NOT NULL THEN coalesce(a.fired_at, :now) ELSE a.fired_at END
    FROM missing m WHERE a.id = m.alert_id AND a.app_id = :app
      AND (:whole OR a.connection_id = ANY(cast(:only AS int8[])))
    RETURNING a.id, a.app_id, a.tenant_id, a.connection_id, a.kind, a.state AS step, a.reason, a.severity
),
opened AS (
    INSERT INTO alert (source_id, app_id, kind, tenant_id, connection_id, environment, state, severity, since,
        opened_at, fired_at, reason, data)
    SELECT :source, w.app_id, w.kind, w.tenant_id, w.connection_id, w.environment,
        CASE WHEN w.severity IS NULL THEN 'pending' ELSE 'firing' END, w.severity, w.since,
        :now, CASE WHEN w.severity IS NOT NULL THEN cast(:now AS timestamptz) END,
        CASE WHEN w.severity IS NULL THEN 'in_grace' ELSE 'grace_over' END, w.data
    FROM missing w WHERE w.alert_id IS NULL
    RETURNING id, app_id, tenant_id, connection_id, kind, state AS step, reason, severity
),
moved AS (
    UPDATE alert a SET severity = n.severity, since = w.since, data = w.data, state = n.state,
        -- Somebody took it on when it was less severe.
        acknowledged_at = CASE WHEN n.rank > before_rank.rank THEN NULL ELSE a.acknowledged_at END,
        fired_at = CASE WHEN n.state = 'firing' THEN coalesce(a.fired_at, :now) ELSE a.fired_at END,
        reason = CASE WHEN n.state = a.state THEN a.reason WHEN n.state = 'firing' THEN 'grace_over'
                      ELSE 'upgraded_partly' END
    FROM wanted w
    JOIN alert before ON before.app_id = :app AND before.connection_id = w.connection_id AND before.kind = w.kind
        AND before.resolved_at IS NULL AND (:whole OR before.connection_id = ANY(cast(:only AS int8[])))
    CROSS JOIN LATERAL (
        SELECT CASE WHEN before.state = 'firing' OR w.is_settled THEN w.severity END AS severity
    ) n0
    CROSS JOIN LATERAL (
        SELECT n0.severity, CASE WHEN n0.severity IS NULL THEN 'pending' ELSE 'firing' END AS state,
            array_position(cast(:ranks AS text[]), n0.severity) AS rank
    ) n
    CROSS JOIN LATERAL (SELECT array_position(cast(:ranks AS text[]), before.severity) AS rank) before_rank
    WHERE a.id = before.id AND a.app_id = :app AND (:whole OR a.connection_id = ANY(cast(:only AS int8[])))
      AND (before.state, before.severity, before.since, before.data)
          IS DISTINCT FROM (n.state, n.severity, w.since, w.data)
    RETURNING a.id, a.app_id, a.tenant_id, a.connection_id, a.kind, a.severity, a.reason,
        CASE WHEN n.state <> before.state THEN n.state
             WHEN n.state = 'firing' AND n.rank > before_rank.rank THEN 'escalated'
             WHEN n.state = 'firing' AND n.rank < before_rank.rank THEN 'eased' END AS step
),
closed AS (
    UPDATE alert a SET state = 'resolved', resolved_at = :now, resolve_reason = r.reason
    FROM alert before
    JOIN connection c ON c.id = before.connection_id AND c.app_id = :app
    LEFT JOIN standing s ON s.connection_id = c.id AND s.app_id = :app
        AND (:whole OR s.connection_id = ANY(cast(:only AS int8[])))
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN (SELECT deleted_at FROM app WHERE id = :app) IS NOT NULL THEN 'app_deleted'
            WHEN c.status IN ('disabled', 'disconnected') THEN c.status
            WHEN c.status <> 'connected' THEN 'disconnected'"""
    + UNWATCHED
    + """
            WHEN c.version > (before.data ->> 'version')::int THEN 'upgraded'
            ELSE 'nothing_missing'
        END AS reason
    ) r
    WHERE a.id = before.id AND a.app_id = :app AND before.app_id = :app AND before.resolved_at IS NULL
      AND (:whole OR before.connection_id = ANY(cast(:only AS int8[])))
      AND (:whole OR a.connection_id = ANY(cast(:only AS int8[])))
      AND (:whole OR c.id = ANY(cast(:only AS int8[])))
      AND before.kind IN ('tenant_lagging', 'tenant_overgranted')
      -- A version that cannot be judged is no proof that nothing is missing.
      AND (r.reason NOT IN ('nothing_missing', 'upgraded') OR s.lag <> 'unknown')
      AND NOT EXISTS (SELECT FROM wanted w WHERE w.connection_id = before.connection_id AND w.kind = before.kind)
    RETURNING a.id, a.app_id, a.tenant_id, a.connection_id, a.kind, a.severity, r.reason, 'resolved' AS step
),
step AS (
    SELECT id, app_id, tenant_id, connection_id, kind, step, reason, severity FROM opened
    UNION ALL SELECT id, app_id, tenant_id, connection_id, kind, step, reason, severity FROM reopened
    UNION ALL SELECT id, app_id, tenant_id, connection_id, kind, step, reason, severity FROM moved
        WHERE step IS NOT NULL
    UNION ALL SELECT id, app_id, tenant_id, connection_id, kind, step, reason, severity FROM closed
),
logged AS (
    INSERT INTO alert_step (alert_id, at, step, reason, severity) SELECT id, :now, step, reason, severity FROM step
),
told AS (
    INSERT INTO event (at, type, app_id, tenant_id, connection_id, data)
    SELECT :now, 'alert.' || CASE step WHEN 'firing' THEN 'raised' ELSE step END, app_id, tenant_id, connection_id,
        jsonb_build_object('alert', id, 'kind', kind, 'reason', reason, 'severity', severity)
    -- What never fired was told to nobody, and is no event of the tenant.
    FROM step WHERE step <> 'pending' AND NOT (step = 'resolved' AND severity IS NULL)
)
SELECT next.at, taken.step, taken.alerts FROM (SELECT min(next_at) AS at FROM wanted) next
LEFT JOIN (SELECT step, count(*) AS alerts FROM step GROUP BY step) taken ON true
"""
)


def step(session: Session, bound: Mapping[str, object]) -> tuple[dict[str, int], datetime | None]:
    """Open, move and close the app's alerts, *bound* says of whom and by what rules; how many took each step.

    And when the next of them reaches a threshold of the ladder.
    """
    if bound["whole"]:
        forget_plans(session)
    with as_sets(session):
        rows = session.execute(_STEP, bound).all()
    return {row.step: row.alerts for row in rows if row.step}, rows[0].at
