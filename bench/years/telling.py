"""Polls, verdicts and alerts, and what people were told: all that came of the connections."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from bench.years.living import chance
from bench.years.sizes import Years
from models.alerts import evaluate
from models.reminders import thread
from uptake.policies import Policies
from uptake.policy import Policy

TABLES = ("alert", "alert_step", "reminder", "notice", "notice_reminder", "attempt", "told")
RECEIVER = "hook"
POLICIES = Policies(Policy(receivers=(RECEIVER,), reminders="mail"))
_POLLS = """
INSERT INTO poll (source_id, app_id, seq, started_at, duration_seconds, outcome, fault, reason, pages, rows, changed)
SELECT a.source_id, a.id, n.number, n.at, 0.4, CASE WHEN n.number % 211 = 0 THEN 'failed' ELSE 'complete' END,
    CASE WHEN n.number % 211 = 0 THEN 'server' END, CASE WHEN n.number % 211 = 0 THEN 'HTTP 502' END,
    CASE WHEN n.number % 211 = 0 THEN 0 ELSE 1 + z.size / 500 END, CASE WHEN n.number % 211 = 0 THEN 0 ELSE z.size END,
    CASE WHEN n.number % 7 = 0 THEN 1 + z.size / 1000 ELSE 0 END
FROM app a JOIN (SELECT app_id, sum(tenants) AS size FROM tally GROUP BY 1) z ON z.app_id = a.id
CROSS JOIN LATERAL (
    SELECT row_number() OVER (ORDER BY at) AS number, at + a.id * interval '3 seconds' AS at
    FROM generate_series(cast(:since AS timestamptz), cast(:now AS timestamptz) - interval '15 minutes',
        interval '30 minutes') at
) n ORDER BY n.at
"""
_SEQUENCED = """
UPDATE app a SET poll_seq = p.seq FROM (SELECT app_id, max(seq) AS seq FROM poll GROUP BY 1) p WHERE p.app_id = a.id
"""
# Of those who had lagged for longer than the grace when they upgraded, every second: the others were before our time.
_RESOLVED = f"""
INSERT INTO alert (source_id, app_id, kind, tenant_id, connection_id, environment, state, severity, since, opened_at,
    fired_at, resolved_at, reason, resolve_reason, data)
SELECT a.source_id, t.app_id, 'tenant_lagging', t.tenant_id, t.connection_id, t.environment, 'resolved', 'warning',
    v.released_at, v.released_at + interval '1 hour', v.released_at + interval '14 days', t.valid_from,
    'grace_over', 'upgraded', jsonb_build_object('version', t.version - 1, 'latest', t.version, 'versions_behind', 1,
        'missing', ARRAY['tn.crm.customers:r'], 'superfluous', ARRAY[]::text[])
FROM tenure t JOIN app_version v ON v.app_id = t.app_id AND v.number = t.version JOIN app a ON a.id = t.app_id
WHERE t.status = 'connected' AND t.version > 1 AND t.valid_from > v.released_at + interval '14 days'
  AND t.not_before IS NOT NULL AND t.environment = 'production' AND {chance("t.id", 8)} < 0.5
ORDER BY t.valid_from
"""
_STEPS = """
INSERT INTO alert_step (alert_id, at, step, reason, severity)
SELECT a.id, s.at, s.step, s.reason, s.severity FROM alert a CROSS JOIN LATERAL (VALUES
    (1, a.opened_at, 'pending', a.reason, NULL), (2, a.fired_at, 'firing', a.reason, 'info'),
    (3, a.resolved_at, 'resolved', a.resolve_reason, a.severity)) s (place, at, step, reason, severity)
WHERE a.state = 'resolved' ORDER BY a.id, s.place
"""
_THREADS = """
INSERT INTO reminder (connection_id, app_id, tenant_id, environment, target_version, opened_at, sent, last_sent_at,
    stopped_at, stop_reason)
SELECT connection_id, app_id, tenant_id, environment, cast(data ->> 'latest' AS int), opened_at, 3,
    opened_at + interval '8 days', resolved_at, 'upgraded'
FROM alert WHERE state = 'resolved' ORDER BY id
"""
# Whoever lags now has been reminded as often as the time since then allows.
_REMINDED = """
UPDATE reminder r SET opened_at = s.since, sent = n.sent, due_at = :now + interval '3 days',
    last_sent_at = CASE WHEN n.sent > 0 THEN s.since + (4 * n.sent - 4) * interval '1 day' END
FROM standing s CROSS JOIN LATERAL (
    SELECT least(4, extract(day FROM cast(:now AS timestamptz) - s.since)::int / 4) AS sent) n
