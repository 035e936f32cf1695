"""The developer's pages about scopes: the grid, what saving it would do, and the version history."""

from typing import Annotated, Any

import msgspec
from fastapi import Query, Request, Response
from pydantic import ValidationError

from portal import connections, versions
from portal.callers import Call
from portal.catalogue import CATALOGUE
from portal.fields import AppPath
from portal.pages import routes
from portal.pages.developing import read
from portal.pages.views import faults, onwards, page
from portal.pages.visiting import Developer
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
            made = msgspec.json.decode((await versions.release(call, app, body)).body)
            return onwards(request, f"/apps/{app}/versions", f"Version {made['version']} is released.")
    except (ValidationError, Problem) as wrong:
        if isinstance(wrong, Problem) and wrong.status in {404, 410}:
            raise
        more = {"app": shown, "chosen": chosen, "errors": faults(wrong), "catalogue": CATALOGUE}
        return page(request, "scopes.html", status=400, **more)
    diff = versions.diff(await _granted(call, app, shown["latestVersion"]), body.scopes)
    return page(request, "review.html", app=shown, chosen=body.scopes, tenants=await _running(call, app), diff=diff)


@router.get("/apps/{app}/versions")
async def history(
    call: Developer, request: Request, app: AppPath, at: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1
) -> Response:
    """The version history: what came and went in each, when and by whom."""
    shown = await read(call, app)
    asked = versions.VersionListing(page=at, page_size=PER_PAGE, include_total=True)
    found = msgspec.json.decode((await versions.listed(call, app, asked)).body)
    return page(request, "versions.html", app=shown, found=found)


async def _granted(call: Call, app: int, number: int) -> list[str]:
    """The scopes of a version, each level on its own."""
    shown = msgspec.json.decode((await versions.read(call, app, number)).body)
    return [f"{one['name']}:{level}" for one in shown["scopes"] for level in _levels(one)]


def _levels(scope: dict[str, Any]) -> str:
    return ("r" if scope["view"] else "") + ("w" if scope["modify"] else "")


async def _running(call: Call, app: int) -> int:
    """How many tenants run some version in production, and would have to accept the next."""
    asked = connections.ConnectionListing(
        status=["connected", "disabled"], environment="production", page_size=1, include_total=True
    )
    found: int = msgspec.json.decode((await connections.of_app(call, app, asked)).body)["totalCount"]
    return found
