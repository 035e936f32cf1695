"""From what a poll found different to the tables: connections, their history, events and adoption, set by set."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

# More than a share of the listed connections gone at once (and no fewer than this many) is an outage of the
# portal's listing until somebody says otherwise.
IMPLAUSIBLE_SHARE = 0.5  # where nothing else is said
IMPLAUSIBLE_COUNT = 5

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
WHERE app_id = :app AND (absent_walks > 0 OR seen_at IS NOT NULL)
  AND hash <> 0 AND NOT hash = ANY(cast(:stale AS int8[]))
""")
# Listed in a way that could not be trusted is listed: absence begins to count anew.
_SPARED = text("""
UPDATE connection c SET absent_walks = 0 FROM tenant t
WHERE c.app_id = :app AND c.absent_walks > 0 AND t.id = c.tenant_id
  AND t.external_id = ANY(cast(:exempt AS text[]))
""")
# Whoever this walk did not see was seen last by the one before, or earlier: a later change is bounded by that. Where
# this is the first complete one, the partial one that stored the row has seen it.
_UNSEEN = text("""
UPDATE connection c SET seen_at = coalesce(cast(:before AS timestamptz), (
    SELECT p.started_at FROM poll p WHERE p.app_id = c.app_id AND p.seq = c.last_seq))
WHERE c.app_id = :app AND c.hash <> 0 AND c.hash = ANY(cast(:absent AS int8[])) AND c.seen_at IS NULL
  AND NOT EXISTS (SELECT FROM moved m WHERE m.connection_id = c.id)
""")
# Whoever was away and is listed now in a way that cannot be trusted may be back: the walk before is the last to vouch.
_AWAY = text("""
UPDATE connection c SET seen_at = CASE WHEN t.external_id = ANY(cast(:exempt AS text[])) THEN
    cast(:before AS timestamptz) END
FROM tenant t
WHERE c.app_id = :app AND c.hash = 0 AND t.id = c.tenant_id AND CASE
    WHEN t.external_id = ANY(cast(:exempt AS text[])) THEN c.seen_at IS NULL
    ELSE c.seen_at IS NOT NULL AND :whole END
""")
_INSERT = text("""
INSERT INTO connection (id, app_id, tenant_id, environment, external_id, status, version, scope_set_id, client_id,
    epoch, epoch_started_at, allowed_at, accepted_at, accepted_by, version_not_before, version_not_after, hash,
    observed_at, last_seq)
SELECT connection_id, :app, tenant_id, environment, external_id, status, version, scope_set_id, client_id, epoch,
    least(allowed_at, :now), allowed_at, accepted_at, accepted_by, NULL,
    CASE WHEN version IS NOT NULL THEN cast(:now AS timestamptz) END,
    hash, :now, :seq
FROM moved WHERE was_status IS NULL
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
    upgraded_at = CASE WHEN NOT m.begins AND m.version > m.was_version THEN :now ELSE c.upgraded_at END,
    regressed_from = CASE WHEN m.begins OR m.version >= greatest(c.regressed_from, m.was_version) THEN NULL
        ELSE greatest(c.regressed_from, m.was_version) END,
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
    (1, CASE
        WHEN m.begins THEN 'tenant.connected'
        WHEN m.status = m.was_status THEN NULL
        WHEN m.was_status IN ('connected', 'disabled') AND m.status NOT IN ('connected', 'disabled')
            THEN 'tenant.disconnected'
        WHEN m.status = 'disabled' THEN 'tenant.disabled'
        WHEN m.status = 'connected' THEN 'tenant.enabled'
        WHEN m.status = 'disconnected' THEN 'tenant.withdrawn'
        ELSE 'tenant.invited'
    END),
    (2, CASE
        WHEN m.begins OR m.was_version IS NULL OR m.version IS NULL THEN NULL
        WHEN m.version > m.was_version THEN 'tenant.upgraded'
        WHEN m.version < m.was_version THEN 'version.regressed'
        WHEN m.scope_set_id IS DISTINCT FROM m.was_scope_set_id THEN 'tenant.scopes_changed'
    END)
) AS e (place, type)
WHERE e.type IS NOT NULL
ORDER BY m.connection_id, e.place
""")
# So many are named to the next evaluation; from there on judging all is about as fast. None named (NULL) is all.
NAMED = 10_000
_UNJUDGED = text("""
UPDATE app SET unjudged = CASE WHEN cardinality(app.unjudged) + cardinality(m.ids) <= :named
    THEN app.unjudged || m.ids END
FROM (SELECT array_agg(connection_id) AS ids FROM (SELECT connection_id FROM moved LIMIT :named + 1) AS few) m
WHERE id = :app AND unjudged IS NOT NULL
""")
# On a clock that went back over midnight, the day that has begun goes on.
_ADOPTION = text("""
WITH delta AS (
    SELECT environment, version, sum(step) AS step FROM (
        SELECT environment, coalesce(was_version, 0) AS version, -1 AS step FROM moved WHERE was_status = 'connected'
        UNION ALL
        SELECT environment, coalesce(version, 0), 1 FROM moved WHERE status = 'connected'
    ) steps GROUP BY environment, version HAVING sum(step) <> 0
)
INSERT INTO adoption (app_id, environment, version, day, tenants)
SELECT :app, d.environment, d.version, greatest(:day, last.day), d.step + coalesce(last.tenants, 0)
FROM delta d LEFT JOIN LATERAL (
    SELECT a.day, a.tenants FROM adoption a
    WHERE a.app_id = :app AND a.environment = d.environment AND a.version = d.version
    ORDER BY a.day DESC LIMIT 1
) last ON true
ON CONFLICT (app_id, environment, version, day) DO UPDATE SET tenants = excluded.tenants
""")
_TALLY = text("""
WITH delta AS (
    SELECT environment, status, version, scope_set_id, sum(step) AS step FROM (
        SELECT environment, was_status AS status, coalesce(was_version, 0) AS version,
            coalesce(was_scope_set_id, 0) AS scope_set_id, -1 AS step FROM moved WHERE was_status IS NOT NULL
        UNION ALL
        SELECT environment, status, coalesce(version, 0), coalesce(scope_set_id, 0), 1 FROM moved
    ) steps GROUP BY environment, status, version, scope_set_id HAVING sum(step) <> 0
), emptied AS (
    DELETE FROM tally t USING delta d WHERE t.app_id = :app AND t.environment = d.environment AND t.status = d.status
        AND t.version = d.version AND t.scope_set_id = d.scope_set_id AND t.tenants + d.step = 0
)
INSERT INTO tally (app_id, environment, status, version, scope_set_id, tenants)
SELECT :app, d.environment, d.status, d.version, d.scope_set_id, d.step + coalesce(t.tenants, 0)
FROM delta d LEFT JOIN tally t ON t.app_id = :app AND t.environment = d.environment AND t.status = d.status
    AND t.version = d.version AND t.scope_set_id = d.scope_set_id
WHERE d.step + coalesce(t.tenants, 0) <> 0
ON CONFLICT (app_id, environment, status, version, scope_set_id) DO UPDATE SET tenants = excluded.tenants
""")


