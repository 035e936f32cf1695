"""Recording what a poll found: connection, history, events, adoption and the poll itself, all or nothing."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.alerts import FAILING_AFTER
from models.base import kept_plans
from models.leases import AppLease, LeaseLostError, hold_app
from models.moves import IMPLAUSIBLE_SHARE, absences, away, back, moves
from models.release import record_versions
from models.stage import MANY, Walk, stage
from models.walked import keep_pages
from uptake.facts import SeenVersion
from uptake.letter import clean
from uptake.pages import Mark

_REMARKS = 5  # told in a poll's row

# How long until the next poll, by when the newest version was released, when anything last changed, and whether this
# one accounted for everybody.
Cadence = Callable[[datetime | None, datetime | None, bool], timedelta]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one poll came to."""

    outcome: str  # complete | partial | held
    changed: int
    vanished: int
    released: tuple[int, ...]
    rejected: int = 0  # rows that could not be trusted, and tenants listed twice with different facts


# The lease goes back with what it was for, or nothing is written at all.
_FINISH = text("""
WITH kept AS (
    UPDATE app SET lease_token = NULL, lease_until = NULL, rung_until = NULL, settled = :settled,
        rewrites = CASE WHEN :rewritten THEN rewrites + 1 ELSE 0 END,
        failures = CASE WHEN :held THEN failures + 1 ELSE 0 END,
        -- Whoever wanted it to be walked soon, while it was, has seen what this walk may not have.
        next_poll_at = CASE WHEN next_poll_at < :due_again_at THEN next_poll_at ELSE coalesce(
            cast(:started AS timestamptz) + cast(:every AS interval) * (0.95 + random() * 0.1), next_poll_at) END,
        recorded_at = greatest(:now, cast(:started AS timestamptz) + :seconds * interval '1 s'),
        walked_at = CASE WHEN :whole THEN :started ELSE walked_at END,
        exact_until = CASE WHEN :whole AND next_poll_at >= :due_again_at THEN NULL ELSE exact_until END,
        full_walk_at = CASE WHEN :whole AND :full THEN :started ELSE full_walk_at END,
        changed_at = CASE WHEN :moved THEN :now ELSE changed_at END,
        -- Whatever there is to judge, and the alert on polls that fail, to be opened or closed.
        evaluate_at = CASE WHEN :moved OR evaluated_at IS NULL
                OR (failures >= :alarming) <> (:held AND failures + 1 >= :alarming)
            THEN least(:now, evaluate_at) ELSE evaluate_at END
    WHERE id = :app AND lease_token = :token RETURNING id, source_id
)
INSERT INTO poll (source_id, app_id, seq, started_at, duration_seconds, outcome, reason, pages, rows, changed,
    vanished, rejected)
SELECT source_id, id, :seq, :started, :seconds, :outcome, cast(:reason AS text), :pages, :rows, :changed, :vanished,
    :rejected
FROM kept RETURNING id
""")


_COUNTED = ("connection", "tenure", "tenant")
_GROWN = text("""
SELECT relname FROM pg_class
WHERE oid = ANY(cast(:tables AS text[])::regclass[]) AND pg_relation_size(oid) > 1.5 * relpages * 8192
""")


@dataclass(frozen=True, slots=True)
class _Applied:
    """What became of a walk's findings; *is_settled*: every listed connection is accounted for, page by page."""

    changed: int = 0
    vanished: int = 0
    held: str | None = None  # why absences are not believed
    unclear: frozenset[str] = frozenset()  # tenants listed twice with different facts
    is_settled: bool = True


def record(  # noqa: PLR0913 - what was read, and how far it is believed
    session: Session,
    lease: AppLease,
    walk: Walk,
    versions: Sequence[SeenVersion],
    *,
    now: datetime,
    cadence: Cadence | None = None,
    believe_absence: bool = False,
    implausible_share: float = IMPLAUSIBLE_SHARE,
) -> Recorded:
    """Record a complete walk in the caller's transaction; raises LeaseLostError when another run took over.

    Nobody is gone before missing from two complete walks, and a walk from which more than *implausible_share* are
    missing holds every disappearance, unless *believe_absence* says that a human has looked. A walk that found all
    as it was writes the poll's own row and the app's, and nothing else. *cadence* says when the next poll is due.
    """
    released: list[int] = []
    applied = _Applied()
    if is_news(lease, versions) or _known_again(lease, walk) or not walk.is_same:
        hold_app(session, lease)
        released = record_versions(session, lease, versions, now=now)
        is_small = len(walk.fresh) + len(walk.stale) < MANY and not walk.is_apart
        with kept_plans(session) if is_small else nullcontext():
            applied = _applied(session, lease, walk, now=now, believe=believe_absence, share=implausible_share)
    outcome = "held" if applied.held else ("partial" if walk.is_partial else "complete")
    rejected = len(walk.refused) + len(applied.unclear)
    recorded = Recorded(outcome, applied.changed, applied.vanished, tuple(released), rejected)
    moved_at = now if applied.changed or applied.vanished or released else lease.changed_at
    newest = max((version.released_at for version in versions), default=None)
    every = cadence(newest, moved_at, outcome == "complete" and applied.is_settled) if cadence else None
    _finish(session, lease, walk, recorded, applied, now=now, every=every)
    return recorded


