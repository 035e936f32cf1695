"""The dashboard's application: the JSON API, the health checks and the pages, over models.queries."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from starlette.middleware.base import RequestResponseEndpoint

from dashboard.opt_out import router as opt_out
from dashboard.pages import Reading, gone, muting
from dashboard.pages import router as pages
from models import Session
from models.base import engine_for
from models.migrations import pending
from models.queries.apps import AppOverview, overview
from models.queries.sources import TICK_IS_LATE, tick_age

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True, slots=True)
class Apps:
    """One page of apps; *next* is the cursor of the next one."""

    data: list[AppOverview]
    next: str | None = None


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
        # As the workers do: what is written into the file later holds from the next start on.
        muting()
        yield
        engine.dispose()

    app = FastAPI(title="Uptake", openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None, lifespan=life)
    app.middleware("http")(_headers)
    app.add_exception_handler(SQLAlchemyError, _database_is_gone)
    app.get("/api/v1/apps")(apps)
    app.include_router(pages)
    app.include_router(opt_out)
    app.get("/healthz")(healthz)
    app.state.database_url = database_url
    app.get("/readyz")(readyz)
    return app


def apps(session: Reading, environment: str = "production") -> Apps:
    """Every app with its counts, adoption and last poll."""
    return Apps(overview(session, environment=environment))


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


async def _headers(request: Request, call_next: RequestResponseEndpoint) -> Response:
    response = await call_next(request)
    response.headers.update(_HEADERS)
    return response


async def _database_is_gone(request: Request, raised: Exception) -> Response:
    # Tables or columns that are not there: migrations have not run.
    behind = isinstance(raised, ProgrammingError)
    if not request.url.path.startswith("/api/"):
        return gone(behind=behind)
    title = "The schema is behind this code: run `uptake migrate`." if behind else "The database does not answer."
    problem = {"type": "about:blank", "title": title, "status": 503}
    return JSONResponse(problem, status_code=503, media_type="application/problem+json")
