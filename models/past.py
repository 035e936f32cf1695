"""What was known when: the recorded facts of the past, put once more into tables that know nothing yet."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.alerts import FAILING_AFTER
from models.moves import NAMED
from models.queries.recorded import Deed, Past, recorded
from models.scratch import shadow

# What a contact book, a portal or somebody says of these is known as of now only.
_AS_NOW = ("scope_set", "label_set", "tenant", "contact")
# A connection as each of its stretches left it; who had an earlier life began it when it was first seen.
_STRETCHES = text("""
CREATE TEMP TABLE past_stretch AS
WITH stretch AS (
    SELECT t.*, lag(t.version) OVER w AS was_version, lag(t.epoch) OVER w AS was_epoch FROM tenure t
    WHERE t.valid_from <= :until WINDOW w AS (PARTITION BY t.connection_id ORDER BY t.valid_from)
)
SELECT s.*, c.external_id, c.client_id,
    CASE WHEN s.epoch = c.epoch THEN c.epoch_started_at
        ELSE min(s.valid_from) OVER (PARTITION BY s.connection_id, s.epoch) END AS epoch_started_at,
    max(s.valid_from) FILTER (WHERE s.was_epoch IS DISTINCT FROM s.epoch OR s.version IS DISTINCT FROM s.was_version)
        OVER so_far AS version_at,
    max(s.valid_from) FILTER (WHERE s.was_epoch = s.epoch AND s.version > s.was_version) OVER so_far AS upgraded_at,
    max(s.version) OVER (PARTITION BY s.connection_id, s.epoch ORDER BY s.valid_from) AS highest
FROM stretch s JOIN connection c ON c.id = s.connection_id
WINDOW so_far AS (PARTITION BY s.connection_id ORDER BY s.valid_from)
""")
_KEPT = (
    """CREATE TEMP TABLE past_poll AS
    SELECT source_id, app_id, max(started_at) AS at FROM poll
    WHERE outcome = 'complete' AND started_at <= :until GROUP BY source_id, app_id, started_at""",
    "CREATE TEMP TABLE past_source AS TABLE source",
    "CREATE TEMP TABLE past_app AS SELECT * FROM app WHERE first_seen_at <= :until",
    "CREATE TEMP TABLE past_version AS SELECT * FROM app_version WHERE first_seen_at <= :until",
    "CREATE TEMP TABLE past_reminder AS SELECT id, connection_id, opened_at FROM reminder",
    "CREATE TEMP TABLE past_silence AS SELECT * FROM silence WHERE created_at <= :until",
    """CREATE TEMP TABLE past_trouble AS
    SELECT s.at, s.id AS place, s.step, s.reason AS step_reason, s.severity AS step_severity, a.source_id, a.app_id,
        a.kind, a.since, a.reason, a.data
    FROM alert a JOIN alert_step s ON s.alert_id = a.id
    WHERE a.kind IN ('poll_failing', 'data_stale') AND a.connection_id IS NULL AND s.author IS NULL
      AND s.at <= :until""",
)
_INDEXED = (
    "CREATE INDEX ON past_stretch (valid_from)",
    "CREATE INDEX ON past_stretch (valid_to) WHERE valid_to IS NOT NULL",
    "CREATE INDEX ON past_poll (app_id, at)",
    "CREATE INDEX ON past_poll (source_id, at) WHERE app_id IS NULL",
    "CREATE INDEX ON past_trouble (at)",
    "CREATE INDEX ON past_reminder (opened_at)",
    "CREATE INDEX ON pg_temp.alert_step (id)",
    "SELECT setval(pg_get_serial_sequence('pg_temp.reminder', 'id'), max(id)) FROM past_reminder",
    "ANALYZE past_stretch, past_poll, tenant, contact, scope_set",
)
# Nothing that a poll or an evaluation found out is known yet.
_UNKNOWN = """
INSERT INTO {table} SELECT (jsonb_populate_record(p, jsonb_build_object({forgotten}))).* FROM past_{table} p
"""
_SOURCES = text(
    _UNKNOWN.format(table="source", forgotten="'failures', 0, 'fed_at', NULL, 'last_fault', NULL, 'last_error', NULL")
)
_NOBODY_SAID = text("UPDATE contact SET opted_out_at = NULL, refused_at = NULL, refusal = NULL")
_APPS_COME = text("""
INSERT INTO app SELECT (jsonb_populate_record(p, jsonb_build_object(
    'approval', CASE WHEN p.approval_since > :at THEN 'pending' ELSE p.approval END,
    'approval_since', CASE WHEN p.approval_since > :at THEN p.first_seen_at ELSE p.approval_since END,
    'evaluate_at', CASE WHEN p.approval = 'pending' OR p.approval_since > :at THEN cast(:at AS timestamptz) END,
    'latest_version', NULL, 'deleted_at', NULL, 'walked_at', NULL, 'exact_until', NULL, 'failures', 0,
    'evaluated_at', NULL, 'evaluations_broken', 0, 'unjudged', NULL, 'followed_at', NULL, 'follow_at', NULL,
    'evaluated_as', NULL, 'ruled_as', NULL, 'steps_at', NULL))).*
