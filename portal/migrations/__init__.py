"""How the portal's tables came to be, and the two commands over them."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine


def _config(engine: Engine) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["engine"] = engine
    return config


def upgrade(engine: Engine) -> None:
    """Bring the schema up to date; changes nothing when it is."""
    command.upgrade(_config(engine), "head")


def check(engine: Engine) -> None:
    """Raise when tables and migrations differ."""
    command.check(_config(engine))
