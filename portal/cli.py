"""The portal's commands: serve it, migrate it, and make what must exist before the first call."""

import logging
import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvicorn
from pydantic import ValidationError

from portal import approvals, migrations
from portal.app import Choices, create_app
from portal.bootstrap import Bootstrap, NewClient, NewOrganization, NewTenant
from portal.clock import Clock
from portal.database import SetupError, address, connected, require_schema
from portal.people_cli import people
from portal.problems import Problem
from portal.rates import CALLS_PER_SECOND, TOKENS_PER_MINUTE, Rates
from portal.serving import configured, proxies, session_key
from portal.telling import Out, made, transaction

log = structlog.get_logger()
commands = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
organizations = typer.Typer(no_args_is_help=True, help="Developers' companies.")
tenants = typer.Typer(no_args_is_help=True, help="Customers' accounts.")
commands.add_typer(organizations, name="organization")
commands.add_typer(tenants, name="tenant")
commands.add_typer(people, name="person")


Secret = Annotated[
    str | None,
    typer.Option(
        envvar="UPTAKE_SECRET_KEY", help="Signs sessions; left out: they end with the process.", show_default=False
    ),
]
TrustedProxies = Annotated[
    str,
    typer.Option(
        envvar="UPTAKE_PORTAL_TRUSTED_PROXIES", help="Addresses and networks whose X-Forwarded-For is believed."
    ),
]


def main() -> None:
    """Run a command; what must be set up first is said in one line, with exit code 2."""
    try:
        commands()
    except (SetupError, Problem) as wrong:
        typer.echo(f"portal: {wrong}", err=True)
        sys.exit(2)


@commands.command()
def serve(  # noqa: PLR0913, PLR0917 - one argument per option
    host: Annotated[str, typer.Option(envvar="UPTAKE_PORTAL_HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="UPTAKE_PORTAL_PORT", min=1, max=65535)] = 8001,
    demo_clock: Annotated[bool, typer.Option(help="Let anybody who reaches the port set the business clock.")] = False,
    rate: Annotated[
        int, typer.Option(envvar="UPTAKE_PORTAL_RATE", min=0, help="Calls per second and app key; 0: no limit.")
    ] = CALLS_PER_SECOND,
    token_rate: Annotated[
        int, typer.Option(envvar="UPTAKE_PORTAL_TOKEN_RATE", min=0, help="Tokens per minute and client; 0: no limit.")
    ] = TOKENS_PER_MINUTE,
    private_receivers: Annotated[
        bool, typer.Option(help="Send events to addresses that are not public, and without TLS.")
    ] = False,
    secret: Secret = None,
    https_only: Annotated[bool, typer.Option(help="Let browsers come, and send the session, by https only.")] = False,
    trusted_proxies: TrustedProxies = "",
) -> None:
    """Serve the API and the pages until SIGTERM or Ctrl-C; calls that are under way are finished first."""
    key, trusted = session_key(secret), proxies(trusted_proxies)
    database = address()
    require_schema(database)
    chosen = Choices(
        demo_clock=demo_clock,
        rates=Rates(rate, token_rate),
        private_receivers=private_receivers,
        secret=key,
        https_only=https_only,
    )
    app = create_app(database, chosen)
    config = configured(app, _logging(), trusted)
    with _bound(host, port) as listening:
        log.info("portal.serves", address=f"http://{host}:{listening.getsockname()[1]}")
        uvicorn.Server(config).run(sockets=[listening])


def _bound(host: str, port: int) -> socket.socket:
    """A socket on the address, taken before anything is started, so that a taken port is said in one line."""
    # Named as TCP, for asyncio switches Nagle's delay off (40 ms a call) only for sockets that say so.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # Two that share a port by mistake are told apart only here.
        listening.listen(1024)
    except OSError as taken:
        listening.close()
        raise SetupError(f"cannot listen on {host}:{port} ({taken.strerror}): choose another with --port") from taken
    return listening


def _logging() -> int:
    """Our own events go where uvicorn's go, to stderr; returns the level that UPTAKE_LOG_LEVEL names."""
    name = os.environ.get("UPTAKE_LOG_LEVEL", "info").upper()
    level = logging.getLevelNamesMapping().get(name, logging.INFO)
    as_json = os.environ.get("UPTAKE_LOG_FORMAT") == "json"
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    return max(level, logging.WARNING)


@commands.command()
def migrate() -> None:
    """Bring the schema `portal` up to date; two at once take turns."""
    engine = connected(address())
    try:
        migrations.upgrade(engine)
    finally:
        engine.dispose()


@commands.command()
def bootstrap(
    file: Annotated[Path, typer.Argument(help="What must exist; see the README for the format.")], out: Out = None
) -> None:
    """Make the organizations, tenants, operators and clients of FILE that are not there yet."""
    try:
        wanted = Bootstrap.model_validate_json(file.read_bytes())
    except OSError as unreadable:
        raise SetupError(f"{file} cannot be read: {unreadable.strerror}") from unreadable
    except ValidationError as wrong:
        first = wrong.errors()[0]
        raise SetupError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from wrong
    made(wanted, out)


@organizations.command("add")
def add_organization(
    name: str,
    home_page_url: str | None = None,
    number: Annotated[int | None, typer.Option("--id")] = None,
    client: str = "developer",
    faithful: bool = False,
    out: Out = None,
) -> None:
    """Make an organization with one API client that holds every scope of a developer."""
    clients = (NewClient(name=client),)
    # Left out means as it is, if there is one already.
    said = ({"home_page_url": home_page_url} if home_page_url else {}) | ({"faithful": True} if faithful else {})
    entry = NewOrganization.model_validate({"name": name, "id": number, "clients": clients, **said})
    made(Bootstrap(organizations=(entry,)), out)


@tenants.command("add")
def add_tenant(
    tenant: Annotated[str, typer.Argument(metavar="ID")],
    name: str,
    customer: Annotated[str | None, typer.Option(help="Whose account it is, when a customer has several.")] = None,
    client: str = "admin",
    out: Out = None,
) -> None:
    """Make a tenant with one tenant admin's client."""
    entry = NewTenant(id=tenant, name=name, customer=customer, clients=(NewClient(name=client),))
    made(Bootstrap(tenants=(entry,)), out)


@commands.command()
def approve(app: int) -> None:
    """Approve a public app; its tenants see it from now on."""
    with transaction() as connection:
        approvals.judge(connection, app, "approved", Clock().now, "command line")


@commands.command()
def reject(app: int) -> None:
    """Reject a public app; no tenant sees it."""
    with transaction() as connection:
        approvals.judge(connection, app, "rejected", Clock().now, "command line")
