"""From what a walk found new to a temporary table of moves: set by set, never row by row."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from psycopg import Connection as Driver
from psycopg.sql import SQL, Identifier
from sqlalchemy import text
from sqlalchemy.orm import Session

from models.base import forget_plans
from models.leases import AppLease, LeaseLostError
from uptake.facts import SeenConnection, Status
from uptake.pages import Mark
from uptake.scopes import canonical, fingerprint

# A portal's clock may be ahead of ours by so much; what it tells of times beyond that is no time.
_AHEAD = timedelta(days=1)
MANY = 500  # rows, for which planning anew costs nothing
CONNECTED = (Status.CONNECTED, Status.DISABLED)


class Fresh(NamedTuple):
    """A row whose hash was not stored: new, changed, or only written differently."""

    hash: int
    seen: SeenConnection


@dataclass(frozen=True, slots=True)
class Walk:
    """What one complete walk of an app's connections found, against what was stored before it."""

    fresh: Sequence[Fresh] = ()
    is_together: bool = False  # several workers read it
    is_apart: bool = False  # its fresh rows stand in walk_row, as they left them there
    stale: Sequence[int] = ()  # stored hashes that were not seen again
    exempt: frozenset[str] = frozenset()  # tenants named in rows that could not be trusted
    remarks: Sequence[str] = ()  # the first few things that were odd, and of whom
    refused: frozenset[int] = frozenset()  # hashes of rows that could not be trusted
    is_partial: bool = False  # nobody can be missing: somebody may have been overlooked
    doubts: Sequence[str] = ()  # why it is partial, where no remark says so
    is_same: bool = False  # every page holds the rows remembered, and nothing else is stored
    is_full: bool = True  # the bytes of every page were looked at; else the source's word was taken for some
    read: Mapping[int, Mark] = field(default_factory=dict)  # pages that hold other rows than remembered
    rewritten: Mapping[int, Mark] = field(default_factory=dict)  # pages that hold the same rows in other bytes
    retagged: Mapping[int, Mark] = field(default_factory=dict)  # pages that only have another entity tag
    portal_time: datetime | None = None  # when the first page left the source, by the source's clock
    pages: int = 0
    rows: int = 0
    duration_seconds: float = 0.0


class Staged(NamedTuple):
    """What came of the fresh rows: the hashes that will not be stored, and tenants of which nothing is known.

    A tenant is unclear when it is listed twice with different facts.
    """

    dropped: frozenset[int]
    unclear: frozenset[str]


# Made once per connection to the database: making tables costs more than filling these, and bloats the catalogue.
_MADE = text("SELECT to_regclass('pg_temp.moved') IS NOT NULL")
_TABLES = (
    text("""
CREATE TEMP TABLE staged (
    tenant text, tenant_name text, environment text, external_id text, status text, version int,
    fingerprint text, client_id text, allowed_at timestamptz, accepted_at timestamptz, accepted_by text, hash int8
) ON COMMIT DELETE ROWS
"""),
    # With it no plan can look through all of `staged` for each connection, whatever the planner believes of an app
    # that has come since its statistics.
    text("CREATE INDEX ON staged (tenant)"),
    text("""
CREATE TEMP TABLE moved (
    connection_id int8, tenant_id int8, environment text, external_id text, status text, version int,
    scope_set_id int8, client_id text, allowed_at timestamptz, accepted_at timestamptz, accepted_by text, hash int8,
    was_status text, was_version int, was_scope_set_id int8, was_epoch int, was_hash int8, begins bool, epoch int,
    before timestamptz
) ON COMMIT DELETE ROWS
"""),
)
# For a second poll in the same transaction.
_EMPTY = text("WITH emptied AS (DELETE FROM staged) DELETE FROM moved")
COLUMNS = (
    "tenant",
    "tenant_name",
    "environment",
    "external_id",
    "status",
    "version",
    "fingerprint",
    "client_id",
    "allowed_at",
    "accepted_at",
    "accepted_by",
    "hash",
)
TYPES = (*["text"] * 5, "int4", "text", "text", "timestamptz", "timestamptz", "text", "int8")

