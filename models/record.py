"""Recording what a poll found: connection, history, events, adoption and the poll itself, all or nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.leases import AppLease, LeaseLostError, hold_app
from models.release import record_versions
from models.stage import Walk, stage
from models.walked import keep_pages
from uptake.facts import SeenVersion

# How long until the next poll, by when the newest version was released and when anything last changed.
Cadence = Callable[[datetime | None, datetime | None], timedelta]

# More than this share of the listed connections gone at once (and no fewer than this many) is an outage of the
# portal's listing until somebody says otherwise.
IMPLAUSIBLE_SHARE = 0.5
IMPLAUSIBLE_COUNT = 5


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one poll came to."""

    outcome: str  # complete | held
    changed: int
    vanished: int
    released: tuple[int, ...]


# Stored hashes that were not seen, of connections that are not seen with other facts either.
_LEFT = text("SELECT unnest(cast(:stale AS int8[])) EXCEPT SELECT was_hash FROM moved")
_ABSENT = text("""
SELECT count(*) FILTER (WHERE c.hash = ANY(cast(:absent AS int8[]))
                          AND NOT t.external_id = ANY(cast(:exempt AS text[]))) AS absent,
       count(*) AS listed
FROM connection c JOIN tenant t ON t.id = c.tenant_id WHERE c.app_id = :app AND c.hash <> 0
""")
# Gone is what was missing from this complete walk and from the one before it.
_GONE = text("""
INSERT INTO moved (connection_id, tenant_id, environment, external_id, status, hash, client_id,
                   was_status, was_version, was_scope_set_id, was_epoch, was_hash, begins, epoch, before)
SELECT c.id, c.tenant_id, c.environment, c.external_id, 'disconnected', 0, c.client_id,
       c.status, c.version, c.scope_set_id, c.epoch, c.hash, false, c.epoch,
       coalesce(c.seen_at, cast(:before AS timestamptz))
FROM connection c JOIN tenant t ON t.id = c.tenant_id
WHERE c.app_id = :app AND c.hash <> 0 AND c.hash = ANY(cast(:absent AS int8[]))
  AND (c.absent_walks > 0 OR :believe) AND NOT t.external_id = ANY(cast(:exempt AS text[]))
""")
_MISSING = text("""
UPDATE connection c SET absent_walks = c.absent_walks + 1 FROM tenant t
WHERE c.app_id = :app AND c.hash <> 0 AND c.hash = ANY(cast(:absent AS int8[])) AND t.id = c.tenant_id
  AND NOT t.external_id = ANY(cast(:exempt AS text[]))
  AND NOT EXISTS (SELECT FROM moved m WHERE m.connection_id = c.id)
""")
_BACK = text("""
UPDATE connection SET absent_walks = 0, seen_at = NULL
WHERE app_id = :app AND (absent_walks > 0 OR seen_at IS NOT NULL) AND NOT hash = ANY(cast(:stale AS int8[]))
""")
# Whoever this walk did not see was seen last by the one before, or earlier: a later change is bounded by that.
_UNSEEN = text("""
UPDATE connection c SET seen_at = cast(:before AS timestamptz)
WHERE c.app_id = :app AND c.hash <> 0 AND c.hash = ANY(cast(:absent AS int8[])) AND c.seen_at IS NULL
  AND NOT EXISTS (SELECT FROM moved m WHERE m.connection_id = c.id)
""")
_INSERT = text("""
INSERT INTO connection (app_id, tenant_id, environment, external_id, status, version, scope_set_id, client_id, epoch,
    epoch_started_at, allowed_at, accepted_at, accepted_by, version_not_before, version_not_after, hash, observed_at,
    last_seq)
SELECT :app, tenant_id, environment, external_id, status, version, scope_set_id, client_id, epoch,
    least(allowed_at, :now), allowed_at, accepted_at, accepted_by, NULL,
    CASE WHEN version IS NOT NULL THEN cast(:now AS timestamptz) END,
    hash, :now, :seq
FROM moved WHERE was_status IS NULL
""")
_NUMBER = text("""
UPDATE moved m SET connection_id = c.id FROM connection c
WHERE m.connection_id IS NULL AND c.app_id = :app AND c.tenant_id = m.tenant_id AND c.environment = m.environment
""")
_UPDATE = text("""
UPDATE connection c SET external_id = coalesce(m.external_id, c.external_id), status = m.status, version = m.version,
    scope_set_id = m.scope_set_id, client_id = m.client_id, epoch = m.epoch,
    epoch_started_at = CASE WHEN m.begins THEN least(coalesce(m.allowed_at, :now), :now) ELSE c.epoch_started_at END,
    allowed_at = m.allowed_at, accepted_at = m.accepted_at, accepted_by = m.accepted_by,
    version_not_before = CASE WHEN m.version IS DISTINCT FROM m.was_version OR m.begins
                              THEN m.before ELSE c.version_not_before END,
    version_not_after = CASE WHEN m.version IS DISTINCT FROM m.was_version OR m.begins
                             THEN cast(:now AS timestamptz) ELSE c.version_not_after END,
    hash = m.hash, absent_walks = 0, seen_at = NULL, observed_at = :now, last_seq = :seq
FROM moved m WHERE c.id = m.connection_id AND m.was_status IS NOT NULL AND c.last_seq < :seq
""")
# From here on only what differs in fact: a changed hash with equal facts is no news.
_SAME = text("""
DELETE FROM moved WHERE was_status IS NOT NULL
  AND (status, version, scope_set_id, epoch) IS NOT DISTINCT FROM (was_status, was_version, was_scope_set_id, was_epoch)
""")
_CLOSE = text("""
UPDATE tenure t SET valid_to = greatest(:now, t.valid_from + interval '1 microsecond')
FROM moved m WHERE t.connection_id = m.connection_id AND t.valid_to IS NULL
""")
_OPEN = text("""
INSERT INTO tenure (connection_id, app_id, tenant_id, environment, epoch, status, version, scope_set_id,
    not_before, valid_from)
SELECT connection_id, :app, tenant_id, environment, epoch, status, version, scope_set_id,
    before,
    -- Where the stretch before it ended, be it a moment after now.
    CASE WHEN was_status IS NULL THEN cast(:now AS timestamptz) ELSE greatest(:now, (
        SELECT max(t.valid_to) FROM tenure t WHERE t.connection_id = moved.connection_id)) END
FROM moved
""")
_EVENTS = text("""
INSERT INTO event (at, type, app_id, tenant_id, connection_id, data)
SELECT :now, e.type, :app, m.tenant_id, m.connection_id, jsonb_strip_nulls(jsonb_build_object(
    'environment', m.environment, 'from_version', m.was_version, 'to_version', m.version, 'epoch', m.epoch,
    'not_before', m.before,
    'accepted_at', m.accepted_at, 'accepted_by', m.accepted_by,
    'first_observation', CASE WHEN m.was_status IS NULL THEN true END))
FROM moved m CROSS JOIN LATERAL (VALUES
    (CASE
        WHEN m.begins THEN 'tenant.connected'
        WHEN m.status = m.was_status THEN NULL
        WHEN m.was_status IN ('connected', 'disabled') AND m.status NOT IN ('connected', 'disabled')
            THEN 'tenant.disconnected'
        WHEN m.status = 'disabled' THEN 'tenant.disabled'
        WHEN m.status = 'connected' THEN 'tenant.enabled'
        WHEN m.status = 'disconnected' THEN 'tenant.withdrawn'
        ELSE 'tenant.invited'
    END),
    (CASE
        WHEN m.begins OR m.was_version IS NULL OR m.version IS NULL THEN NULL
        WHEN m.version > m.was_version THEN 'tenant.upgraded'
        WHEN m.version < m.was_version THEN 'version.regressed'
        WHEN m.scope_set_id IS DISTINCT FROM m.was_scope_set_id THEN 'tenant.scopes_changed'
    END)
) AS e (type)
WHERE e.type IS NOT NULL
ORDER BY m.connection_id
""")
_ADOPTION = text("""
WITH delta AS (
    SELECT environment, version, sum(step) AS step FROM (
        SELECT environment, coalesce(was_version, 0) AS version, -1 AS step FROM moved WHERE was_status = 'connected'
        UNION ALL
        SELECT environment, coalesce(version, 0), 1 FROM moved WHERE status = 'connected'
    ) steps GROUP BY environment, version HAVING sum(step) <> 0
)
INSERT INTO adoption (app_id, environment, version, day, tenants)
SELECT :app, d.environment, d.version, :day, d.step + coalesce((
    SELECT a.tenants FROM adoption a
    WHERE a.app_id = :app AND a.environment = d.environment AND a.version = d.version
    ORDER BY a.day DESC LIMIT 1), 0)
FROM delta d
ON CONFLICT (app_id, environment, version, day) DO UPDATE SET tenants = excluded.tenants
""")


