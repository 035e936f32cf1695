"""`python -m dashboard`: serve the API and the pages."""

import sys

import uvicorn

from config import traces
from config.logs import configure_logging
from config.settings import Settings, SettingsError, settings
from dashboard.app import application


def main() -> None:
    """Serve until told to stop; set-up errors are one sentence and exit code 2."""
    try:
        chosen = settings()
        database_url = _address(chosen)
        traces.check()
    except SettingsError as error:
        sys.stderr.write(f"uptake: {error}\n")
        sys.exit(2)
    configure_logging(chosen.log_level, chosen.log_format)
    uvicorn.run(
        application(database_url),
        host=chosen.dashboard_host,
        port=chosen.dashboard_port,
        log_config=None,
        server_header=False,
    )


def _address(chosen: Settings) -> str:
    if chosen.database_url is None:
        raise SettingsError("The dashboard needs DATABASE_URL: set it to a PostgreSQL address.")
    return chosen.database_url.get_secret_value()


if __name__ == "__main__":
    main()