def is_news(lease: AppLease, versions: Sequence[SeenVersion]) -> bool:
    """Whether *versions*, which have no gaps, are others than those stored when the lease was taken."""
    return not versions or versions[-1].number != lease.latest_version


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
            "alarming": FAILING_AFTER,
            "seq": lease.seq,
            "started": lease.started_at,
            "seconds": walk.duration_seconds,
            "now": now,
            "every": every,
            "due_again_at": lease.due_again_at,
            "outcome": recorded.outcome,
            "reason": _reason(applied, walk),
            "held": applied.held is not None,
            "whole": applied.held is None and not walk.is_partial,
            "full": walk.is_full,
            "settled": applied.is_settled and not walk.is_partial,
            "rewritten": bool(walk.rewritten),
            "moved": bool(recorded.changed or recorded.vanished or recorded.released),
            "pages": walk.pages,
            "rows": walk.rows,
            "changed": recorded.changed,
            "vanished": recorded.vanished,
            "rejected": recorded.rejected,
        },
    ).one_or_none()
    if finished is None:
        raise LeaseLostError


def _reason(applied: _Applied, walk: Walk) -> str | None:
    """Why the run is not complete, and the first few things that were odd; bounded, without invisible characters."""
    remarks = [*walk.remarks, *(f"tenant {tenant}: listed twice, differently" for tenant in sorted(applied.unclear))]
    told = [clean(remark) for remark in remarks[:_REMARKS]]
    more = ["and more"] if len(remarks) > _REMARKS else []
    return "; ".join([*([applied.held] if applied.held else []), *walk.doubts, *told, *more]) or None


def _applied(session: Session, lease: AppLease, walk: Walk, *, now: datetime, believe: bool, share: float) -> _Applied:
    """Bring the tables in line with the walk."""
    bound: dict[str, Any] = {
        "app": lease.app_id,
        "now": now,
        "before": lease.exact_at,
        "seq": lease.seq,
        "day": now.astimezone(UTC).date(),
        "stale": list(walk.stale),
        "exempt": sorted(walk.exempt),
        "believe": believe,
        "share": share,
    }
    if not lease.settled:
        back(session, bound)
    if not walk.fresh and not walk.is_apart and not walk.stale:
        if walk.exempt or not lease.settled:
            away(session, bound, is_whole=not walk.is_partial)
        return _Applied(is_settled=_kept(session, lease, walk, frozenset()))
    dropped, unclear = stage(session, lease, walk, now=now)
    bound["exempt"] = sorted(walk.exempt | unclear)
    absent, vanished, held = absences(session, bound, is_partial=walk.is_partial)
    changed = moves(session, bound)
    if bound["exempt"] or not lease.settled:
        away(session, bound, is_whole=held is None and not walk.is_partial)
    is_settled = _kept(session, lease, walk, dropped) and absent == vanished
    return _Applied(changed, vanished, held, unclear, is_settled)


def _kept(session: Session, lease: AppLease, walk: Walk, dropped: frozenset[int]) -> bool:
    """Remember the pages of which each row is stored, none *dropped* or refused; whether that is all of them."""
    doubtful = walk.refused | dropped
    clear = {number: mark for number, mark in walk.read.items() if doubtful.isdisjoint(mark.hashes)}
    known_again = {**_known_again(lease, walk), **clear}
    if known_again or not walk.is_same:
        unclear = sorted(walk.read.keys() - clear.keys())
        keep_pages(session, lease.app_id, known_again, last=walk.pages, doubtful=unclear)
    return not doubtful and not walk.is_partial


def _known_again(lease: AppLease, walk: Walk) -> dict[int, Mark]:
    """The pages to be remembered anew although their rows are the same.

    Bytes that changed once are worth it, those of a portal that writes the time of day into each page are not: so
    after the first, second, fourth, eighth ... poll in a row that found such pages.
    """
    polls = lease.rewrites + 1
    return {**walk.retagged, **(walk.rewritten if polls & (polls - 1) == 0 else {})}


def renew_statistics(session: Session) -> None:
    """Tell the planner of a table that has grown by half since it looked; autovacuum would take a minute or more."""
    if grown := session.scalars(_GROWN, {"tables": list(_COUNTED)}).all():
        session.execute(text(f"ANALYZE (SKIP_LOCKED) {', '.join(grown)}"))
