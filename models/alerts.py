"""The life of alerts: one statement per app opens, escalates and resolves them, and logs every step."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from importlib.metadata import version
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from models.base import forget_plans
from models.verdicts import history_of, judge_app
from uptake.policy import KIND_OF, AlertKind, Policy, Severity, settles_at, severity

# So many polls in a row must fail before a human hears of it: portals hiccup.
FAILING_AFTER = 3

_RELEASE = version("uptake")  # another one may judge the same facts differently

_RUNGS = """
rung AS (
    SELECT * FROM unnest(cast(:lags AS text[]), cast(:kinds AS text[]), cast(:severities AS text[]),
                         cast(:thresholds AS interval[])) AS r (lag, kind, severity, threshold)
)
"""
_WANTED = """
-- Built once for all who have the same.
lacking AS MATERIALIZED (
    SELECT v.version, v.scope_set_id,
        jsonb_build_object('version', nullif(v.version, 0), 'latest', v.latest, 'versions_behind', v.versions_behind,
                           'missing', v.missing, 'superfluous', v.superfluous) AS data
    FROM verdict v WHERE v.app_id = :app
),
wanted AS MATERIALIZED (
    SELECT s.connection_id, s.app_id, s.tenant_id, s.environment, k.kind, s.since, top.severity, l.data
    FROM standing s
    JOIN lacking l ON l.version = coalesce(s.version, 0) AND l.scope_set_id = s.scope_set_id
    JOIN app ON app.id = s.app_id AND app.deleted_at IS NULL AND app.approval <> 'pending'
    JOIN (SELECT DISTINCT lag, kind FROM rung) k ON k.lag = s.lag
    LEFT JOIN LATERAL (
        SELECT r.severity FROM rung r WHERE r.lag = s.lag AND s.since + r.threshold <= :now
        ORDER BY r.threshold DESC LIMIT 1
    ) top ON true
    WHERE s.app_id = :app AND s.status = 'connected' AND s.environment = ANY(cast(:environments AS text[]))
)
"""
# A new release holds what has not fired yet (:settled); what fires goes on firing.
_STEP = text(  # constants only, so nothing can be injected
    "WITH"  # noqa: S608
    + _RUNGS
    + ","
    + _WANTED
    + """,
