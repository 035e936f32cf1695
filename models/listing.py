"""Recording a source's list of apps: what is there, what was renamed, approved or deleted."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from models.event import Poll
from models.leases import SourceLease, keep_source
from uptake.facts import SeenApp
from uptake.letter import clean

AT_ONCE = 8  # apps of one source, where nothing else is said

_SOURCE = text("""
INSERT INTO source (name, kind, at_once, enabled, next_poll_at) VALUES (:name, :kind, :at_once, true, :now)
ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, at_once = excluded.at_once, enabled = true
WHERE (source.kind, source.at_once, source.enabled) IS DISTINCT FROM (excluded.kind, excluded.at_once, true)
""")
# Nothing is written, and no row locked, where all is as it was.
_LISTED = text("""
WITH listed AS MATERIALIZED (
    SELECT * FROM json_to_recordset(cast(:apps AS json)) AS l (external_id text, name text, distribution text,
        approval text, environments text[], created_at timestamptz, latest int8)
), came AS (
    INSERT INTO app (source_id, external_id, name, distribution, approval, approval_since, environments, created_at,
        first_seen_at, next_poll_at, evaluate_at)
    SELECT :source, l.external_id, l.name, l.distribution, l.approval, :now, l.environments, l.created_at, :now, :now,
        CASE WHEN l.approval = 'pending' THEN cast(:now AS timestamptz) END
    FROM listed l WHERE NOT EXISTS (SELECT FROM app a WHERE (a.source_id, a.external_id) = (:source, l.external_id))
    RETURNING id
), told AS (
    INSERT INTO event (at, type, app_id) SELECT :now, 'app.listed', id FROM came ORDER BY id
), differs AS (
    UPDATE app a SET name = l.name, distribution = l.distribution, approval = l.approval,
        approval_since = CASE WHEN a.approval <> l.approval THEN :now ELSE a.approval_since END,
        environments = l.environments, created_at = coalesce(l.created_at, a.created_at),
        -- An approval is told of no connection, and changes the status of many.
        next_poll_at = CASE WHEN l.latest > a.latest_version OR a.approval <> l.approval
            THEN least(a.next_poll_at, :now) ELSE a.next_poll_at END,
        evaluate_at = CASE WHEN a.approval <> l.approval THEN :now ELSE a.evaluate_at END
    FROM listed l WHERE (a.source_id, a.external_id) = (:source, l.external_id)
      AND ((a.name, a.distribution, a.approval, a.environments)
              IS DISTINCT FROM (l.name, l.distribution, l.approval, l.environments)
          OR l.latest > a.latest_version AND a.next_poll_at > :now)
)
SELECT count(*) FROM came
""")
_AGAIN = text("""
SELECT external_id FROM app
WHERE source_id = :source AND deleted_at IS NOT NULL AND external_id = ANY(cast(:listed AS text[])) ORDER BY id
""")
_REMARKS = 5  # told in a listing's row
_MENDED = text("""
WITH refused AS (
    UPDATE source SET circuit_open_until = NULL, next_poll_at = least(next_poll_at, :now)
    WHERE enabled AND last_fault = 'auth' RETURNING id
)
UPDATE app SET next_poll_at = least(next_poll_at, :now) FROM refused
WHERE app.source_id = refused.id AND app.deleted_at IS NULL AND app.failures > 0
""")
_DELETED = text("""
WITH gone AS (
    -- Without its lease, a poll still under way records nothing any more.
    UPDATE app SET deleted_at = :now, evaluate_at = :now, lease_token = NULL, lease_until = NULL
    WHERE source_id = :source AND external_id = ANY(cast(:deleted AS text[])) AND deleted_at IS NULL RETURNING id
), closed AS (
    UPDATE tenure t SET valid_to = greatest(:now, t.valid_from + interval '1 microsecond') FROM gone, connection c
    WHERE c.app_id = gone.id AND c.status <> 'disconnected' AND t.connection_id = c.id AND t.valid_to IS NULL
    RETURNING t.id
), ended AS (
    UPDATE connection c SET status = 'disconnected', version = NULL, scope_set_id = NULL, hash = 0, observed_at = :now
    FROM gone WHERE c.app_id = gone.id AND c.status <> 'disconnected'
), counted AS (
    INSERT INTO adoption (app_id, environment, version, day, tenants)
    SELECT a.app_id, a.environment, a.version, greatest(cast(:day AS date), max(a.day)), 0
    FROM adoption a JOIN gone ON gone.id = a.app_id GROUP BY a.app_id, a.environment, a.version
    ON CONFLICT (app_id, environment, version, day) DO UPDATE SET tenants = 0
), emptied AS (
    DELETE FROM tally t USING gone WHERE t.app_id = gone.id AND t.status <> 'disconnected'
    RETURNING t.app_id, t.environment, t.tenants
), tallied AS (
    INSERT INTO tally AS t (app_id, environment, status, version, scope_set_id, tenants)
    SELECT app_id, environment, 'disconnected', 0, 0, sum(tenants) FROM emptied GROUP BY app_id, environment
    ON CONFLICT (app_id, environment, status, version, scope_set_id)
        DO UPDATE SET tenants = t.tenants + excluded.tenants
), forgotten AS (
    DELETE FROM walked_page p USING gone WHERE p.app_id = gone.id
), told AS (
    INSERT INTO event (at, type, app_id) SELECT :now, 'app.deleted', id FROM gone
)
SELECT id FROM gone
""")
_REOPEN = text("""
INSERT INTO tenure (connection_id, app_id, tenant_id, environment, epoch, status, valid_from)
SELECT c.id, c.app_id, c.tenant_id, c.environment, c.epoch, 'disconnected',
    greatest(:now, (SELECT max(t.valid_to) FROM tenure t WHERE t.connection_id = c.id))