# The lease goes back with what it was for, or nothing is written at all.
_FINISH = text("""
WITH kept AS (
    UPDATE app SET lease_token = NULL, lease_until = NULL, rung_until = NULL, settled = :settled,
        failures = CASE WHEN :held THEN failures + 1 ELSE 0 END,
        next_poll_at = coalesce(
            cast(:started AS timestamptz) + cast(:every AS interval) * (0.95 + random() * 0.1), next_poll_at),
        walked_at = CASE WHEN :whole THEN :started ELSE walked_at END,
        full_walk_at = CASE WHEN :whole AND :full THEN :started ELSE full_walk_at END,
        changed_at = CASE WHEN :moved THEN :now ELSE changed_at END,
        evaluate_at = CASE WHEN :moved OR evaluated_at IS NULL THEN least(:now, evaluate_at) ELSE evaluate_at END
    WHERE id = :app AND lease_token = :token RETURNING id, source_id
)
INSERT INTO poll (source_id, app_id, seq, started_at, duration_seconds, outcome, reason, pages, rows, changed,
    vanished, rejected)
SELECT source_id, id, :seq, :started, :seconds, :outcome, cast(:reason AS text), :pages, :rows, :changed, :vanished,
    :rejected
FROM kept RETURNING id
""")


@dataclass(frozen=True, slots=True)
class _Applied:
    """What became of a walk's findings; *is_settled*: every listed connection is accounted for, page by page."""

    changed: int = 0
    vanished: int = 0
    held: str | None = None  # why absences are not believed
    is_settled: bool = True


