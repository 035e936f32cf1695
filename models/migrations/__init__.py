"""How the schema came to be, step by step: Alembic, without an ini file."""

import functools
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine


def config(dsn: str) -> Config:
    """Alembic's settings for the database at *dsn*."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent))
    settings.attributes["dsn"] = dsn
    return settings


def upgrade(dsn: str) -> None:
    """Bring the schema to the newest step; safe to run again and by several processes at once."""
    command.upgrade(config(dsn), "head")


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
