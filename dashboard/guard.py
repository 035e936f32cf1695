"""What stands before every route: no other site may act for whoever looks at it, and browsers are told to be strict."""

from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.middleware.base import RequestResponseEndpoint

from config.settings import settings
from dashboard.access import RefusedError, is_api
from dashboard.origins import is_foreign, is_https
from dashboard.rates import Rate, TooOftenError
from dashboard.templating import refused

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    # With "no-referrer", forms would come from the origin "null", which is no better than another site's.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_STRICT_TRANSPORT = "max-age=31536000"
# Mail programs press its button by themselves, from wherever they are (RFC 8058); the link is the proof.
_FROM_ANYWHERE = "/opt-out/"
_GENTLE = 10  # sign-ins a minute by one name from one address


def guard(app: FastAPI) -> None:
    """Put the guard before *app*, with the limits it keeps."""
    app.state.calls = Rate(settings().api_rate)
    app.state.sign_ins, app.state.sign_in_addresses = Rate(_GENTLE), Rate(6 * _GENTLE)
    app.middleware("http")(_guarded)
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(TooOftenError, _too_often)


async def _guarded(request: Request, call_next: RequestResponseEndpoint) -> Response:
    if is_foreign(request) and not request.url.path.startswith(_FROM_ANYWHERE):
        response = _told(request, 403, "This came from another site, so nothing was done.")
    else:
        response = await call_next(request)
    for name, value in _HEADERS.items():
        # A letter that is looked at is kept in by headers of its own.
        response.headers.setdefault(name, value)
    # What one may see is not left behind for the next one at this browser.
    response.headers.setdefault("Cache-Control", "no-store")
    if is_https(request):
        response.headers["Strict-Transport-Security"] = _STRICT_TRANSPORT
    return response


async def _refused(request: Request, raised: Exception) -> Response:
    assert isinstance(raised, RefusedError)  # noqa: S101 - what this is registered for
    if raised.status == 401 and not is_api(request):
        # A page that looks again by itself would show the sign-in page within itself.
        if "hx-request" in request.headers:
            return Response(status_code=401, headers={"HX-Refresh": "true"})
        return RedirectResponse(f"/sign-in?next={_here(request)}", 303)
    return _told(request, raised.status, str(raised), **raised.headers)


async def _too_often(request: Request, raised: Exception) -> Response:
    assert isinstance(raised, TooOftenError)  # noqa: S101 - as above
    return _told(request, 429, str(raised), **{"Retry-After": str(raised.wait)})


def _told(request: Request, status: int, title: str, **headers: str) -> Response:
    if not is_api(request):
        return refused(status, title, headers)
    problem = {"type": "about:blank", "title": title, "status": status}
    return JSONResponse(problem, status, headers=headers, media_type="application/problem+json")


def _here(request: Request) -> str:
    """Where somebody goes on after signing in; what a form was for has to be said again."""
    url = request.url
    path = f"{url.path}?{url.query}" if url.query else url.path
    return quote(path if request.method == "GET" else "/")
