"""The developer's pages about tenants: who may see an app, and View Connections."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Form, Request, Response
from pydantic import ValidationError

from portal import availability, connections
from portal.callers import Call
from portal.fields import AppPath, TenantPath
from portal.pages import routes
from portal.pages.developing import read
from portal.pages.views import STATUSES, At, Search, Step, asking, confirm, onwards, page, past_the_end, told
from portal.pages.visiting import Developer
from portal.pages.wording import faults
from portal.problems import Problem

router = routes.router()
PER_PAGE = 50
EVERYBODY = availability.Audience(page_size=PER_PAGE, include_total=True)


@router.get("/apps/{app}/tenants")
async def tenants(call: Developer, request: Request, app: AppPath, at: At = 1, search: Search = "") -> Response:
    """Who may see the app."""
    asked = availability.Audience(page=at, page_size=PER_PAGE, include_total=True, search=search)
    return await _tenants(call, request, app, asked)


@router.post("/apps/{app}/tenants")
async def add(call: Developer, request: Request, app: AppPath, ids: Annotated[str, Form()] = "") -> Response:
    """Add tenant ids, all of them or none."""
    try:
        body = availability.Entries.model_validate({"tenantIds": ids.replace(",", " ").split()})
        done = told(await availability.add(call, app, body))
    except (ValidationError, Problem) as wrong:
        if isinstance(wrong, Problem) and wrong.status == 410:
            raise
        return await _tenants(call, request, app, ids=ids, errors=faults(wrong), status=400)
    added, there = done["added"], done["availabilityCount"]
    if not added:
        return onwards(
            request, f"/apps/{app}/tenants", "All of these were there already; nothing changed.", kind="note"
        )
    said = f"{added} tenant ID{'' if added == 1 else 's'} added; {there} in all."
    return onwards(request, f"/apps/{app}/tenants", said)


@router.get("/apps/{app}/tenants/{tenant}/delete")
async def ask(call: Developer, request: Request, app: AppPath, tenant: TenantPath) -> Response:
    """What deleting a tenant id ends, for a tenant by name."""
    entry = told(await availability.read(call, app, tenant))["resourceOwner"]
    asked = connections.ConnectionListing(resource_owner=[tenant])
    theirs = [row for row in told(await connections.of_app(call, app, asked))["data"] if row["clientId"]]
    lines = [
        f"In {row['environment']} it is {STATUSES[row['status']]} on version {row['version']}: this access ends,"
        f" and client ID {row['clientId']} stops working at once."
        for row in theirs
    ]
    if not theirs:
        lines = ["This tenant is not connected: nothing stops working, it only does not see the app any more."]
    lines.append("You can add the tenant ID again; then its admin has to allow the app anew.")
    name = (await read(call, app))["name"]
    step = Step(back=f"/apps/{app}/tenants", crumb=name, button="Delete tenant ID")
    return confirm(request, asking("Delete {} ({}) from {}?", entry["name"], tenant, name), lines, step)


@router.post("/apps/{app}/tenants/{tenant}/delete")
async def withdraw(call: Developer, request: Request, app: AppPath, tenant: TenantPath) -> Response:
    """Hide the app from a tenant; access it had ends."""
    await availability.withdraw(call, app, tenant)
    return onwards(request, f"/apps/{app}/tenants", f"Tenant {tenant} does not see the app any more.")


async def _tenants(
    call: Call,
    request: Request,
    app: int,
    asked: availability.Audience = EVERYBODY,
    *,
    ids: str = "",
    errors: dict[str, list[str]] | None = None,
    status: int = 200,
) -> Response:
    shown = await read(call, app)
    found = told(await availability.listed(call, app, asked))
    more = {"app": shown, "found": found, "ids": ids, "errors": errors or {}, "limit": availability.LIMIT}
    more |= {"search": asked.search or "", "asked": urlencode({"search": asked.search} if asked.search else {})}
    return past_the_end(request, found) or page(request, "tenants.html", status=status, **more)


@router.get("/apps/{app}/connections")
async def listed(call: Developer, request: Request, app: AppPath, at: At = 1) -> Response:
    """View Connections: which tenants use the app, on which version, with which scopes in play."""
    return await connections_page(call, request, app, at=at)


FILTERS = ("search", "status", "environment", "version")
# Of the versions that can be chosen: all but the latest.
OLDER = "older"


async def connections_page(call: Call, request: Request, app: int, *, at: int = 1, trouble: str = "") -> Response:
    """The connections that the address asks for, with what went wrong when something did."""
    shown = await read(call, app)
    wanted = {name: value for name, value in request.query_params.items() if name in FILTERS and value}
    more: dict[str, Any] = {"app": shown, "filters": dict.fromkeys(FILTERS, "") | wanted, "asked": urlencode(wanted)}
    versions = [str(number) for number in range(shown["latestVersion"], 0, -1)]
    more |= {"versions": versions, "trouble": trouble}
    try:
        asked = _asked(wanted, versions, at)
        found = told(await connections.of_app(call, app, asked))
    except ValidationError as wrong:
        return page(request, "connections.html", status=400, found=None, errors=faults(wrong), **more)
    beyond = past_the_end(request, found)
    return beyond or page(request, "connections.html", status=409 if trouble else 200, found=found, **more)


def _asked(wanted: dict[str, str], versions: list[str], at: int) -> connections.ConnectionListing:
    """The API's own question; a version that does not exist is none."""
    query: dict[str, Any] = wanted | {"page": at, "pageSize": PER_PAGE, "includeTotal": True}
    version = query.pop("version", "")
    if version == OLDER:
        query["versionLessThan"] = versions[0]
    elif version:
        query["version"] = version if version in versions else 0
    return connections.ConnectionListing.model_validate(query)
