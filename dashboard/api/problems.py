"""What is wrong with a request, as a problem (RFC 9457) and in words that say what to do."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from dashboard.access import is_api
from dashboard.templating import refused

_TITLES = {404: "There is no such thing here.", 405: "That cannot be done with this."}


def tell_problems(app: FastAPI) -> None:
    """Have every refusal of *app* told: as a problem to a program, as a page to a person."""
    app.add_exception_handler(RequestValidationError, _mistaken)
    app.add_exception_handler(HTTPException, _refused)


def problem(status: int, title: str, **more: object) -> Response:
    """The answer that says what is wrong."""
    content = {"type": "about:blank", "title": title, "status": status, **more}
    return JSONResponse(content, status, media_type="application/problem+json")


async def _mistaken(request: Request, raised: Exception) -> Response:
    assert isinstance(raised, RequestValidationError)  # noqa: S101 - what this is registered for
    # Not what was sent, which may be a password: where it stood, and what is wrong with it.
    found = [{"where": ".".join(map(str, one["loc"])), "wrong": one["msg"]} for one in raised.errors()]
    title = "; ".join(f"{one['where']}: {one['wrong']}" for one in found)
    if not is_api(request):
        return refused(422, f"That cannot be understood: {title}.", {})
    return problem(422, "That cannot be understood.", errors=found)


async def _refused(request: Request, raised: Exception) -> Response:
    assert isinstance(raised, HTTPException)  # noqa: S101 - as above
    title = _TITLES.get(raised.status_code, str(raised.detail))
    if not is_api(request):
        return refused(raised.status_code, title, dict(raised.headers or {}))
    answer = problem(raised.status_code, title)
    answer.headers.update(raised.headers or {})
    return answer