def record(
    session: Session,
    lease: AppLease,
    walk: Walk,
    versions: Sequence[SeenVersion],
    *,
    now: datetime,
    cadence: Cadence | None = None,
    believe_absence: bool = False,
) -> Recorded:
    """Record a complete walk in the caller's transaction; raises LeaseLostError when another run took over.

    Nobody is gone before missing from two complete walks, and a walk from which most are missing holds
    every disappearance, unless *believe_absence* says that a human has looked. A walk that found all as it was
    writes the poll's own row and the app's, and nothing else. *cadence* says when the next poll is due.
    """
    released: list[int] = []
    applied = _Applied()
    is_new = not versions or versions[-1].number != lease.latest_version
    if is_new or walk.retagged or not walk.is_same:
        hold_app(session, lease)
        released = record_versions(session, lease, versions, now=now)
        applied = _applied(session, lease, walk, now=now, believe=believe_absence)
    outcome = "held" if applied.held else ("partial" if walk.is_partial else "complete")
    recorded = Recorded(outcome, applied.changed, applied.vanished, tuple(released))
    moved_at = now if applied.changed or applied.vanished or released else lease.changed_at
    every = cadence(max((v.released_at for v in versions), default=None), moved_at) if cadence else None
    _finish(session, lease, walk, recorded, applied, now=now, every=every)
    return recorded


