"""What Alembic runs for each command: the schema `portal` only, one migrator at a time, no long lock."""

from typing import Any

from alembic import context
from sqlalchemy import Engine, text
from sqlalchemy.schema import CreateSchema

from portal.tables import SCHEMA, metadata

# Two processes that start at once take turns.
LOCK = 0x706F7274


def _ours(name: str | None, kind: str, _parents: Any) -> bool:
    """Leave the rest of the database alone."""
    return name == SCHEMA if kind == "schema" else True


def run() -> None:
    """Migrate online; offline SQL is not offered."""
    engine: Engine = context.config.attributes["engine"]
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        connection.execute(text("SET lock_timeout = '5s'"))
        connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=metadata,
            version_table_schema=SCHEMA,
            include_schemas=True,
            include_name=_ours,
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()


run()
