"""How the portal's tables came to be, and the two commands over them."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from portal.tables import SCHEMA


def _config(engine: Engine) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["engine"] = engine
    return config


def upgrade(engine: Engine) -> None:
    """Bring the schema up to date; changes nothing when it is."""
    command.upgrade(_config(engine), "head")


def behind(engine: Engine) -> bool:
    """Whether the schema is not that of this code."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
        present = context.get_current_revision()
    return present != ScriptDirectory.from_config(_config(engine)).get_current_head()


def check(engine: Engine) -> None:
    """Raise when tables and migrations differ."""
    command.check(_config(engine))