FROM past_app p WHERE p.first_seen_at > :after AND p.first_seen_at <= :at
""")
_APPS_CHANGE = text("""
UPDATE app a SET deleted_at = CASE WHEN p.deleted_at <= :at THEN p.deleted_at END, evaluate_at = :at,
    approval = CASE WHEN p.approval_since <= :at THEN p.approval ELSE a.approval END,
    approval_since = CASE WHEN p.approval_since <= :at THEN p.approval_since ELSE a.approval_since END
FROM past_app p WHERE p.id = a.id AND (p.deleted_at > :after AND p.deleted_at <= :at
    OR p.approval_since > greatest(:after, p.first_seen_at) AND p.approval_since <= :at)
""")
_VERSIONS = text("""
WITH new AS (
    INSERT INTO app_version SELECT * FROM past_version WHERE first_seen_at > :after AND first_seen_at <= :at
    RETURNING app_id, number
)
UPDATE app a SET latest_version = n.latest, evaluate_at = least(cast(:at AS timestamptz), a.evaluate_at)
FROM (SELECT app_id, max(number) AS latest FROM new GROUP BY app_id) n WHERE n.app_id = a.id
""")
_STRETCHES_END = text("""
UPDATE tenure t SET valid_to = p.valid_to FROM past_stretch p
WHERE p.id = t.id AND p.valid_to > :after AND p.valid_to <= :at
""")
_STRETCHES_BEGIN = text("""
INSERT INTO tenure (id, connection_id, app_id, tenant_id, environment, epoch, status, version, scope_set_id, not_before,
    valid_from, valid_to)
SELECT id, connection_id, app_id, tenant_id, environment, epoch, status, version, scope_set_id, not_before, valid_from,
    CASE WHEN valid_to <= :at THEN valid_to END
FROM past_stretch WHERE valid_from > :after AND valid_from <= :at
""")
_CONNECTIONS = text("""
INSERT INTO connection AS c (id, app_id, tenant_id, environment, external_id, status, version, scope_set_id, client_id,
    epoch, epoch_started_at, version_not_after, upgraded_at, regressed_from, hash, observed_at, last_seq)
SELECT DISTINCT ON (connection_id) connection_id, app_id, tenant_id, environment, external_id, status, version,
    scope_set_id, client_id, epoch, epoch_started_at, version_at, upgraded_at,
    CASE WHEN version IS NULL OR version < highest THEN highest END, 1, valid_from, 0
FROM past_stretch WHERE valid_from > :after AND valid_from <= :at ORDER BY connection_id, valid_from DESC
ON CONFLICT (id) DO UPDATE SET status = excluded.status, version = excluded.version,
    scope_set_id = excluded.scope_set_id, epoch = excluded.epoch, epoch_started_at = excluded.epoch_started_at,
    version_not_after = excluded.version_not_after, upgraded_at = excluded.upgraded_at,
    regressed_from = excluded.regressed_from, observed_at = excluded.observed_at
