"""The developer's pages about scopes: the grid, what saving it would do, and the version history."""

from typing import Any

from fastapi import Request, Response
from pydantic import ValidationError

from portal import connections, versions
from portal.callers import Call
from portal.catalogue import CATALOGUE, spelled
from portal.fields import AppPath
from portal.pages import routes
from portal.pages.developing import read
from portal.pages.views import At, onwards, page, past_the_end, told
from portal.pages.visiting import Developer
from portal.pages.wording import faults
from portal.problems import Problem

router = routes.router()
PER_PAGE = 20


@router.get("/apps/{app}/scopes")
async def grid(call: Developer, request: Request, app: AppPath) -> Response:
    """Every scope of the catalogue, with those of the latest version checked."""
    shown = await read(call, app)
    chosen = await _granted(call, app, shown["latestVersion"])
    return page(request, "scopes.html", app=shown, chosen=chosen, errors={}, catalogue=CATALOGUE)


@router.post("/apps/{app}/scopes")
async def change(call: Developer, request: Request, app: AppPath) -> Response:
    """Show what saving would do; save it when that was shown and asked for."""
    sent = await request.form()
    shown = await read(call, app)
    chosen = sorted({str(scope) for scope in sent.getlist("scope")})
    try:
        body = versions.Release.model_validate({"scopes": chosen, "expectedLatest": sent.get("expected") or None})
        if sent.get("do") == "save":
            made = told(await versions.release(call, app, body))
            return onwards(request, f"/apps/{app}/versions", f"Version {made['version']} is released.")
    except (ValidationError, Problem) as wrong:
        if isinstance(wrong, Problem) and wrong.status in {404, 410}:
            raise
        more: dict[str, Any] = {"app": shown, "chosen": chosen, "errors": faults(wrong), "catalogue": CATALOGUE}
        return page(request, "scopes.html", status=400, **more)
    diff = versions.diff(await _granted(call, app, shown["latestVersion"]), body.scopes)
    return page(request, "review.html", app=shown, chosen=body.scopes, tenants=await _running(call, app), diff=diff)


@router.get("/apps/{app}/versions")
async def history(call: Developer, request: Request, app: AppPath, at: At = 1) -> Response:
    """The version history: what came and went in each, when and by whom."""
    shown = await read(call, app)
    asked = versions.VersionListing(page=at, page_size=PER_PAGE, include_total=True)
    found = told(await versions.listed(call, app, asked))
    return past_the_end(request, found) or page(request, "versions.html", app=shown, found=found)


async def _granted(call: Call, app: int, number: int) -> list[str]:
    """The scopes of a version, each level on its own."""
    shown = told(await versions.read(call, app, number))
    return spelled(shown["scopes"])


async def _running(call: Call, app: int) -> int:
    """How many tenants run some version in production, and would have to accept the next."""
    asked = connections.ConnectionListing(
        status=["connected", "disabled"], environment="production", page_size=1, include_total=True
    )
    found: int = told(await connections.of_app(call, app, asked))["totalCount"]
    return found
