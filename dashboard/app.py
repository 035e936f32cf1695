"""The dashboard's application: the JSON API, the health checks and the pages, over models.queries."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.telemetry import TelemetryConfig
from sqlalchemy.exc import SQLAlchemyError

from dashboard.access import OPEN, Viewer, require_policies
from dashboard.api import router as api
from dashboard.api.document import document
from dashboard.api.problems import tell_problems
from dashboard.chosen import muting
from dashboard.failures import tell_failures
from dashboard.guard import guard
from dashboard.listeners import Listeners
from dashboard.metrics.answer import Figures
from dashboard.metrics.route import router as metrics
from dashboard.opt_out import router as opt_out
from dashboard.pages import router as pages
from dashboard.sign_in import router as sign_in
from dashboard.sign_in_oidc import provider
from dashboard.sign_in_oidc import router as sign_in_oidc
from dashboard.static import router as static
from models import Session
from models.base import engine_for
from models.migrations import pending
from models.queries.sources import TICK_IS_LATE, tick_age
from tasks.traced import Traced, begin

# A form or a document, never a file.
LARGEST_BODY = 64 * 1024


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests can be answered from fresh data, and what stands in the way."""

    ready: bool
    problems: list[str]


def application(database_url: str) -> FastAPI:
    """The application over the database at *database_url*."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        engine = engine_for(database_url)
        Session.configure(bind=engine)
        if traced:
            traced.watch(engine)
        # As the workers do: what is written into the file later holds from the next start on.
        muting()
        yield
        engine.dispose()
        if traced:
            traced.end()
        if app.state.provider is not None:
            app.state.provider.close()

    traced = begin("uptake-dashboard")
    app = FastAPI(
        title="Uptake",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=life,
        max_body_size=LARGEST_BODY,
        telemetry=_telemetry(traced),
    )
    guard(app)
    tell_failures(app)
    tell_problems(app)
    for router in (api, pages, static, opt_out, sign_in, sign_in_oidc, metrics):
        app.include_router(router)
    app.state.figures = Figures()
    app.state.provider = provider()
    app.state.listeners = Listeners()
    app.get("/api/v1/openapi.json", include_in_schema=False)(openapi)
    app.get("/healthz", dependencies=[OPEN], include_in_schema=False)(healthz)
    app.state.database_url = database_url
    app.get("/readyz", dependencies=[OPEN], include_in_schema=False)(readyz)
    require_policies(app)
    return app


def _telemetry(traced: Traced | None) -> TelemetryConfig:
    """Spans of requests, by the path of their route; logs and figures go other ways."""
    none: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
    if traced is None:
        return none
    return {**none, "tracing": True, "operation_spans": False, "tracer_provider": traced.provider}


def openapi(_: Viewer, request: Request) -> dict[str, Any]:
    """What can be asked here, as OpenAPI."""
    return document(request.app)


def healthz() -> dict[str, str]:
    """The process is alive."""
    return {"status": "ok"}


def readyz(request: Request, response: Response) -> Readiness:
    """Whether the database answers, its schema is ours, and somebody ticks; 503 when not."""
    problems = list(_problems(request.app.state.database_url))
    response.status_code = 503 if problems else 200
    return Readiness(not problems, problems)


def _problems(database_url: str) -> Iterator[str]:
    try:
        if pending(database_url):
            yield "the schema is behind this code: run `uptake migrate`"
            return
        with Session() as session:
            age = tick_age(session)
            if age is None or age > TICK_IS_LATE:
                yield "nobody has ticked for a minute: is a worker running, and the broker?"
    except SQLAlchemyError:
        yield "the database does not answer"