opened AS (
    INSERT INTO alert (source_id, app_id, kind, tenant_id, connection_id, environment, state, severity, since,
        opened_at, fired_at, reason, data)
    SELECT :source, w.app_id, w.kind, w.tenant_id, w.connection_id, w.environment,
        CASE WHEN w.severity IS NULL THEN 'pending' ELSE 'firing' END, w.severity, w.since,
        :now, CASE WHEN w.severity IS NOT NULL THEN cast(:now AS timestamptz) END,
        CASE WHEN w.severity IS NULL THEN 'in_grace' ELSE 'grace_over' END, w.data
    FROM wanted w
    WHERE :settled AND NOT EXISTS (
        SELECT FROM alert a WHERE a.app_id = :app AND a.connection_id = w.connection_id AND a.kind = w.kind
            AND a.resolved_at IS NULL)
    RETURNING id, app_id, tenant_id, connection_id, kind, state AS step, reason, severity
),
moved AS (
    UPDATE alert a SET severity = n.severity, since = w.since, data = w.data, state = n.state,
        fired_at = CASE WHEN n.state = 'firing' THEN coalesce(a.fired_at, :now) ELSE a.fired_at END,
        reason = CASE WHEN n.state = a.state THEN a.reason WHEN n.state = 'firing' THEN 'grace_over'
                      ELSE 'upgraded_partly' END
    FROM wanted w
    JOIN alert before ON before.app_id = :app AND before.connection_id = w.connection_id AND before.kind = w.kind
        AND before.resolved_at IS NULL
    CROSS JOIN LATERAL (
        SELECT CASE WHEN before.state = 'firing' OR :settled THEN w.severity END AS severity
    ) n0
    CROSS JOIN LATERAL (
        SELECT n0.severity, CASE WHEN n0.severity IS NULL THEN 'pending' ELSE 'firing' END AS state,
            array_position(cast(:ranks AS text[]), n0.severity) AS rank
    ) n
    CROSS JOIN LATERAL (SELECT array_position(cast(:ranks AS text[]), before.severity) AS rank) before_rank
    WHERE a.id = before.id
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
    JOIN app ON app.id = before.app_id
    JOIN connection c ON c.id = before.connection_id
    LEFT JOIN standing s ON s.connection_id = c.id
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN app.deleted_at IS NOT NULL THEN 'app_deleted'
            WHEN c.status IN ('disabled', 'disconnected') THEN c.status
            WHEN c.status <> 'connected' THEN 'disconnected'
            WHEN NOT c.environment = ANY(cast(:environments AS text[])) THEN 'environment_not_watched'
            WHEN c.version > (before.data ->> 'version')::int THEN 'upgraded'
            ELSE 'nothing_missing'
        END AS reason
    ) r
    WHERE a.id = before.id AND before.app_id = :app AND before.resolved_at IS NULL
      AND before.kind IN ('tenant_lagging', 'tenant_overgranted')
      -- A version that cannot be judged is no proof that nothing is missing.
      AND (r.reason NOT IN ('nothing_missing', 'upgraded') OR s.lag <> 'unknown')
      AND NOT EXISTS (SELECT FROM wanted w WHERE w.connection_id = before.connection_id AND w.kind = before.kind)
    RETURNING a.id, a.app_id, a.tenant_id, a.connection_id, a.kind, a.severity, r.reason, 'resolved' AS step
),
step AS (
    SELECT id, app_id, tenant_id, connection_id, kind, step, reason, severity FROM opened
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
SELECT step, count(*) AS alerts FROM step GROUP BY step
"""
)
_NEXT = text(
    "WITH"
    + _RUNGS
    + """
SELECT min(s.since + r.threshold) FROM standing s JOIN rung r ON r.lag = s.lag
WHERE s.app_id = :app AND s.status = 'connected' AND s.environment = ANY(cast(:environments AS text[]))
  AND s.since + r.threshold > :now
"""
)


# Like every lock here one that rows which point at the app may be written beside: a full one, held while this waits for
# a group that a flush holds, would wait for that flush's notice about the app, and it for this.
_LOCKED = text("""
SELECT id, source_id, deleted_at, approval, failures, changes, evaluated_as, steps_at FROM app
WHERE id = :app FOR NO KEY UPDATE
""")
_EVALUATED = text("""
UPDATE app SET evaluated_at = :now, evaluate_at = :next, steps_at = :next, evaluated_as = :rests_on WHERE id = :app
""")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What one evaluation changed, by step, and when time alone may change something next."""

    pending: int
    raised: int
    escalated: int
    resolved: int
    next_at: datetime | None
    is_same: bool = False  # all that it rests on is as it was the last time, so nobody was judged anew


def evaluate(session: Session, app_id: int, policy: Policy, *, now: datetime) -> Evaluated | None:
    """Judge the app and bring its alerts in line, in the caller's transaction; a second run changes nothing.

    None when there is no such app. Silence of the portal resolves nothing: only facts do.
    """
    app = session.execute(_LOCKED, {"app": app_id}).one_or_none()
    if app is None:
        return None
    history = history_of(session, app_id)
    settles = settles_at(history, policy)
    bound = _rungs(policy) | {
        "app": app_id,
        "source": app.source_id,
        "now": now,
        "ranks": [severity.value for severity in sorted(Severity)],
        "settled": settles is None or settles <= now,
        "environments": list(policy.environments),
    }
    rests_on = _rests_on(app, len(history), policy, bound)
    steps: dict[str, int] = {}
    next_at: datetime | None = app.steps_at
    # Judging 10,000 tenants anew takes tens of milliseconds; most evaluations have nothing new to judge them by.
    is_same = app.evaluated_as == rests_on and (next_at is None or next_at > now)
    if not is_same:
        judge_app(session, app_id, history)
        steps = _stepped(session, bound)
        times = [session.scalar(_NEXT, bound), settles] if not app.deleted_at else []
        next_at = min((at for at in times if at is not None and at > now), default=None)
    _failing(session, app.source_id, app_id, failing=app.failures >= FAILING_AFTER and not app.deleted_at, now=now)
    session.execute(_EVALUATED, {"app": app_id, "now": now, "next": next_at, "rests_on": rests_on})
    return Evaluated(
        pending=steps.get("pending", 0),
        raised=steps.get("firing", 0),
        escalated=steps.get("escalated", 0),
        resolved=steps.get("resolved", 0),
        next_at=next_at,
        is_same=is_same,
    )


def _stepped(session: Session, bound: Mapping[str, object]) -> dict[str, int]:
    """Open, move and close the app's alerts; how many took each step."""
    forget_plans(session)
    # An app's tenants, alerts and verdicts are sets to be joined as such, whatever the planner believes of their
    # number: what it takes for one row is looked up in all others, ten thousand times.
    session.execute(text("SET LOCAL enable_nestloop = off"))
    return {row.step: row.alerts for row in session.execute(_STEP, bound)}


def _rests_on(app: Row[Any], versions: int, policy: Policy, bound: Mapping[str, object]) -> str:
    """What verdicts, alerts and threads of the app follow from, besides the time: equal to the last, nothing is new."""
    rules = [bound[name] for name in ("lags", "kinds", "severities", "thresholds", "ranks", "environments")]
    asks = (policy.reminders, policy.remind_cap > 0)
    facts = (_RELEASE, app.changes, versions, app.deleted_at is None, app.approval, bound["settled"], *asks, *rules)
    return sha256(repr(facts).encode()).hexdigest()


def source_failing(session: Session, source_id: int, *, now: datetime) -> None:
    """Open or close the alert on a source whose list of apps cannot be read."""
    failures = session.scalar(text("SELECT failures FROM source WHERE id = :source"), {"source": source_id})
    _failing(session, source_id, None, failing=(failures or 0) >= FAILING_AFTER, now=now)


def _failing(session: Session, source_id: int, app_id: int | None, *, failing: bool, now: datetime) -> None:
    bound = {
        "source": source_id,
        "app": app_id,
        "kind": AlertKind.POLL_FAILING.value,
        "severity": Severity.WARNING.value,
        "now": now,
        "failing": failing,
    }
    session.execute(_FAILING if failing else _RECOVERED, bound)


_FAILING = text("""
WITH last AS (
    SELECT outcome, fault, reason, started_at FROM poll
    WHERE source_id = :source AND app_id IS NOT DISTINCT FROM cast(:app AS int8) ORDER BY id DESC LIMIT 1
), opened AS (
    INSERT INTO alert (source_id, app_id, kind, state, severity, since, opened_at, fired_at, reason, data)
    SELECT :source, :app, :kind, 'firing', :severity, :now, :now, :now, coalesce(last.fault, last.outcome),
        jsonb_build_object('outcome', last.outcome, 'fault', last.fault, 'error', last.reason)
    FROM last ON CONFLICT DO NOTHING RETURNING id, reason, severity
), logged AS (
    INSERT INTO alert_step (alert_id, at, step, reason, severity)
    SELECT id, :now, 'firing', reason, severity FROM opened
)
INSERT INTO event (at, type, app_id, data)
SELECT :now, 'alert.raised', :app, jsonb_build_object('alert', id, 'kind', cast(:kind AS text), 'reason', reason)
FROM opened
""")
_RECOVERED = text("""
WITH closed AS (
    UPDATE alert SET state = 'resolved', resolved_at = :now, resolve_reason = 'recovered'
    WHERE source_id = :source AND app_id IS NOT DISTINCT FROM cast(:app AS int8) AND kind = :kind
      AND resolved_at IS NULL
    RETURNING id, severity
), logged AS (
    INSERT INTO alert_step (alert_id, at, step, reason, severity)
    SELECT id, :now, 'resolved', 'recovered', severity FROM closed
)
INSERT INTO event (at, type, app_id, data)
SELECT :now, 'alert.resolved', :app, jsonb_build_object('alert', id, 'kind', cast(:kind AS text), 'reason', 'recovered')
FROM closed
""")


def _rungs(policy: Policy) -> dict[str, list[object]]:
    """The policy's ladder as parallel arrays: the core decides the severity at each threshold, SQL compares ages."""
    rows: list[tuple[str, str, str, timedelta]] = []
    for lag, kind in KIND_OF.items():
        grace = policy.grace(lag)
        if kind is None or grace is None:
            continue
        for _, past in policy.severity:
            reached = severity(policy, lag, grace + past)
            if reached is not None:
                rows.append((lag.value, kind.value, reached.value, grace + past))
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
    return dict(zip(("lags", "kinds", "severities", "thresholds"), columns, strict=True))