FROM connection c JOIN app a ON a.id = c.app_id
WHERE a.source_id = :source AND a.deleted_at = :now AND c.status = 'disconnected'
  AND NOT EXISTS (SELECT FROM tenure t WHERE t.connection_id = c.id AND t.valid_to IS NULL)
""")


def sync_sources(
    session: Session,
    sources: Sequence[tuple[str, str]],
    *,
    now: datetime,
    at_once: Mapping[str, int] = MappingProxyType({}),
    others_rest: bool = True,
) -> None:
    """Make the source table say what uptake.toml says: (name, kind) pairs; others rest, with their history.

    Unless *others_rest* is false: a command that is given another uptake.toml than the daemon's turns nothing off.
    *at_once* says, by name, how many apps of a source may be polled at the same time. Whoever starts Uptake may just
    have mended a credential, so a source that refused the last one is tried at once.
    """
    for name, kind in sources:
        session.execute(_SOURCE, {"name": name, "kind": kind, "at_once": at_once.get(name, AT_ONCE), "now": now})
    session.execute(_MENDED, {"now": now})
    if others_rest:
        session.execute(
            text("UPDATE source SET enabled = false WHERE enabled AND NOT name = ANY(cast(:names AS text[]))"),
            {"names": [name for name, _ in sources]},
        )


@dataclass(frozen=True, slots=True)
class Heard:
    """What the source's feed told in the same run, and why it told nothing."""

    pages: int = 0
    rows: int = 0
    changed: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """How many apps are new or deleted, and which are listed although they were deleted before."""

    changed: int
    again: tuple[str, ...] = ()


def record_listing(
    session: Session,
    lease: SourceLease,
    seen: Sequence[SeenApp],
    *,
    now: datetime,
    duration_seconds: float,
    heard: Heard | None = None,
) -> Listed:
    """Record the whole list; raises LeaseLostError when another run took over.

    An app is gone for good when the portal lists it as deleted; one that is merely missing stays as it was. What was
    *heard* of connections is recorded already, and counted here.
    """
    heard = heard or Heard()
    keep_source(session, lease)
    bound = {"source": lease.source_id, "now": now, "day": now.astimezone(UTC).date()}
    apps = {app.external_id: app._asdict() for app in seen if not app.deleted}
    again = tuple(session.scalars(_AGAIN, {"source": lease.source_id, "listed": list(apps)}))
    in_json = json.dumps(list(apps.values()), default=datetime.isoformat)
    changed: int = session.execute(_LISTED, bound | {"apps": in_json}).scalar_one()
    if deleted := [app.external_id for app in seen if app.deleted]:
        changed += len(session.execute(_DELETED, bound | {"deleted": deleted}).all())
        session.execute(_REOPEN, bound)
    session.execute(
        text("UPDATE source SET failures = 0, listed_at = :now WHERE id = :source"),
        {"source": lease.source_id, "now": now},
    )
    session.execute(
        insert(Poll).values(
            source_id=lease.source_id,
            seq=lease.seq,
            started_at=lease.started_at,
            duration_seconds=duration_seconds,
            outcome="complete",
            reason=_reason(heard, again),
            pages=heard.pages,
            rows=len(seen) + heard.rows,
            changed=changed + heard.changed,
        )
    )
    return Listed(changed, again)


def _reason(heard: Heard, again: Sequence[str]) -> str | None:
    """What was odd: the feed, and apps that are listed although they were deleted, with what to do about them."""
    told = [heard.reason] if heard.reason else []
    if again:
        named = ", ".join(clean(app) for app in again[:_REMARKS]) + (" and more" if len(again) > _REMARKS else "")
        told.append(
            f"listed again although deleted: {named}; deletion is for good, so nothing more is recorded of them: "
            "let the portal give them new ids, or their [[source]] another name, under which all begins anew"
        )
    return "; ".join(told) or None
