"""The commands that run processes: everything together, or one of them alone."""

import os
import sys
import warnings
from typing import Annotated

import typer
from celery.exceptions import SecurityWarning

from config.settings import settings
from worker.addresses import database_url
from worker.doctor import require
from worker.ports import require_port

Processes = Annotated[
    int, typer.Option("--concurrency", "-c", min=1, max=256, help="How many tasks are done at the same time.")
]


def up(
    *,
    demo: Annotated[
        bool, typer.Option("--demo", help="With a portal, 12 apps and 300 tenants that live before your eyes.")
    ] = False,
) -> None:
    """Run everything on this machine until Ctrl-C: the databases, the worker, the dashboard."""
    from worker.up import run  # noqa: PLC0415 - no other command needs the servers

    run(demo=demo)


def worker(*, concurrency: Processes = 2) -> None:
    """Run the tasks until SIGTERM; what is under way then is finished or handed back within 30 s."""
    require("settings", "rules", "database", "schema", "broker")
    # Workers need nothing of each other: who does what is decided in the database.
    _celery("worker", "--concurrency", str(concurrency), "--without-gossip", "--without-mingle")


def beat() -> None:
    """Ring for what is due every few seconds; workers do so by themselves, only less often."""
    require("settings", "broker")
    _celery("beat")


def dashboard() -> None:
    """Serve the dashboard and its API."""
    chosen = settings()
    require_port(chosen.dashboard_host, chosen.dashboard_port, "UPTAKE_DASHBOARD_PORT")
    _become("dashboard")


def portal() -> None:
    """Serve the portal: a developer portal of our own, to try Uptake against."""
    chosen = settings()
    require_port(chosen.portal_host, chosen.portal_port, "UPTAKE_PORTAL_PORT")
    _become("portal", "serve")


def _celery(*arguments: str) -> None:
    from worker.celery import app  # noqa: PLC0415 - it needs a broker, and most commands do not

    # Celery warns root of pickled messages; ours carry numbers in JSON, and nothing else is accepted.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    # Without the banner, which shows addresses: what matters is said by the log.
    app.start(["--quiet", *arguments])


def _become(module: str, *arguments: str) -> None:
    """Go on as another program of ours, which finds the database in its environment."""
    sys.stdout.flush()
    environment = {**os.environ, "DATABASE_URL": database_url()}
    os.execve(  # noqa: S606 - our own program, without a shell
        sys.executable, [sys.executable, "-m", module, *arguments], environment
    )
