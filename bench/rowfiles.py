"""All rows of a database as files, one per table, in an order in which they can be read in again."""

from collections.abc import Collection
from pathlib import Path

import psycopg
from psycopg import sql

from bench.cluster import Cluster

# Filled by the migrations, so there in every database.
_KEPT = "alembic_version"
_REFERENCES = """
SELECT r.relname, f.relname FROM pg_constraint c
JOIN pg_class r ON r.oid = c.conrelid JOIN pg_class f ON f.oid = c.confrelid
WHERE c.contype = 'f' AND r.relkind = 'r' AND r.oid <> f.oid AND r.relnamespace = 'public'::regnamespace
"""
# Of a table in months, the months: rows are copied to and from those.
_TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"

_COLUMNS = """SELECT attname FROM pg_attribute WHERE attrelid = cast(%s AS text)::regclass AND attnum > 0
    AND NOT attisdropped AND attgenerated = '' ORDER BY attnum"""


def write(
    cluster: Cluster, database: str, place: Path, *, since: int = 0, without: Collection[str] = ()
) -> dict[str, int]:
    """Write the rows of every table under *place*; how many, of those that have any, the referred-to first.

    *since* is a number of a transaction: rows that were written before it are left out, as are tables named in
    *without*.
    """
    place.mkdir()
    with cluster.session(database) as session:
        tables = [table for table in _ordered(session) if table not in without]
        counts = {table: _written(session, table, place / table, since) for table in tables}
    return {table: count for table, count in counts.items() if count}


def _written(session: psycopg.Connection, table: str, file: Path, since: int) -> int:
    # Those that COPY reads by itself: not what PostgreSQL works out.
    names = [name for (name,) in session.execute(_COLUMNS, [table])]
    statement = sql.SQL("COPY (SELECT {} FROM {} WHERE xmin::text::int8 >= {}) TO STDOUT (FORMAT BINARY)").format(
        sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(table), since
    )
    with session.cursor() as cursor:
        with file.open("wb") as target, cursor.copy(statement) as copy:
            for block in copy:
                target.write(block)
        return cursor.rowcount


def _ordered(session: psycopg.Connection) -> list[str]:
    """The tables, each after those that it refers to."""
    waiting = {table: set[str]() for (table,) in session.execute(_TABLES) if table != _KEPT}
    for table, target in session.execute(_REFERENCES):
        waiting[table].add(target)
    done: list[str] = []
    while waiting:
        free = [table for table, targets in waiting.items() if targets <= set(done)]
        if not free:
            raise RuntimeError(f"tables refer to each other in a circle: {sorted(waiting)}")
        done += free
        waiting = {table: targets for table, targets in waiting.items() if table not in free}
    return done
