"""What Alembic runs for each command: one connection, one lock, a bounded wait for tables in use."""

from typing import Any

from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.dialects.postgresql.base import ischema_names

import models
from models.event import Xid8
from models.partitions import PARTITION

# Two processes that start at once (two containers, say) take turns.
LOCK = 0x75707461

ischema_names["xid8"] = Xid8  # so that comparing models and tables knows the type


def ours(thing: Any, name: str | None, kind: str, *_: object) -> bool:
    """Leave other tenants of the database alone, such as the portal's schema, and the months of our own tables."""
    if getattr(thing, "schema", None) is not None:
        return False
    table = name if kind == "table" else getattr(getattr(thing, "table", None), "name", None)
    return table != "alembic_version" and not PARTITION.fullmatch(table or "")


def run() -> None:
    """Migrate online; offline SQL is not offered."""
    engine = create_engine(context.config.attributes["dsn"])
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
            connection.execute(text("SET lock_timeout = '5s'"))
            connection.commit()
            context.configure(
                connection=connection,
                target_metadata=models.Base.metadata,
                include_object=ours,
                compare_type=True,
                # What one step locks is let go before the next begins; one that fails takes no other back.
                transaction_per_migration=True,
            )
            with context.begin_transaction():
                context.run_migrations()
            connection.commit()
    finally:
        engine.dispose()


run()
