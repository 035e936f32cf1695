"""What watches Uptake from outside: how many of each kind there are now, never who."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.queries.alerts_meant import HELD

# Bounds of the ages, in days; one more age is above the last.
AGES = (1, 3, 7, 14, 30, 60, 90)


@dataclass(frozen=True, slots=True)
class Stand:
    """How many connections of an app are of one class, and, of the blocked ones, of one age."""

    app: str
    environment: str
    lag: str  # current | blocking | trimming | equivalent | unknown | disabled | not_connected
    age: int | None  # a place among AGES; None: not blocked
    connections: int


# A tenant is blocked since the oldest version that asked for what it lacks: that is the verdict's time, and of whoever
# came later still, with an old version, an upper bound. So nobody has to look at a connection.
_STANDS = text("""
SELECT s.name || ':' || a.external_id AS app, t.environment, k.lag, k.age, sum(t.tenants) AS connections
FROM tally t JOIN app a ON a.id = t.app_id AND a.deleted_at IS NULL JOIN source s ON s.id = a.source_id AND s.enabled
LEFT JOIN verdict v ON v.app_id = t.app_id AND v.version = t.version AND v.scope_set_id = t.scope_set_id,
LATERAL (
    SELECT CASE WHEN t.status = 'connected' THEN coalesce(v.lag, 'unknown')
            WHEN t.status = 'disabled' THEN 'disabled' ELSE 'not_connected' END AS lag,
        CASE WHEN t.status = 'connected' AND v.lag = 'blocking' THEN
            width_bucket(extract(epoch FROM cast(:now AS timestamptz) - v.since) / 86400, cast(:ages AS numeric[]))
        END AS age
) k
WHERE t.status <> 'disconnected' GROUP BY 1, 2, 3, 4
""")


def stands(session: Session, *, now: datetime) -> list[Stand]:
    """How many connections each app has, by environment, class and age; who has left is not counted.

    The age is that of the oldest version which a tenant lacks, and at least the time for which it is blocked.
    """
    return [Stand(**row) for row in session.execute(_STANDS, {"now": now, "ages": list(AGES)}).mappings()]


@dataclass(frozen=True, slots=True)
class Reading:
    """Until when an app's picture is exact, and its latest version."""

    app: str
    latest_version: int | None
    exact_at: datetime | None


_READINGS = text("""
SELECT s.name || ':' || a.external_id AS app, a.latest_version, f.exact_at
FROM app a JOIN source s ON s.id = a.source_id AND s.enabled JOIN freshness f ON f.app_id = a.id
WHERE a.deleted_at IS NULL ORDER BY a.id
""")


def readings(session: Session) -> list[Reading]:
    """Every app that is polled, the oldest first."""
    return [Reading(**row) for row in session.execute(_READINGS).mappings()]


@dataclass(frozen=True, slots=True)
class Work:
    """How much work of one kind is due now and in nobody's hands, and since when the oldest of it is."""

    work: str  # lists | polls | evaluations | messages | reminders
    due: int
    since: datetime | None


# What rests with its source, or is in somebody's hands, is not due: as models.queries.overdue has it.
_WORK = text("""
SELECT 'lists' AS work, count(*) AS due, min(next_poll_at) AS since FROM source
WHERE enabled AND next_poll_at <= :now AND coalesce(lease_until < :now, true)
  AND coalesce(circuit_open_until < :now, true)
UNION ALL
SELECT 'polls', count(*), min(a.next_poll_at) FROM app a JOIN source s ON s.id = a.source_id AND s.enabled
WHERE a.deleted_at IS NULL AND a.next_poll_at <= :now AND coalesce(a.lease_until < :now, true)
  AND coalesce(s.circuit_open_until < :now, true)
UNION ALL
SELECT 'evaluations', count(*), min(evaluate_at) FROM app WHERE evaluate_at <= :now
UNION ALL
SELECT 'messages', count(*), min(g.flush_at) FROM notice_group g JOIN source s ON s.id = g.source_id AND s.enabled
WHERE g.flush_at <= :now
UNION ALL
SELECT 'reminders', count(*), min(r.due_at)
FROM reminder r JOIN app a ON a.id = r.app_id JOIN source s ON s.id = a.source_id AND s.enabled
JOIN standing t ON t.connection_id = r.connection_id AND t.lag = 'blocking' AND t.status = 'connected'
WHERE r.stopped_at IS NULL AND r.due_at <= :now
""")


