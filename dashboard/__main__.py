"""`python -m dashboard`: serve the API and the pages."""

import sys
from contextlib import suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI

from config import traces
from config.logs import configure_logging
from config.settings import Settings, SettingsError, settings
from dashboard.app import application

_NOT_STARTED = 3  # as uvicorn has it


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
    app = application(database_url)
    served = uvicorn.Config(
        app, host=chosen.dashboard_host, port=chosen.dashboard_port, log_config=None, server_header=False
    )
    server = _Server(served, app)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(_NOT_STARTED)


class _Server(uvicorn.Server):
    """One that ends the streams when it is told to stop: it would wait for them for ever."""

    def __init__(self, served: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(served)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._app.state.listeners.close()
        super().handle_exit(sig, frame)


def _address(chosen: Settings) -> str:
    if chosen.database_url is None:
        raise SettingsError("The dashboard needs DATABASE_URL: set it to a PostgreSQL address.")
    return chosen.database_url.get_secret_value()


if __name__ == "__main__":
    main()