# Both tables are emptied alike: with the walk's parts its rows have gone.
_STANDS = text("SELECT EXISTS (SELECT FROM walk_part WHERE app_id = :app AND token = :token)")
# Rows that only moved from one worker's pages to another's are stored as they are.
_GATHER = text(f"""
INSERT INTO staged ({", ".join(COLUMNS)})
SELECT {", ".join(f"r.{column}" for column in COLUMNS)} FROM walk_row r
WHERE r.app_id = :app AND NOT EXISTS (SELECT FROM connection c WHERE c.app_id = :app AND c.hash = r.hash)
""")  # noqa: S608 - names of ours
_NESTED = text("SELECT set_config('enable_nestloop', :nested, true)")
# Of a connection listed twice the second row goes, and both where their facts differ.
_IS_DOUBLED = text("SELECT count(*) > count(DISTINCT (tenant, environment)) FROM staged")
_DOUBLED = text("""
WITH told AS (
    SELECT ctid AS place, tenant, environment, hash,
        row_number() OVER (PARTITION BY tenant, environment ORDER BY hash) AS nth,
        dense_rank() OVER (PARTITION BY tenant, environment ORDER BY (tenant_name, external_id, status, version,
            fingerprint, client_id, allowed_at, accepted_at, accepted_by)) AS kind
    FROM staged
), compared AS (
    SELECT place, tenant, hash, nth, max(kind) OVER (PARTITION BY tenant, environment) AS kinds FROM told
)
DELETE FROM staged s USING compared c WHERE s.ctid = c.place AND (c.kinds > 1 OR c.nth > 1)
RETURNING c.hash, c.tenant, c.kinds > 1 AS is_unclear
""")
# A row that was seen as stored and also differently in the same walk (a page shifted) proves nothing.
_CONFLICTS = text("""
DELETE FROM moved m USING tenant t
WHERE m.was_hash <> 0 AND NOT m.was_hash = ANY(cast(:stale AS int8[])) AND t.id = m.tenant_id
RETURNING m.hash, t.external_id AS tenant
""")
# Most walks find nobody new, and nobody under another name.
_STRANGE = text("""
SELECT EXISTS (
    SELECT FROM staged s LEFT JOIN tenant t ON t.source_id = :source AND t.external_id = s.tenant
    WHERE t.id IS NULL OR s.tenant_name <> t.name OR s.tenant_name IS NOT NULL AND t.name IS NULL)
""")
_TENANTS = text("""
INSERT INTO tenant (source_id, external_id, name, first_seen_at)
SELECT DISTINCT ON (s.tenant) :source, s.tenant, s.tenant_name, :now FROM staged s
WHERE NOT EXISTS (SELECT FROM tenant t WHERE t.source_id = :source AND t.external_id = s.tenant)
ON CONFLICT DO NOTHING
""")
_NAMES = text("""
UPDATE tenant t SET name = s.tenant_name FROM staged s
WHERE t.source_id = :source AND t.external_id = s.tenant
  AND s.tenant_name IS NOT NULL AND t.name IS DISTINCT FROM s.tenant_name
""")

# begins: a new unbroken life. A client id of its own tells a reconnect that no poll saw happen.
_MOVED = text("""
INSERT INTO moved (connection_id, tenant_id, environment, external_id, status, version, scope_set_id, client_id,
                   allowed_at, accepted_at, accepted_by, hash, was_status, was_version, was_scope_set_id, was_epoch,
                   was_hash, begins, epoch, before)
SELECT coalesce(c.id, nextval(pg_get_serial_sequence('connection', 'id'))), t.id, s.environment, s.external_id,
       s.status, s.version,
       coalesce(ss.id, av.scope_set_id) AS scope_set_id, s.client_id, s.allowed_at, s.accepted_at, s.accepted_by,
       s.hash, c.status AS was_status, c.version AS was_version, c.scope_set_id AS was_scope_set_id,
       coalesce(c.epoch, 0) AS was_epoch, c.hash, b.begins, coalesce(c.epoch, 0) + b.begins::int AS epoch,
       CASE WHEN c.id IS NOT NULL THEN coalesce(c.seen_at, cast(:before AS timestamptz)) END AS before
FROM staged s
JOIN tenant t ON t.source_id = :source AND t.external_id = s.tenant
LEFT JOIN scope_set ss ON ss.fingerprint = s.fingerprint
LEFT JOIN app_version av ON s.fingerprint IS NULL AND av.app_id = :app AND av.number = s.version
LEFT JOIN connection c ON c.app_id = :app AND c.tenant_id = t.id AND c.environment = s.environment
CROSS JOIN LATERAL (
    SELECT s.status IN ('connected', 'disabled') AND (
        c.id IS NULL OR c.status NOT IN ('connected', 'disabled') OR c.client_id <> s.client_id
    ) IS TRUE AS begins
) b
""")


