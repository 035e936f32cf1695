"""The schema: models and migrations agree, and every index says why it is there."""

from alembic import command
from sqlalchemy import create_engine, text

import models
from models.migrations import config, pending, upgrade


def test_models_and_migrations_agree(database_url: str) -> None:
    """Alembic finds nothing to do on a freshly migrated database."""
    command.check(config(database_url))
    assert not pending(database_url)


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    """A second upgrade is quiet."""
    upgrade(database_url)


def test_every_index_says_why(database_url: str) -> None:
    """The reason stands in the database too, for whoever looks there."""
    wanted = {index.name: index.info["why"] for table in models.Base.metadata.sorted_tables for index in table.indexes}
    engine = create_engine(database_url)
    with engine.connect() as connection:
        query = text(
            "SELECT relname, obj_description(oid, 'pg_class') FROM pg_class"
            " WHERE relkind = 'i' AND relname = ANY(:names)"
        )
        found = {row.relname: row.obj_description for row in connection.execute(query, {"names": list(wanted)})}
    engine.dispose()
    assert found == wanted
