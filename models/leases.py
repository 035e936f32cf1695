"""Who polls what: due rows are rung for, then leased by exactly one worker, and fenced by a token."""

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import RowMapping, TextClause, text
from sqlalchemy.orm import Session

LEASE = timedelta(seconds=60)  # a walk extends it page by page; what a killed worker held is free after this
RING = timedelta(seconds=30)  # a doorbell that nobody answered in this time is rung again

# The claim skips what another tick holds; a ring is only a promise to look, so it is short. Both keep still while the
# source's circuit is open: a portal that asked us to wait hears nothing, whichever app or list is due meanwhile.
# Sources take turns: one with thousands of overdue apps must not keep a small one waiting. One that was not well is
# tried with a single app, and is well again once that has been read.
# No more bells than may be answered: one that is refused, for want of a place among `at_once`, is silent for half a
# minute. Whoever has a place goes on with the next app of the source, and asks for one; a tick counts them all.
_RING_APPS = text("""
WITH due AS MATERIALIZED (
    SELECT d.id, s.id AS source_id, d.next_poll_at FROM source s CROSS JOIN LATERAL (
        SELECT a.id, a.next_poll_at FROM app a
        WHERE a.source_id = s.id AND a.deleted_at IS NULL AND a.next_poll_at <= :now
          AND (a.lease_until IS NULL OR a.lease_until < clock_timestamp())
          AND (a.rung_until IS NULL OR a.rung_until < clock_timestamp())
        ORDER BY a.next_poll_at LIMIT least(:most, CASE WHEN s.last_fault IS NULL THEN greatest(0, s.at_once - (
            SELECT count(*) FROM app b WHERE b.source_id = s.id AND b.lease_until >= clock_timestamp()
        ) - CASE WHEN cast(:beside AS int8) IS NULL THEN (
            SELECT count(*) FROM app b WHERE b.source_id = s.id AND b.rung_until >= clock_timestamp()
                AND (b.lease_until IS NULL OR b.lease_until < clock_timestamp())
        ) ELSE 0 END) ELSE 1 END)
        FOR NO KEY UPDATE SKIP LOCKED
    ) d
    WHERE s.enabled AND (s.circuit_open_until IS NULL OR s.circuit_open_until <= :now)
      AND (cast(:beside AS int8) IS NULL OR s.id = (SELECT source_id FROM app WHERE id = :beside))
      AND (s.last_fault IS NULL OR NOT EXISTS (
          SELECT FROM app b WHERE b.source_id = s.id
              AND (b.lease_until >= clock_timestamp() OR b.rung_until >= clock_timestamp())))
), chosen AS (
    SELECT id FROM (
        SELECT id, next_poll_at, row_number() OVER (PARTITION BY source_id ORDER BY next_poll_at) AS turn FROM due
    ) turns
    ORDER BY turn, next_poll_at LIMIT :most
)
UPDATE app SET rung_until = clock_timestamp() + :ring FROM chosen WHERE app.id = chosen.id RETURNING app.id
""")
_RING_SOURCES = text("""
WITH due AS (
    SELECT id FROM source
    WHERE enabled AND next_poll_at <= :now
      AND (circuit_open_until IS NULL OR circuit_open_until <= :now)
      AND (lease_until IS NULL OR lease_until < clock_timestamp())
      AND (rung_until IS NULL OR rung_until < clock_timestamp())
    ORDER BY next_poll_at LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE source SET rung_until = clock_timestamp() + :ring FROM due WHERE source.id = due.id RETURNING source.id
""")
# A claim that a crash of the database takes back is none: without its token the walk records nothing. So nobody waits
# for the disk.
_CLAIM_APP = text("""
WITH clock AS MATERIALIZED (
    SELECT coalesce(cast(:now AS timestamptz), clock_timestamp()) AS now, set_config('synchronous_commit', 'off', true)
)
UPDATE app a SET lease_token = :token, lease_until = clock_timestamp() + :lease, poll_seq = a.poll_seq + 1,
    next_poll_at = clock.now + coalesce(make_interval(secs => (cast(:own AS jsonb) ->> s.name)::float8),
        cast(:every AS interval)) * (0.95 + random() * 0.1)
FROM source s, clock
WHERE a.id = :app AND s.id = a.source_id AND a.deleted_at IS NULL AND s.enabled
  AND (:forced OR a.next_poll_at <= clock.now AND (s.circuit_open_until IS NULL OR s.circuit_open_until <= clock.now))
  AND (a.lease_until IS NULL OR a.lease_until < clock_timestamp())
  AND (:forced OR s.at_once > (
      SELECT count(*) FROM app b WHERE b.source_id = s.id AND b.lease_until >= clock_timestamp()))
RETURNING a.id AS app_id, a.source_id, s.name AS source, a.external_id, a.poll_seq AS seq, a.lease_token AS token,
    (SELECT f.exact_at FROM freshness f WHERE f.app_id = a.id) AS exact_at, s.feed_since,
    a.full_walk_at, a.changed_at, a.next_poll_at AS due_again_at, a.settled, a.rewrites, a.latest_version,
    s.circuit_open_until IS NOT NULL OR s.last_fault IS NOT NULL AS is_troubled, clock.now AS started_at,
    clock_timestamp() AS claimed_at
""")
_CLAIM_SOURCE = text("""
UPDATE source SET lease_token = :token, lease_until = clock_timestamp() + :lease, poll_seq = poll_seq + 1,
    next_poll_at = cast(:now AS timestamptz) + coalesce(make_interval(secs => (cast(:own AS jsonb) ->> name)::float8),
        cast(:every AS interval)) * (0.95 + random() * 0.1)
WHERE id = :source AND enabled
  AND (:forced OR next_poll_at <= :now AND (circuit_open_until IS NULL OR circuit_open_until <= :now))
  AND (lease_until IS NULL OR lease_until < clock_timestamp())
RETURNING id AS source_id, name AS source, poll_seq AS seq, lease_token AS token, feed_from, feed_since, fed_at,
    feed_fault, feed_retry_at
""")


