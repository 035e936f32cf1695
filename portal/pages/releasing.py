"""The developer's pages about scopes: the grid, what saving it would do, and the version history."""

from typing import Any

from fastapi import Request, Response
from pydantic import ValidationError

from portal import connections, versions
from portal.callers import Call
from portal.catalogue import CATALOGUE, grouped, spelled
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
    return page(request, "scopes.html", app=shown, chosen=chosen, own=False, news="", catalogue=CATALOGUE)


@router.post("/apps/{app}/scopes")
async def change(call: Developer, request: Request, app: AppPath) -> Response:
    """Show what saving would do; save it when that was shown and asked for; or go on choosing."""
    sent = await request.form()
    shown = await read(call, app)
    chosen = sorted({str(scope) for scope in sent.getlist("scope")})
    more: dict[str, Any] = {"app": shown, "chosen": chosen, "own": True, "news": "", "catalogue": CATALOGUE}
    try:
        body = versions.Release.model_validate({"scopes": chosen, "expectedLatest": sent.get("expected") or None})
        more["news"] = await _news(call, app, body.expected_latest, shown["latestVersion"])
        if sent.get("do") == "save":
            made = told(await versions.release(call, app, body))
            return onwards(request, f"/apps/{app}/versions", f"Version {made['version']} is released.")
    except (ValidationError, Problem) as wrong:
        if isinstance(wrong, Problem) and wrong.status in {404, 410}:
            raise
        late = isinstance(wrong, Problem) and wrong.code == "version_conflict"
        said = {"trouble": f"Nothing was saved. {more['news']}", "news": ""} if late else {"errors": faults(wrong)}
        return page(request, "scopes.html", status=409 if late else 400, **(more | said))
    if sent.get("do") == "edit":
        return page(request, "scopes.html", **more)
    diff = versions.diff(await _granted(call, app, shown["latestVersion"]), body.scopes)
    groups = grouped(dict.fromkeys(diff["added"], "add") | dict.fromkeys(diff["removed"], "del"))
    more |= {"groups": groups, "diff": diff, "tenants": await _running(call, app)}
    return page(request, "review.html", **more)


async def _news(call: Call, app: int, read_at: int | None, latest: int) -> str:
    """What came out while the visitor was choosing, and what that means; empty when nothing did."""
    if read_at is None or read_at >= latest:
        return ""
    changed = told(await versions.difference(call, app, latest, before=read_at))
    marks = [*(f"+ {scope}" for scope in changed["added"]), *(f"− {scope}" for scope in changed["removed"])]  # noqa: RUF001
    what = ", ".join(marks) or "the same scopes again"
    return f"Version {latest} was released meanwhile ({what}). Your choice is compared with that version now."


@router.get("/apps/{app}/versions")
async def history(call: Developer, request: Request, app: AppPath, at: At = 1) -> Response:
    """The version history: what came and went in each, when and by whom."""
    shown = await read(call, app)
    asked = versions.VersionListing(page=at, page_size=PER_PAGE, include_total=True)
    found = told(await versions.listed(call, app, asked))
    for one in found["data"]:
        every = spelled(one["scopes"])
        one["count"], one["whole"] = len(every), grouped(dict.fromkeys(every, "kept"))
        one["changes"] = grouped(dict.fromkeys(one["added"], "add") | dict.fromkeys(one["removed"], "del"))
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