def _finish(
    session: Session,
    lease: AppLease,
    walk: Walk,
    recorded: Recorded,
    applied: _Applied,
    *,
    now: datetime,
    every: timedelta | None,
) -> None:
    """Give the lease back, note what the app's next poll needs to know, and write this poll's own row."""
    finished = session.execute(
        _FINISH,
        {
            "app": lease.app_id,
            "token": lease.token,
            "seq": lease.seq,
            "started": lease.started_at,
            "seconds": walk.duration_seconds,
            "now": now,
            "every": every,
            "outcome": recorded.outcome,
            "reason": applied.held,
            "held": applied.held is not None,
            "whole": applied.held is None and not walk.is_partial,
            "full": walk.is_full,
            "settled": applied.is_settled,
            "moved": bool(recorded.changed or recorded.vanished or recorded.released),
            "pages": walk.pages,
            "rows": walk.rows,
            "changed": recorded.changed,
            "vanished": recorded.vanished,
            "rejected": walk.rejected,
        },
    ).one_or_none()
    if finished is None:
        raise LeaseLostError


def _applied(session: Session, lease: AppLease, walk: Walk, *, now: datetime, believe: bool) -> _Applied:
    """Bring the tables in line with the walk."""
    bound: dict[str, Any] = {
        "app": lease.app_id,
        "now": now,
        "before": lease.walked_at,
        "seq": lease.seq,
        "day": now.astimezone(UTC).date(),
        "stale": list(walk.stale),
        "exempt": sorted(walk.exempt),
        "believe": believe,
    }
    if not lease.settled:
        session.execute(_BACK, bound)
    kept: frozenset[int] = frozenset()
    if walk.fresh or walk.stale:
        kept, unclear = stage(session, lease, walk, now=now)
        bound["exempt"] = sorted(walk.exempt | unclear)
        bound["absent"] = session.scalars(_LEFT, bound).all() if walk.stale else []
        vanished, held = _absences(session, bound) if bound["absent"] and not walk.is_partial else (0, None)
        if bound["absent"]:
            session.execute(_UNSEEN, bound)
        changed = _moves(session, bound)
    else:
        bound["absent"], vanished, held, changed = [], 0, None, 0
    doubtful = walk.unknown - kept
    clear = {number: mark for number, mark in walk.read.items() if doubtful.isdisjoint(mark.hashes)}
    if walk.read or walk.retagged or not walk.is_same:
        known_again = {**walk.retagged, **clear}
        keep_pages(
            session, lease.app_id, known_again, last=walk.pages, doubtful=sorted(walk.read.keys() - clear.keys())
        )
    is_settled = not (doubtful or walk.is_partial or len(bound["absent"]) > vanished)
    return _Applied(changed, vanished, held, is_settled)


def _moves(session: Session, bound: dict[str, Any]) -> int:
    """Write what is in `moved`; how many connections differ in fact."""
    for statement in (_INSERT, _NUMBER, _UPDATE, _SAME):
        session.execute(statement, bound)
    changed: int = session.execute(text("SELECT count(*) FROM moved")).scalar_one()
    if changed:
        for statement in (_CLOSE, _OPEN, _EVENTS, _ADOPTION):
            session.execute(statement, bound)
    return changed


def _absences(session: Session, bound: dict[str, Any]) -> tuple[int, str | None]:
    """How many are gone by now, and why nobody is taken as gone when there are too many at once."""
    absent, listed = session.execute(_ABSENT, bound).one()
    implausible = absent >= IMPLAUSIBLE_COUNT and absent > listed * IMPLAUSIBLE_SHARE
    if implausible and not bound["believe"]:
        return (
            0,
            f"{absent} of {listed} connections were missing from a complete listing at once; none was taken as gone",
        )
    gone = session.execute(_GONE, bound).rowcount  # type: ignore[attr-defined]  # a cursor result, by construction
    session.execute(_MISSING, bound)
    return gone, None


def renew_statistics(session: Session) -> None:
    """Tell the planner what a large poll did; until autovacuum comes by, the next one is planned for other tables."""
    session.execute(text("ANALYZE (SKIP_LOCKED) connection, tenure, tenant"))