# In the order in which whoever holds several apps takes them.
_WANT = text("""
UPDATE app SET next_poll_at = :now WHERE id = ANY(ARRAY(
    SELECT id FROM app WHERE id = ANY(cast(:apps AS int8[])) AND next_poll_at > :now ORDER BY id FOR NO KEY UPDATE
))
""")


class LeaseLostError(Exception):
    """Another worker took over meanwhile: what this run found must be thrown away."""


@dataclass(frozen=True, slots=True)
class AppLease:
    """The right to record one poll of one app, once."""

    app_id: int
    source_id: int
    source: str
    external_id: str
    seq: int
    token: uuid.UUID
    exact_at: datetime | None  # until when what is stored is all there was: the last complete walk, or the feed
    feed_since: datetime | None  # the source's feed tells what becomes of whoever was walked since then
    full_walk_at: datetime | None  # the last one that took the source's word for nothing
    changed_at: datetime | None
    due_again_at: datetime  # unless somebody wants it sooner meanwhile
    settled: bool
    rewrites: int
    latest_version: int | None
    is_troubled: bool  # the source was not well when this began
    started_at: datetime
    claimed_at: datetime  # the same instant by Postgres's clock, whatever time it is said to be


@dataclass(frozen=True, slots=True)
class SourceLease:
    """The right to record one listing of a source's apps, once."""

    source_id: int
    source: str
    seq: int
    token: uuid.UUID
    feed_from: str | None
    feed_since: datetime | None
    fed_at: datetime | None
    feed_fault: str | None
    feed_retry_at: datetime | None
    started_at: datetime


def ring_apps(session: Session, *, now: datetime, most: int, beside: int | None = None) -> Sequence[int]:
    """The apps to ring for now; no other tick gets the same ones until the ring runs out.

    Each source has its turn, with its most overdue app, before any has its next, and none has more than may be polled
    at once. With *beside* only apps of that app's source.
    """
    return session.scalars(_RING_APPS, {"now": now, "most": most, "ring": RING, "beside": beside}).all()


def ring_sources(session: Session, *, now: datetime, most: int) -> Sequence[int]:
    """The sources whose list of apps is to be read now."""
    return session.scalars(_RING_SOURCES, {"now": now, "most": most, "ring": RING}).all()


