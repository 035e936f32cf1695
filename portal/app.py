"""The portal as an ASGI application: its parts put together over one pool and one clock."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI, Request, Response
from sqlalchemy.engine import URL

from portal import (
    access,
    approvals,
    apps,
    availability,
    client_secrets,
    clock_setting,
    connections,
    events,
    exports,
    guarded,
    openapi,
    organizations,
    problems,
    signing,
    tokens,
    versions,
)
from portal.answers import json_answer
from portal.bodies import BodyLimit
from portal.clock import Clock
from portal.database import pool
from portal.pages import site
from portal.pages.routes import in_words
from portal.push import Pushing
from portal.rates import Rates
from portal.scopes_in_play import ScopesInPlay
from portal.strict_transport import StrictTransport
from portal.sweep import Sweeping

BASE = "/portal/v2"
DEVELOPER = BASE + "/organization/{organization}"
TENANT = BASE + "/tenant/{tenant}"


@dataclass(frozen=True, slots=True)
class Choices:
    """How a portal is served; left alone, as strangers may reach it."""

    demo_clock: bool = False  # business time can be set over HTTP, by anybody
    rates: Rates = field(default_factory=Rates)
    private_receivers: bool = False  # events go to addresses that are not public, too
    secret: str | None = None  # signs sessions; without one they end with the process
    https_only: bool = False  # browsers send the session by https only, and come by nothing else


def create_app(database: URL, chosen: Choices | None = None) -> FastAPI:
    """The application over *database*, served as *chosen*."""
    choices = chosen or Choices()

    app = FastAPI(
        title="Developer portal",
        version="2",
        openapi_url=f"{BASE}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_living(database, choices),
    )
    app.state.clock = Clock()
    app.state.private_receivers = choices.private_receivers
    app.state.rates = choices.rates
    app.state.scopes = ScopesInPlay()
    app.state.signer = signing.Signer()
    problems.install(app, in_words)
    openapi.install(app)
    app.add_api_route("/healthz", _alive, include_in_schema=False)
    _route(app, demo_clock=choices.demo_clock)
    site.install(app, choices.secret, https_only=choices.https_only)
    app.add_middleware(BodyLimit)
    if choices.https_only:
        app.add_middleware(StrictTransport)
    return app


def _living(database: URL, choices: Choices) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """What is there from the first call to the last: the pool, and what goes on by itself."""

    @asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        app.state.engine = pool(database)
        # The same pool, for single statements that need no transaction around them.
        app.state.reader = app.state.engine.execution_options(isolation_level="AUTOCOMMIT")
        app.state.pushing = Pushing(app.state.engine, private=choices.private_receivers)
        sweeping = Sweeping(app.state.engine)
        yield
        await sweeping.stop()
        await app.state.pushing.stop()
        await app.state.engine.dispose()

    return living


def _route(app: FastAPI, *, demo_clock: bool) -> None:
    """Put every part of the API in its place."""
    app.include_router(tokens.router)
    app.include_router(signing.router)
    for part in (organizations, apps, versions, availability, connections, exports, events):
        app.include_router(part.router, prefix=DEVELOPER)
    app.include_router(client_secrets.of_developer, prefix=DEVELOPER)
    for routes in (client_secrets.of_tenant, access.router):
        app.include_router(routes, prefix=TENANT)
    app.include_router(guarded.router)
    app.include_router(approvals.router, prefix=BASE)
    if demo_clock:
        app.include_router(clock_setting.router, prefix=BASE)


async def _alive(request: Request) -> Response:
    """Answer while the process does; 503 when it no longer does what it does beside the calls."""
    if not request.app.state.pushing.is_alive:
        return json_answer({"status": "events are not sent: start the portal anew"}, status=503)
    return json_answer({"status": "ok"})