def stage(session: Session, lease: AppLease, walk: Walk, *, now: datetime) -> Staged:
    """Fill the temporary table `moved`: one row per connection that is not as it was stored.

    Of a tenant listed twice with different facts nothing is known, and it is not missing either. Raises LeaseLostError
    when the rows that others found are not there any more.
    """
    if walk.is_apart:
        _gather(session, lease)
    else:
        fill(session, walk.fresh, now=now)
    doubled = session.execute(_DOUBLED).all() if session.scalar(_IS_DOUBLED) else []
    bound = {"source": lease.source_id, "app": lease.app_id, "now": now, "stale": list(walk.stale)}
    compare(session, bound | {"before": lease.exact_at})
    conflicts = session.execute(_CONFLICTS, bound).all()
    return Staged(
        frozenset(row.hash for row in [*doubled, *conflicts]),
        frozenset(row.tenant for row in doubled if row.is_unclear) | {row.tenant for row in conflicts},
    )


def _gather(session: Session, lease: AppLease) -> None:
    """Put what was found in all parts of the app's walk into `staged`; raises LeaseLostError after a crash."""
    if not session.scalar(_STANDS, {"app": lease.app_id, "token": lease.token}):
        raise LeaseLostError
    make_tables(session)
    forget_plans(session)
    # The planner knows nothing of rows that have just come, and PostgreSQL 15 looks through all of the app for each
    # of a few hundred where it believes in one.
    session.execute(_NESTED, {"nested": "off"})
    session.execute(_GATHER, {"app": lease.app_id})
    session.execute(_NESTED, {"nested": "on"})


def fill(session: Session, rows: Sequence[Fresh], *, now: datetime) -> None:
    """Empty the temporary tables, and put *rows* into `staged`."""
    make_tables(session)
    intern(session, {seen.grants for _, seen in rows if seen.grants is not None})
    if len(rows) >= MANY:
        forget_plans(session)
    copy(session, "staged", COLUMNS, TYPES, staged_rows(rows, now=now))


def make_tables(session: Session) -> None:
    """Have the temporary tables, empty."""
    for statement in (_EMPTY,) if session.scalar(_MADE) else _TABLES:
        session.execute(statement)


def compare(session: Session, bound: dict[str, object]) -> None:
    """Fill `moved` from `staged` and what is stored; tenants that are new, or have another name, are stored."""
    is_strange = session.scalar(_STRANGE, bound)
    for statement in (_TENANTS, _NAMES, _MOVED) if is_strange else (_MOVED,):
        session.execute(statement, bound)


def intern(session: Session, sets: Iterable[frozenset[str]]) -> dict[str, int]:
    """The ids of these scope sets by fingerprint, stored first where they are new."""
    by_print = {fingerprint(grants): list(canonical(grants)) for grants in sets}
    if not by_print:
        return {}
    query = text("SELECT fingerprint, id FROM scope_set WHERE fingerprint = ANY(:prints)")
    rows = session.execute(query, {"prints": list(by_print)}).all()
    known: dict[str, int] = {row.fingerprint: row.id for row in rows}
    new = [{"print": key, "grants": by_print[key]} for key in by_print.keys() - known.keys()]
    if new:
        session.execute(
            text("INSERT INTO scope_set (fingerprint, grants) VALUES (:print, :grants) ON CONFLICT DO NOTHING"),
            new,
        )
        return intern(session, sets)
    return known


def staged_rows(fresh: Iterable[Fresh], *, now: datetime) -> Iterable[tuple[object, ...]]:
    """The rows as they are staged, in the order of COLUMNS; times that are beyond belief at *now* are none."""
    latest = now + _AHEAD
    # Few sets are held by many.
    printed = functools.cache(fingerprint)
    for row in fresh:
        seen = row.seen
        held = seen.status in CONNECTED
        yield (
            seen.tenant,
            seen.tenant_name,
            seen.environment,
            seen.external_id,
            seen.status.value,
            seen.version if held else None,
            printed(seen.grants) if held and seen.grants is not None else None,
            seen.client_id,
            None if seen.allowed_at is not None and seen.allowed_at > latest else seen.allowed_at,
            None if seen.accepted_at is not None and seen.accepted_at > latest else seen.accepted_at,
            seen.accepted_by,
            row.hash,
        )


def copy(
    session: Session, table: str, columns: Sequence[str], types: Sequence[str], rows: Iterable[tuple[object, ...]]
) -> None:
    """COPY *rows*, with *columns* of these *types*, into *table*."""
    driver = session.connection().connection.driver_connection
    assert isinstance(driver, Driver)  # noqa: S101 - tells the type; models.base binds psycopg only
    names = SQL(", ").join(map(Identifier, columns))
    statement = SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(Identifier(table), names)
    with driver.cursor() as cursor, cursor.copy(statement) as out:
        out.set_types(types)
        for row in rows:
            out.write_row(row)