""")
_UNJUDGED = text(f"""
UPDATE app a SET evaluate_at = least(cast(:at AS timestamptz), a.evaluate_at),
    unjudged = CASE WHEN cardinality(a.unjudged) + cardinality(m.ids) <= {NAMED} THEN a.unjudged || m.ids END
FROM (SELECT app_id, array_agg(DISTINCT connection_id) AS ids FROM past_stretch
      WHERE valid_from > :after AND valid_from <= :at GROUP BY app_id) m WHERE m.app_id = a.id
""")  # noqa: S608 - a number of ours
_FIRST_READ = text("""
UPDATE app a SET evaluate_at = least(cast(:at AS timestamptz), a.evaluate_at)
WHERE a.evaluated_at IS NULL AND EXISTS (
    SELECT FROM past_poll p WHERE p.app_id = a.id AND p.at > :after AND p.at <= :at)
""")
_SILENCES = text("""
INSERT INTO silence SELECT * FROM past_silence WHERE created_at > :after AND created_at <= :at
""")
_BRING = (
    _APPS_COME,
    _APPS_CHANGE,
    _VERSIONS,
    _STRETCHES_END,
    _STRETCHES_BEGIN,
    _CONNECTIONS,
    _UNJUDGED,
    _FIRST_READ,
    _SILENCES,
)
# What polls that changed nothing tell: until when the picture is exact. Nobody knows of those that were forgotten.
_READ = (
    text("""
UPDATE app a SET walked_at = CASE WHEN :at < cast(:polls_since AS timestamptz) THEN :at ELSE w.at END
FROM past_app p, LATERAL (SELECT max(at) AS at FROM past_poll WHERE app_id = p.id AND at <= :at) w
WHERE p.id = a.id AND a.deleted_at IS NULL AND (cast(:apps AS int8[]) IS NULL OR a.id = ANY(cast(:apps AS int8[])))
  AND a.walked_at IS DISTINCT FROM w.at
"""),
    text("""
UPDATE source s SET feed_since = CASE WHEN p.feed_since <= :at THEN p.feed_since END, fed_at = (
    SELECT max(at) FROM past_poll WHERE source_id = p.id AND app_id IS NULL AND at <= :at)
FROM past_source p WHERE p.id = s.id AND p.feed_since IS NOT NULL AND (cast(:apps AS int8[]) IS NULL
    OR EXISTS (SELECT FROM app WHERE app.source_id = s.id AND app.id = ANY(cast(:apps AS int8[]))))
"""),
)
_TROUBLE = text("""
SELECT place, step, app_id FROM past_trouble WHERE at > :after AND at <= :at ORDER BY at, place
""")
_BEGINS = text("""
WITH opened AS (
    INSERT INTO alert (source_id, app_id, kind, state, severity, since, opened_at, fired_at, reason, data)
    SELECT source_id, app_id, kind, 'firing', step_severity, since, at, at, reason, data FROM past_trouble
    WHERE place = :place ON CONFLICT DO NOTHING RETURNING id
)
INSERT INTO alert_step (alert_id, at, step, reason, severity)
SELECT o.id, t.at, t.step, t.step_reason, t.step_severity FROM opened o, past_trouble t WHERE t.place = :place
""")
_ENDS = text("""
WITH closed AS (
    UPDATE alert a SET state = 'resolved', resolved_at = t.at, resolve_reason = t.step_reason FROM past_trouble t
    WHERE t.place = :place AND a.source_id = t.source_id AND a.app_id IS NOT DISTINCT FROM t.app_id
      AND a.kind = t.kind AND a.connection_id IS NULL AND a.resolved_at IS NULL RETURNING a.id
)
INSERT INTO alert_step (alert_id, at, step, reason, severity)
SELECT c.id, t.at, t.step, t.step_reason, t.step_severity FROM closed c, past_trouble t WHERE t.place = :place
""")
# The evaluation sees to that alert by these.
_FAILED = text("""
UPDATE app a SET failures = CASE WHEN EXISTS (SELECT FROM alert x WHERE x.app_id = a.id AND x.connection_id IS NULL
    AND x.kind = 'poll_failing' AND x.resolved_at IS NULL) THEN :alarming ELSE 0 END
