"""Tables that are filled without their indexes, constraints and triggers; they are built when all is there."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.orm import Session

_LARGE = ("connection", "tenure", "event", "adoption", "poll", "tenant", "contact")
_CONSTRAINTS = """
SELECT c.conname AS name, c.conrelid::regclass::text AS "table", pg_get_constraintdef(c.oid) AS definition
FROM pg_constraint c WHERE c.contype IN ('p', 'u', 'x', 'f') AND c.conparentid = 0
  AND (c.conrelid = ANY(cast(:tables AS text[])::regclass[]) OR c.confrelid = ANY(cast(:tables AS text[])::regclass[]))
ORDER BY c.contype = 'f', c.contype <> 'p', c.conname
"""
_INDEXES = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition,
    obj_description(i.indexrelid) AS why
FROM pg_index i WHERE i.indrelid = ANY(cast(:tables AS text[])::regclass[])
  AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
ORDER BY 1
"""


@contextmanager
def bare(session: Session, *tables: str) -> Iterator[None]:
    """Let *tables*, or those that grow with the connections, have no index and no key while the block runs.

    Nor do triggers run: each of them would look through what has no index now.
    """
    session.execute(text("SET LOCAL session_replication_role = replica"))
    bound = {"tables": list(tables or _LARGE)}
    constraints = session.execute(text(_CONSTRAINTS), bound).all()
    indexes = session.execute(text(_INDEXES), bound).all()
    for one in reversed(constraints):
        session.execute(text(f'ALTER TABLE {one.table} DROP CONSTRAINT "{one.name}"'))
    for one in indexes:
        session.execute(text(f"DROP INDEX {one.name}"))
    yield
    session.execute(text("SET LOCAL session_replication_role = origin"))
    for one in constraints:
        session.execute(text(f'ALTER TABLE {one.table} ADD CONSTRAINT "{one.name}" {one.definition}'))
    for one in indexes:
        # It is told of a table in months as if the months were to have none.
        session.execute(text(one.definition.replace(" ON ONLY ", " ON ").replace(":", "\\:")))
        if one.why:
            why = one.why.replace("'", "''").replace(":", "\\:")
            session.execute(text(f"COMMENT ON INDEX {one.name} IS '{why}'"))
    for table in bound["tables"]:
        session.execute(text(f"ANALYZE {table}"))
