"""Every error a caller can get, as `application/problem+json` in the shape of the platform's own APIs."""

import re
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

log = structlog.get_logger()

# Somebody else holds a lock for too long, or two calls held each other up.
BUSY = frozenset({"55P03", "40P01", "40001"})
# Read only (as after a failover), hung up on, shutting down or starting.
AWAY = ("25006", "25P03", "57P0")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Problem(Exception):  # noqa: N818 - a problem is what RFC 9457 calls it
    """An answer other than the one asked for; *code* is what a program reads, *title* what a person reads."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        *,
        errors: Mapping[str, Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        **data: Any,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.code = code
        self.title = title
        self.errors = {field: list(said) for field, said in (errors or {}).items()}
        self.headers = dict(headers or {})
        self.data = data


def missing(what: str) -> Problem:
    """404 for an id that does not exist or is none of the caller's business; the two look alike."""
    return Problem(404, "not_found", f"No such {what}.")


def invalid(errors: Mapping[str, Sequence[str]]) -> Problem:
    """400 with the faults listed by field."""
    return Problem(400, "invalid_request", "One or more fields are not valid.", errors=errors)


# How a page says a problem; None where the call was none of a page.
InWords = Callable[[Request, Problem], Response | None]


def _answer(request: Request, problem: Problem) -> Response:
    in_words: InWords = request.app.state.in_words
    said = in_words(request, problem)
    if said is not None:
        return said
    asked = request.headers.get("x-request-id", "")
    body = {
        "type": f"urn:portal:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "traceId": asked if REQUEST_ID.fullmatch(asked) else uuid.uuid4().hex,
        "errors": problem.errors,
        "data": {"code": problem.code, **problem.data},
    }
    # What is left to the caller, once it is known who calls.
    told = getattr(request.state, "charge", None)
    return Response(
        msgspec.json.encode(body),
        status_code=problem.status,
        headers=({} if told is None else told.told) | problem.headers,
        media_type="application/problem+json",
    )


def _field(location: Sequence[Any]) -> str:
    """The dotted name of a field, without the place it was sent in."""
    return ".".join(str(part) for part in location[1:]) or str(location[0])


async def _on_problem(request: Request, raised: Exception) -> Response:
    assert isinstance(raised, Problem)  # noqa: S101 - the registry below calls this for Problem only
    return _answer(request, raised)


async def _on_invalid(request: Request, raised: Exception) -> Response:
    assert isinstance(raised, RequestValidationError)  # noqa: S101 - as above
    found = raised.errors()
    if any(error["loc"][0] == "path" for error in found):
        return _answer(request, missing("resource"))
    errors: dict[str, list[str]] = {}
    for error in found:
        errors.setdefault(_field(error["loc"]), []).append(error["msg"])
    return _answer(request, invalid(errors))


async def _on_http(request: Request, raised: Exception) -> Response:
    assert isinstance(raised, HTTPException)  # noqa: S101 - as above
    if raised.status_code == HTTPStatus.BAD_REQUEST:
        return _answer(request, invalid({"body": [str(raised.detail)]}))
    headers = dict(raised.headers or {})
    if raised.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # A page is not in the document; of it the router's own word is all there is.
        headers["Allow"] = allowed(request) or headers.get("Allow", "")
    phrase = HTTPStatus(raised.status_code).phrase
    code = phrase.lower().replace(" ", "_")
    return _answer(request, Problem(raised.status_code, code, f"{phrase}.", headers=headers))


def allowed(request: Request) -> str:
    """The methods of the first path of the document that matches; the router itself names those of one route only."""
    for path, operations in request.app.openapi()["paths"].items():
        if compile_path(path)[0].match(request.url.path):
            return ", ".join(sorted(method.upper() for method in operations))
    return ""


def _sqlstate(raised: Exception) -> str:
    """PostgreSQL's own code for what went wrong, if it came that far."""
    return str(getattr(getattr(raised, "orig", None), "sqlstate", None) or "")


async def _on_database(request: Request, raised: Exception) -> Response:
    # Never what PostgreSQL says about it: that quotes whole rows, secrets among them.
    said = {"error": type(raised).__name__, "sqlstate": _sqlstate(raised), "path": request.url.path}
    if isinstance(raised, PoolTimeoutError) or said["sqlstate"] in BUSY:
        log.warning("database.busy", **said)
        return _answer(request, Problem(503, "busy", "The portal is busy; try again.", headers={"Retry-After": "2"}))
    if isinstance(raised, (OperationalError, InterfaceError)) or said["sqlstate"].startswith(AWAY):
        log.warning("database.refused", **said)
        title = "The portal's database does not answer."
        return _answer(request, Problem(503, "unavailable", title, headers={"Retry-After": "2"}))
    at = "".join(traceback.format_tb(raised.__traceback__))
    log.error("call.failed", at=at, statement=getattr(raised, "statement", None), **said)
    return _answer(request, _failed())


def _failed() -> Problem:
    return Problem(500, "internal_error", "The portal failed; this is its fault, not yours.")


async def _on_anything(request: Request, raised: Exception) -> Response:
    log.error("call.failed", path=request.url.path, error=type(raised).__name__, exc_info=raised)
    return _answer(request, _failed())


def install(app: FastAPI, in_words: InWords) -> None:
    """Make *app* answer every error in this shape, or *in_words* to whoever opened a page."""
    app.state.in_words = in_words
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    for unavailable in (StatementError, PoolTimeoutError):
        app.add_exception_handler(unavailable, _on_database)
    app.add_exception_handler(Exception, _on_anything)
