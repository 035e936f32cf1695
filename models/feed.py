"""Taking in what a source's feed tells of: connections that changed, without a walk of their app."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.leases import SourceLease, extend_source
from models.moves import IMPLAUSIBLE_COUNT, IMPLAUSIBLE_SHARE, is_implausible, moves
from models.stage import Fresh, compare, fill
from models.walked import forget_pages
from uptake.facts import Change

# Two statements: whoever waits for a walk that is being recorded has to see what that came to.
_LOCK = text("""
SELECT id FROM app WHERE source_id = :source AND external_id = :app AND deleted_at IS NULL FOR NO KEY UPDATE
""")
# An app that is being walked, or whose walk was recorded since the feed was opened, may be known better than the feed
# tells. One that was never walked learns all from its first walk.
_APP = text("""
SELECT a.id, a.poll_seq + 1 AS seq, coalesce(a.latest_version, 0) AS latest,
    (SELECT f.exact_at FROM freshness f WHERE f.app_id = a.id) AS before, a.walked_at IS NOT NULL AS is_walked,
    coalesce(a.lease_until >= clock_timestamp(), false) OR coalesce(a.recorded_at >= :began, false) AS is_busy
FROM app a WHERE a.id = :app
""")
# The end of what was never known is no news.
_UNKNOWN = text("""
DELETE FROM staged s WHERE s.hash = 0 AND NOT EXISTS (
    SELECT FROM connection c JOIN tenant t ON t.id = c.tenant_id
    WHERE t.source_id = :source AND t.external_id = s.tenant AND c.app_id = :app AND c.environment = s.environment)
""")
# A feed repeats itself: what is stored as it is told is none either.
_NEWS = text("""
DELETE FROM moved m WHERE EXISTS (
    SELECT FROM connection c WHERE c.id = m.connection_id AND (c.hash = 0) = (m.hash = 0)
      AND (c.status, c.version, c.scope_set_id, c.client_id, c.allowed_at, c.accepted_at, c.accepted_by, c.epoch)
          IS NOT DISTINCT FROM
          (m.status, m.version, m.scope_set_id, m.client_id, m.allowed_at, m.accepted_at, m.accepted_by, m.epoch))
""")
_GONE = text("SELECT count(*) FROM moved WHERE hash = 0 AND was_hash <> 0")
_LISTED = text("SELECT count(*) FROM connection WHERE app_id = :app AND hash <> 0")
_LEFT = text("SELECT count(*) AS rows, array_agg(was_hash) FILTER (WHERE was_hash <> 0) AS hashes FROM moved")
# Whoever walks without a lease any more records nothing now: it read before this.
_TAKEN = text("""
UPDATE app SET poll_seq = :seq, lease_token = NULL, lease_until = NULL, settled = false,
    changed_at = CASE WHEN :moved THEN :now ELSE changed_at END,
    evaluate_at = CASE WHEN :moved THEN least(:now, evaluate_at) ELSE evaluate_at END
WHERE id = :app
""")
_WALK = text("""
UPDATE app SET next_poll_at = least(next_poll_at, :now), exact_until = (
    SELECT f.exact_at FROM freshness f WHERE f.app_id = app.id)
WHERE source_id = :source AND external_id = :app
""")
_GO_ON_FROM = text("UPDATE source SET feed_from = :after WHERE id = :source")
_BUSIEST = text("""
SELECT max(v.released_at) AS released_at, max(a.changed_at) AS changed_at
FROM app a LEFT JOIN app_version v ON v.app_id = a.id WHERE a.source_id = :source AND a.deleted_at IS NULL
""")
_READ = text("""
UPDATE source SET feed_from = :after, feed_since = coalesce(feed_since, :began), fed_at = :began, feed_fault = NULL,
    feed_retry_at = NULL
WHERE id = :source
""")
_DUE = text("""
UPDATE source SET next_poll_at = least(
    next_poll_at, cast(:began AS timestamptz) + cast(:every AS interval) * (0.95 + random() * 0.1))
WHERE id = :source
""")
_DROPPED = text("""
UPDATE source SET feed_from = NULL, feed_since = NULL, fed_at = NULL, feed_fault = :fault, feed_retry_at = :retry_at
WHERE id = :source AND (feed_from IS NOT NULL OR feed_fault IS DISTINCT FROM :fault
    OR feed_retry_at IS DISTINCT FROM cast(:retry_at AS timestamptz))
""")
# Also those whose walk ended after the feed was given up, and waits for the next day.
_WALKED_AGAIN = text("""
UPDATE app SET next_poll_at = cast(:now AS timestamptz) + cast(:every AS interval) * random()
WHERE source_id = :source AND deleted_at IS NULL AND next_poll_at > cast(:now AS timestamptz) + :longest
""")


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of what the feed told of one app; *is_busy*: nothing, and it has to be told once more."""

    app_id: int | None = None  # of an app that we know
    changed: int = 0
    is_busy: bool = False
    is_doubtful: bool = False  # a walk has to say what is so


