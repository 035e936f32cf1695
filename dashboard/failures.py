"""What is told when the database gives no answer: it is not there, not migrated, or was asked what it cannot hold."""

from traceback import extract_tb

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import Response
from psycopg.errors import UndefinedColumn, UndefinedTable
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoneFreeError

from dashboard.access import is_api
from dashboard.api.problems import problem
from dashboard.templating import gone, refused

log = structlog.get_logger()
_GONE = (OperationalError, InterfaceError, NoneFreeError)
_TOO_LARGE = "That cannot be understood: a number is too large, or a text has a NUL in it."
_MISTAKE = "This is a mistake of ours, not of yours: the log of the dashboard says which."


def tell_failures(app: FastAPI) -> None:
    """Have every failure to read or write told, for what it is: as a problem to a program, as a page to a person."""
    app.add_exception_handler(SQLAlchemyError, _failed)


async def _failed(request: Request, raised: Exception) -> Response:
    # Tables or columns that are not there: migrations have not run.
    behind = isinstance(raised, DBAPIError) and isinstance(raised.orig, (UndefinedTable, UndefinedColumn))
    if behind or isinstance(raised, _GONE):
        title = "The schema is behind this code: run `uptake migrate`." if behind else "The database does not answer."
        return problem(503, title) if is_api(request) else gone(behind=behind)
    is_theirs = isinstance(raised, DataError)
    if not is_theirs:
        log.error("request.broke", route=getattr(request.scope.get("route"), "path", None), **_about(raised))
    status, title = (422, _TOO_LARGE) if is_theirs else (500, _MISTAKE)
    return problem(status, title) if is_api(request) else refused(status, title, {})


def _about(raised: Exception) -> dict[str, str | None]:
    """What may be logged: not the path, which may hold somebody's key, nor PostgreSQL's words, which quote rows."""
    orig = getattr(raised, "orig", None)
    frames = [one for one in extract_tb(raised.__traceback__) if "site-packages" not in one.filename]
    return {
        "error": type(orig or raised).__name__,
        "sqlstate": getattr(orig, "sqlstate", None),
        "constraint": getattr(getattr(orig, "diag", None), "constraint_name", None),
        "where": f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None,
    }
