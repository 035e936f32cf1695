"""Tables of one transaction's own, beside the real ones: what the models write goes into them, and is gone with it."""

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.base import Base

_PLACE = text("SELECT quote_ident(current_schema())")
_VIEWS = text("""
SELECT viewname, pg_get_viewdef(format('%I.%I', schemaname, viewname)::regclass) AS definition FROM pg_views
WHERE schemaname = current_schema() ORDER BY viewname
""")
# A default that counts by a sequence would count the real one on, and no transaction takes that back.
_COUNTED = text("""
SELECT c.relname AS table, a.attname AS column FROM pg_attrdef d
JOIN pg_class c ON c.oid = d.adrelid JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE c.relnamespace = pg_my_temp_schema() AND c.relkind = 'r' AND pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%'
""")


def shadow(session: Session, *, filled: Collection[str]) -> None:
    """From now on the session's transaction reads and writes empty tables and views of its own by our names.

    The *filled* ones have the real rows. The real tables are only read; roll back, and nothing has happened.
    """
    place = session.scalar(_PLACE)
    # Before their tables have other namesakes, or they would name the real ones.
    views = session.execute(_VIEWS).all()
    for table in Base.metadata.sorted_tables:
        session.execute(text(f'CREATE TEMP TABLE "{table.name}" (LIKE "{table.name}" INCLUDING ALL)'))
    for counted in session.execute(_COUNTED).all():
        sequence = f"{counted.table}_{counted.column}_of_our_own"
        session.execute(text(f'CREATE TEMP SEQUENCE "{sequence}"'))
        own = f"""ALTER TABLE pg_temp."{counted.table}" ALTER "{counted.column}" SET DEFAULT nextval('"{sequence}"')"""
        session.execute(text(own))
    for view in views:
        session.execute(text(f'CREATE TEMP VIEW "{view.viewname}" AS {view.definition}'))
    for name in filled:
        # What PostgreSQL works out itself it does not take.
        names = ", ".join(f'"{one.name}"' for one in Base.metadata.tables[name].columns if one.computed is None)
        session.execute(text(f'INSERT INTO pg_temp."{name}" ({names}) SELECT {names} FROM {place}."{name}"'))  # noqa: S608 - names of ours


def renew(session: Session) -> None:
    """Tell the planner of what was written: nobody else looks at tables of our own."""
    names = ", ".join(f'pg_temp."{table.name}"' for table in Base.metadata.sorted_tables)
    session.execute(text(f"ANALYZE {names}"))