def take_in(
    session: Session,
    lease: SourceLease,
    app: str,
    changes: Sequence[Change],
    *,
    now: datetime,
    implausible_share: float = IMPLAUSIBLE_SHARE,
) -> Taken:
    """Record *changes* of *app* in the caller's transaction, the last one of each connection.

    Raises LeaseLostError when another run reads this feed. Told twice changes nothing. A connection that is told
    to be gone is gone at once, unless so many are that only walks are believed; one at a version that is not known
    yet is left to a walk, too. The remembered pages with what has changed are forgotten, so that the next walk looks
    at those rows itself.
    """
    extend_source(session, lease)
    app_id = session.scalar(_LOCK, {"source": lease.source_id, "app": app})
    if app_id is None:
        return Taken()
    row = session.execute(_APP, {"app": app_id, "began": lease.started_at}).one()
    if row.is_busy or not row.is_walked:
        return Taken(is_busy=row.is_busy)
    last = _last(changes)
    clear = [change for change in last if (change.seen.version or 0) <= row.latest]
    bound: dict[str, Any] = {
        "source": lease.source_id,
        "app": row.id,
        "now": now,
        "before": row.before,
        "seq": row.seq,
        "day": now.astimezone(UTC).date(),
    }
    is_flood = _compare(session, bound, clear, implausible_share)
    return Taken(row.id, _move(session, bound), is_doubtful=is_flood or len(clear) < len(last))


def _last(changes: Sequence[Change]) -> list[Change]:
    """What is told last of each connection."""
    return list({(change.seen.tenant, change.seen.environment): change for change in changes}.values())


def _compare(session: Session, bound: dict[str, Any], changes: Sequence[Change], share: float) -> bool:
    """Put into `moved` what of these *changes* is news; whether so many are gone that none of those is believed."""
    fresh = [Fresh(0 if change.is_gone else change.hash, change.seen) for change in changes]
    fill(session, fresh, now=bound["now"])
    session.execute(_UNKNOWN, bound)
    compare(session, bound)
    session.execute(_NEWS)
    if not _is_flood(session, bound["app"], share):
        return False
    session.execute(text("DELETE FROM moved WHERE hash = 0"))
    return True


def _move(session: Session, bound: dict[str, Any]) -> int:
    """Write what is in `moved`, and forget the pages that it stands on; how many connections differ in fact."""
    left = session.execute(_LEFT).one()
    if not left.rows:
        return 0
    forget_pages(session, bound["app"], frozenset(left.hashes or ()))
    changed = moves(session, bound)
    session.execute(_TAKEN, bound | {"moved": changed > 0})
    return changed


def _is_flood(session: Session, app_id: int, share: float) -> bool:
    gone: int = session.execute(_GONE).scalar_one()
    if gone < IMPLAUSIBLE_COUNT:
        return False
    return is_implausible(gone, session.execute(_LISTED, {"app": app_id}).scalar_one(), share)


def walk_soon(session: Session, lease: SourceLease, app: str, *, now: datetime) -> None:
    """Let a walk say what is so with *app*: until then our picture of it is as exact as it was before this reading."""
    session.execute(_WALK, {"source": lease.source_id, "app": app, "now": now})


def go_on_from(session: Session, lease: SourceLease, after: str | None) -> None:
    """Begin the next reading at *after*, however this one ends; raises LeaseLostError when another run reads it."""
    extend_source(session, lease)
    session.execute(_GO_ON_FROM, {"source": lease.source_id, "after": after})


def busiest(session: Session, lease: SourceLease) -> tuple[datetime | None, datetime | None]:
    """When the newest version of any app of the source was released, and when anything of any last changed."""
    released_at, changed_at = session.execute(_BUSIEST, {"source": lease.source_id}).one()
    return released_at, changed_at


def feed_read(session: Session, lease: SourceLease, *, after: str | None, every: timedelta) -> None:
    """Look again in *every* at the latest, and go on from *after* then: all that was told until now is recorded.

    None: not all could be, and the same has to be told once more.
    """
    bound = {"source": lease.source_id, "after": after, "began": lease.started_at, "every": every}
    for statement in (_READ, _DUE) if after is not None else (_DUE,):
        session.execute(statement, bound)


def no_feed(
    session: Session,
    lease: SourceLease,
    *,
    fault: str | None,
    retry_at: datetime | None,
    now: datetime,
    every: timedelta,
    longest: timedelta,
) -> None:
    """Give up what was known of the feed, if anything: no app waits longer than *longest* for its walk then.

    *every* is how long the walks of those that would have are spread over.
    """
    bound = {"source": lease.source_id, "fault": fault, "retry_at": retry_at}
    session.execute(_DROPPED, bound)
    session.execute(_WALKED_AGAIN, {"source": lease.source_id, "now": now, "every": every, "longest": longest})
