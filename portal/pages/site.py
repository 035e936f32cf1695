"""The pages put together: sessions, and the files that they need."""

import secrets

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import FileResponse
from starlette.middleware.sessions import SessionMiddleware

from portal.pages import administering, audience, credentials, details, developing, operating, releasing, visiting
from portal.pages.views import HEADERS, HERE
from portal.sessions import LIFETIME

FILES = {"style.css": "text/css", "icon.svg": "image/svg+xml", "portal.js": "text/javascript"}


def install(app: FastAPI, secret: str | None, *, https_only: bool) -> None:
    """Serve the pages; sessions are signed with *secret*, without one they end with this process."""
    key = secret or secrets.token_urlsafe(32)
    app.state.form_secret = key.encode()
    app.add_middleware(
        SessionMiddleware,
        secret_key=key,
        session_cookie="portal_session",
        max_age=int(LIFETIME.total_seconds()),
        same_site="lax",
        https_only=https_only,
    )
    files = APIRouter(include_in_schema=False)
    for path in ("/pages/{name}", "/favicon.ico"):
        files.add_api_route(path, _file, methods=["GET", "HEAD"])
    app.include_router(files)
    for part in (visiting, developing, details, releasing, audience, administering, credentials, operating):
        app.include_router(part.router)


async def _file(name: str = "icon.svg") -> Response:
    """A file that pages need; these are no secret and may be kept for an hour."""
    if name not in FILES:
        return Response(status_code=404)
    kept = HEADERS | {"Cache-Control": "public, max-age=3600"}
    return FileResponse(HERE / name, media_type=FILES[name], headers=kept)