def claim_app(
    session: Session,
    app_id: int,
    *,
    now: datetime | None = None,
    every: timedelta,
    own: Mapping[str, timedelta] = MappingProxyType({}),
    forced: bool = False,
) -> AppLease | None:
    """Lease the app if it is due (or *forced*); None when it is not, or another worker has it.

    *now* is Postgres's clock unless told otherwise. Should nothing come of it, the app is due again after *every*, or
    what its source has of its *own*, by name.

    None also when as many of its source's apps as may be are being polled already: a later tick rings for it again.
    Those who claim in the same instant do not count each other.
    """
    bound = {"app": app_id, "now": now, "every": every, "own": own, "forced": forced}
    row = _claimed(session, _CLAIM_APP, bound)
    return None if row is None else AppLease(**row)


def claim_source(
    session: Session,
    source_id: int,
    *,
    now: datetime,
    every: timedelta,
    own: Mapping[str, timedelta] = MappingProxyType({}),
    forced: bool = False,
) -> SourceLease | None:
    """Lease the source's listing if it is due (or *forced*), as claim_app does an app."""
    bound = {"source": source_id, "now": now, "every": every, "own": own, "forced": forced}
    row = _claimed(session, _CLAIM_SOURCE, bound)
    return None if row is None else SourceLease(**row, started_at=now)


def _claimed(session: Session, statement: TextClause, bound: dict[str, Any]) -> RowMapping | None:
    """What the claim returns, under a new token; None when nothing was leased."""
    own = json.dumps({name: every.total_seconds() for name, every in bound["own"].items()})
    granted = {"own": own, "lease": LEASE, "token": uuid.uuid4()}
    return session.execute(statement, bound | granted).mappings().one_or_none()


def hold_app(session: Session, lease: AppLease) -> None:
    """Lock the leased app for this transaction; raises LeaseLostError."""
    _or_lost(
        session,
        text("SELECT id FROM app WHERE id = :app AND lease_token = :token FOR NO KEY UPDATE"),
        {"app": lease.app_id, "token": lease.token},
    )


def keep_app(session: Session, lease: AppLease) -> None:
    """Lock the leased app for this transaction and give the lease back with it; raises LeaseLostError."""
    _or_lost(
        session,
        text(
            "UPDATE app SET lease_token = NULL, lease_until = NULL, rung_until = NULL "
            "WHERE id = :app AND lease_token = :token RETURNING id"
        ),
        {"app": lease.app_id, "token": lease.token},
    )


def extend_app(session: Session, lease: AppLease) -> None:
    """Hold the app for another lease's length, in the middle of a walk; raises LeaseLostError."""
    _or_lost(
        session,
        text("""UPDATE app SET lease_until = clock_timestamp() + :lease
                WHERE id = :app AND lease_token = :token RETURNING id"""),
        {"app": lease.app_id, "token": lease.token, "lease": LEASE},
    )


def extend_source(session: Session, lease: SourceLease) -> None:
    """Hold the source for another lease's length, and its row for this transaction; raises LeaseLostError."""
    _or_lost(
        session,
        text("""UPDATE source SET lease_until = clock_timestamp() + :lease
                WHERE id = :source AND lease_token = :token RETURNING id"""),
        {"source": lease.source_id, "token": lease.token, "lease": LEASE},
    )


def keep_source(session: Session, lease: SourceLease) -> None:
    """As keep_app, for a source."""
    _or_lost(
        session,
        text(
            "UPDATE source SET lease_token = NULL, lease_until = NULL, rung_until = NULL "
            "WHERE id = :source AND lease_token = :token RETURNING id"
        ),
        {"source": lease.source_id, "token": lease.token},
    )


def _or_lost(session: Session, statement: TextClause, bound: dict[str, object]) -> None:
    """Do what touches a row only under its lease; raises LeaseLostError when it touched none."""
    if session.execute(statement, bound).one_or_none() is None:
        raise LeaseLostError


def give_back(session: Session, lease: AppLease | SourceLease) -> None:
    """Let another worker begin again, at once, what this one could not finish; without the lease nothing changes."""
    table, row = ("app", lease.app_id) if isinstance(lease, AppLease) else ("source", lease.source_id)
    session.execute(
        text(
            f"UPDATE {table} SET lease_token = NULL, lease_until = NULL, rung_until = NULL, next_poll_at = :due "  # noqa: S608 - one of two names of ours
            "WHERE id = :row AND lease_token = :token"
        ),
        {"row": row, "token": lease.token, "due": lease.started_at},
    )


def want_polls(session: Session, apps: Collection[int], *, now: datetime) -> None:
    """Let these apps be polled as soon as may be."""
    if apps:
        session.execute(_WANT, {"apps": sorted(apps), "now": now})
