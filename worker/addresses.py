"""Where the database and the broker are: as the environment says, else the embedded ones that run now."""

from config.settings import SettingsError, settings
from worker.embedded import running


def database_url() -> str:
    """The database's address for SQLAlchemy; raises SettingsError when there is none."""
    if (told := settings().database_url) is not None:
        return told.get_secret_value()
    servers = running(settings().data_dir)
    if servers is None or servers.database_url is None:
        raise SettingsError(
            "No database: nothing runs from this folder. Start it with `uptake up`, or ask from the folder where it"
            " was started, or set DATABASE_URL to a PostgreSQL address."
        )
    return servers.database_url


def broker_url() -> str:
    """The broker's address for Celery; raises SettingsError when there is none."""
    if (told := settings().redis_url) is not None:
        return told.get_secret_value()
    servers = running(settings().data_dir)
    if servers is None or servers.broker_url is None:
        raise SettingsError("No broker: start one with `uptake up`, or set REDIS_URL to a Redis or Valkey address.")
    return servers.broker_url


def dashboard_url() -> str:
    """Where a browser on this machine finds the dashboard."""
    chosen = settings()
    # Listening everywhere is no address to open.
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(chosen.dashboard_host, chosen.dashboard_host)  # noqa: S104 - compared
    return f"http://{host}:{chosen.dashboard_port}"