WHERE a.id = ANY(cast(:apps AS int8[]))
""")
# Threads that opened in one instant are due in the order of their numbers, and who comes last may have to wait a night.
_SAME_THREADS = text("""
UPDATE reminder r SET id = p.id FROM past_reminder p
WHERE r.opened_at = :at AND p.opened_at = :at AND p.connection_id = r.connection_id AND r.sent = 0
""")
_HAS_DUE = {
    "remind": text("""SELECT EXISTS (SELECT FROM reminder WHERE stopped_at IS NULL AND due_at <= :now)
        OR EXISTS (SELECT FROM notice WHERE gives_back)"""),
    "send": text("SELECT EXISTS (SELECT FROM notice WHERE state IN ('due', 'sending') AND due_at <= :now)"),
}
_MEANT = text("""
SELECT id FROM alert WHERE source_id = :source_id AND app_id IS NOT DISTINCT FROM cast(:app_id AS int8)
  AND connection_id IS NOT DISTINCT FROM cast(:connection_id AS int8)
  AND environment IS NOT DISTINCT FROM cast(:environment AS text) AND kind = :kind AND state = 'firing'
""")
_DUE = text("""
SELECT (SELECT min(due_at) FROM reminder WHERE stopped_at IS NULL AND due_at > :after) AS remind,
    (SELECT min(due_at) FROM notice WHERE state = 'due' AND due_at > :after) AS send
""")


def remember(session: Session, *, until: datetime, awake: timedelta) -> Past:
    """Read what is recorded, and let the transaction have tables of its own, in which nothing has happened yet.

    Nobody looked where nothing is recorded for longer than *awake*.
    """
    past, bound = recorded(session, until=until, awake=awake), {"until": until}
    session.execute(_STRETCHES, bound)
    for kept in _KEPT:
        session.execute(text(kept), bound if ":until" in kept else {})
    shadow(session, filled=_AS_NOW)
    session.execute(_SOURCES)
    session.execute(_NOBODY_SAID)
    for statement in _INDEXED:
        session.execute(text(statement))
    return past


def bring(session: Session, *, after: datetime, at: datetime) -> None:
    """Let the facts that became known *after* one instant and until another be known."""
    for statement in _BRING:
        session.execute(statement, {"after": after, "at": at})


def read(session: Session, past: Past, *, at: datetime, apps: Sequence[int] | None = None) -> None:
    """Let it be known when each of these apps was read last; None: when all were."""
    bound = {"at": at, "polls_since": past.polls_since, "apps": None if apps is None else list(apps)}
    for statement in _READ:
        session.execute(statement, bound)


def trouble(session: Session, *, after: datetime, at: datetime) -> set[int | None]:
    """Begin and end the alerts on what could not be read, as they did: that is no matter of policies.

    Of which apps; None: of a source as a whole.
    """
    rows = session.execute(_TROUBLE, {"after": after, "at": at}).all()
    for row in rows:
        session.execute(_ENDS if row.step == "resolved" else _BEGINS, {"place": row.place})
    apps = {row.app_id for row in rows}
    if apps:
        session.execute(_FAILED, {"apps": [app for app in apps if app is not None], "alarming": FAILING_AFTER})
    return apps


def know_again(session: Session, *, at: datetime) -> None:
    """Let the threads that have just been opened have the numbers of those that really were."""
    session.execute(_SAME_THREADS, {"at": at})


def meant(session: Session, deed: Deed) -> Sequence[int]:
    """The alerts that fire and are what the *deed* was about."""
    names = ("source_id", "app_id", "connection_id", "environment", "kind")
    return session.scalars(_MEANT, {name: getattr(deed, name) for name in names}).all()


def next_due(session: Session, *, after: datetime) -> dict[str, datetime | None]:
    """When time alone gives something to remind of and to send next."""
    return dict(session.execute(_DUE, {"after": after}).mappings().one())


def has_due(session: Session, stage: str, *, now: datetime) -> bool:
    """Whether there is anything to remind of or to send (the *stage*) now."""
    return bool(session.scalar(_HAS_DUE[stage], {"now": now}))
