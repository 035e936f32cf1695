"""How the schema came to be, step by step: Alembic, without an ini file."""

import functools
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text


def config(dsn: str) -> Config:
    """Alembic's settings for the database at *dsn*."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent))
    settings.attributes["dsn"] = dsn
    return settings


# A transaction that this server has not begun yet is another server's: what came from there, in whatever order it
# stands, was before all that happens here.
_RESTORED = text("""
UPDATE event SET tx = '0'
WHERE tx <> '0' AND EXISTS (SELECT FROM event WHERE tx >= pg_snapshot_xmax(pg_current_snapshot()))
""")


def upgrade(dsn: str) -> None:
    """Bring the schema to the newest step; safe to run again and by several processes at once.

    Events that were restored from another server come before those of this one from then on.
    """
    command.upgrade(config(dsn), "head")
    engine = create_engine(dsn)
    try:
        with engine.begin() as connection:
            connection.execute(_RESTORED)
    finally:
        engine.dispose()


@functools.cache
def newest() -> str | None:
    """The schema that this code is for."""
    return ScriptDirectory.from_config(config("")).get_current_head()


def pending(dsn: str) -> bool:
    """Whether the schema is behind this code."""
    engine = create_engine(dsn)
    try:
        with engine.connect() as connection:
            present = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    return present != newest()