def work(session: Session, *, now: datetime) -> list[Work]:
    """What is due, of each kind but messages to be delivered."""
    return [Work(**row) for row in session.execute(_WORK, {"now": now}).mappings()]


def broken_evaluations(session: Session) -> int:
    """How many apps' last evaluation broke."""
    found: int = session.execute(text("SELECT count(*) FROM app WHERE evaluations_broken > 0")).scalar_one()
    return found


def ticked_at(session: Session) -> datetime | None:
    """When a worker last looked for due work; None: none ever did."""
    found: datetime | None = session.scalar(text("SELECT at FROM heartbeat WHERE process = 'tick'"))
    return found


@dataclass(frozen=True, slots=True)
class Queue:
    """How many messages wait for one receiver, and since when the oldest that is due."""

    receiver: str
    due: int
    later: int
    since: datetime | None


_QUEUES = text("""
SELECT receiver, count(*) FILTER (WHERE due_at <= :now) AS due, count(*) FILTER (WHERE due_at > :now) AS later,
    min(due_at) FILTER (WHERE due_at <= :now) AS since
FROM notice WHERE state IN ('due', 'sending') GROUP BY receiver ORDER BY receiver
""")


def queues(session: Session, *, now: datetime) -> list[Queue]:
    """Each receiver for whom something waits, or is being sent."""
    return [Queue(**row) for row in session.execute(_QUEUES, {"now": now}).mappings()]


def stopped_receivers(session: Session) -> Sequence[str]:
    """The receivers that cannot be used."""
    return session.scalars(text("SELECT name FROM stopped_receiver ORDER BY name")).all()


@dataclass(frozen=True, slots=True)
class OpenAlerts:
    """How many open alerts are of one kind, severity and state; acknowledged and snoozed ones are no longer firing."""

    kind: str
    severity: str | None  # None: pending
    state: str  # pending | firing | acknowledged | snoozed
    alerts: int


# All are counted of an index, which says how severe each is and so whether it fires; then those that somebody holds,
# which are few, are taken off.
_ALERTS = text(f"""
WITH {HELD}, quiet AS MATERIALIZED (
    SELECT a.kind, a.severity, CASE WHEN a.acknowledged_at IS NOT NULL AND coalesce(a.acknowledged_until > :now, true)
        THEN 'acknowledged' ELSE 'snoozed' END AS state, count(*) AS alerts
    FROM held JOIN alert a ON a.id = held.id GROUP BY 1, 2, 3
), every AS (
    SELECT kind, severity, count(*) AS alerts FROM alert WHERE resolved_at IS NULL GROUP BY 1, 2
)
SELECT * FROM quiet UNION ALL
SELECT x.* FROM (
    SELECT e.kind, e.severity, CASE WHEN e.severity IS NULL THEN 'pending' ELSE 'firing' END AS state,
        e.alerts - coalesce((SELECT cast(sum(q.alerts) AS int8) FROM quiet q
            WHERE q.kind = e.kind AND q.severity = e.severity), 0) AS alerts
    FROM every e
) x WHERE x.alerts > 0
ORDER BY 1, 2, 3
""")  # noqa: S608 - constants only


def open_alerts(session: Session, *, now: datetime) -> list[OpenAlerts]:
    """All open alerts."""
    return [OpenAlerts(**row) for row in session.execute(_ALERTS, {"now": now}).mappings()]


_THREADS = text("""
SELECT CASE WHEN due_at IS NULL THEN 'ended' WHEN held_reason IS NOT NULL THEN 'held' ELSE 'waiting' END AS state,
    count(*) AS threads
FROM reminder WHERE stopped_at IS NULL GROUP BY 1
""")


def open_threads(session: Session) -> dict[str, int]:
    """How many threads of reminders wait for their time, are held by a rule, or have had all their turns."""
    return {row.state: row.threads for row in session.execute(_THREADS)}


_BRIEFLY = text("""
SELECT set_config('statement_timeout', '5s', true), set_config('max_parallel_workers_per_gather', '0', true)
""")


def be_brief(session: Session) -> None:
    """Let no statement of this transaction take longer than somebody waits for figures, or several cores meanwhile."""
    session.execute(_BRIEFLY)