WHERE s.connection_id = r.connection_id AND r.stopped_at IS NULL
"""
# All that was told, in the order in which it was.
_SAID = """
CREATE TEMP TABLE said (LIKE notice INCLUDING DEFAULTS) ON COMMIT DROP; ALTER TABLE said DROP COLUMN id
"""
_NOTICES = """
INSERT INTO said (key, receiver, "to", reason, source_id, app_id, tenant_id, reminder_id, subject, body, state,
    created_at, due_at, attempts, settled_at, settle_reason)
SELECT 'reminder-' || r.id || '-' || k, 'mail', 'p1@t' || r.tenant_id || '.example', 'due', a.source_id, r.app_id,
    r.tenant_id, r.id, a.name || ' needs your approval', repeat('Please accept the new version. ', 12),
    CASE WHEN s.is_failed THEN 'failed' ELSE 'sent' END, s.at, s.at, 1, s.at + interval '1 second',
    CASE WHEN s.is_failed THEN '550 no such user' END
FROM reminder r JOIN app a ON a.id = r.app_id CROSS JOIN LATERAL generate_series(1, r.sent) k
CROSS JOIN LATERAL (SELECT (r.id + k) % 97 = 0 AS is_failed, r.opened_at + (4 * k - 4) * interval '1 day' AS at) s
"""
_GROUPS = """
INSERT INTO notice_group (receiver, source_id, app_id, kind, opened_at, last_told_at, notices)
SELECT :receiver, a.source_id, a.id, k.kind, a.first_seen_at, :now, 20
FROM app a CROSS JOIN (VALUES ('tenant_lagging'), ('tenant_overgranted')) k (kind)
"""
_TOLD_OF = """
INSERT INTO said (key, receiver, "to", reason, source_id, app_id, group_id, subject, body, payload, state, created_at,
    due_at, attempts, settled_at)
SELECT 'group-' || g.id || '-' || extract(epoch FROM at), g.receiver, '', 'new', g.source_id, g.app_id, g.id,
    '[FIRING] tenants lag', repeat('A tenant lags. ', 20), jsonb_build_object('kind', g.kind, 'firing', 12), 'sent',
    at, at, 1, at + interval '1 second'
FROM notice_group g
CROSS JOIN generate_series(g.opened_at, cast(:now AS timestamptz), interval '5 days') at
"""
_IN_ORDER = """
INSERT INTO notice (key, receiver, "to", reason, source_id, app_id, tenant_id, group_id, reminder_id, subject, body,
    payload, state, created_at, due_at, attempts, settled_at, settle_reason)
SELECT key, receiver, "to", reason, source_id, app_id, tenant_id, group_id, reminder_id, subject, body,
    payload, state, created_at, due_at, attempts, settled_at, settle_reason FROM said ORDER BY created_at, key
"""
_TURNS = """
INSERT INTO notice_reminder (notice_id, reminder_id, number, target_version, app_id, tenant_id)
SELECT n.id, n.reminder_id, row_number() OVER (PARTITION BY n.reminder_id ORDER BY n.created_at), r.target_version,
    r.app_id, r.tenant_id
FROM notice n JOIN reminder r ON r.id = n.reminder_id
"""
_ATTEMPTS = """
INSERT INTO attempt (notice_id, number, started_at, finished_at, outcome, answer)
SELECT id, 1, due_at, settled_at, CASE state WHEN 'failed' THEN 'permanent' ELSE 'sent' END,
    coalesce(settle_reason, '250 OK') FROM notice ORDER BY id
"""
_HEARD = """
INSERT INTO told (receiver, alert_id, state, severity, told_at)
SELECT :receiver, id, 'firing', severity, :now FROM alert WHERE state = 'firing'
"""


def poll(session: Session, years: Years, *, now: datetime) -> None:
    """Write a poll of each app every half an hour, as far back as they are kept."""
    session.execute(text(_POLLS), {"since": now - timedelta(days=years.polls_days), "now": now})
    session.execute(text(_SEQUENCED))


def judge(session: Session, *, now: datetime) -> None:
    """Have every app evaluated, as a worker does it: verdicts, open alerts, open threads."""
    for app in session.scalars(text("SELECT id FROM app ORDER BY id")).all():
        evaluated = evaluate(session, app, POLICIES, now=now)
        if evaluated is None:
            raise RuntimeError(f"there is no app {app}")
        thread(session, evaluated.rules)


def tell(session: Session, *, now: datetime) -> None:
    """Write the alerts that are over, all reminders and messages, and what came of each."""
    bound = {"now": now, "receiver": RECEIVER}
    before = (_RESOLVED, _STEPS, _REMINDED, _THREADS, *_SAID.split(";"), _NOTICES, _GROUPS, _TOLD_OF, _IN_ORDER)
    for statement in (*before, _TURNS, _ATTEMPTS, _HEARD):
        session.execute(text(statement), bound)