def is_implausible(gone: int, listed: int, share: float) -> bool:
    """Whether so many are gone at once, of those listed, that the listing is doubted and not they."""
    return gone >= IMPLAUSIBLE_COUNT and gone > listed * share


def back(session: Session, bound: dict[str, Any]) -> None:
    """Note who was missing from the walk before, and is there."""
    session.execute(_BACK, bound)


def absences(session: Session, bound: dict[str, Any], *, is_partial: bool) -> tuple[int, int, str | None]:
    """How many are missing, how many of them are gone now (put into `moved`), and why nobody is when too many are."""
    bound["absent"] = session.scalars(_LEFT, bound).all() if bound["stale"] else []
    if not bound["absent"]:
        return 0, 0, None
    if bound["exempt"]:
        session.execute(_SPARED, bound)
    gone, held = (0, None) if is_partial else _gone(session, bound)
    session.execute(_UNSEEN, bound)
    return len(bound["absent"]), gone, held


def away(session: Session, bound: dict[str, Any], *, is_whole: bool) -> None:
    """Note who was away before this walk and may not be any more; those who still are need no note."""
    session.execute(_AWAY, bound | {"whole": is_whole})


def moves(session: Session, bound: dict[str, Any]) -> int:
    """Write what is in `moved`; how many connections differ in fact."""
    for statement in (_INSERT, _UPDATE, _SAME):
        session.execute(statement, bound)
    changed: int = session.execute(text("SELECT count(*) FROM moved")).scalar_one()
    if changed:
        for statement in (_CLOSE, _OPEN, _EVENTS, _ADOPTION, _TALLY, _UNJUDGED):
            session.execute(statement, bound | {"named": NAMED})
    return changed


def _gone(session: Session, bound: dict[str, Any]) -> tuple[int, str | None]:
    absent, listed = session.execute(_ABSENT, bound).one()
    if is_implausible(absent, listed, bound["share"]) and not bound["believe"]:
        return (
            0,
            f"{absent} of {listed} connections were missing from a complete listing at once; none was taken as gone",
        )
    gone = session.execute(_GONE, bound).rowcount  # type: ignore[attr-defined]  # a cursor result, by construction
    session.execute(_MISSING, bound)
    return gone, None
