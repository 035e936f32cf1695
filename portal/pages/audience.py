"""The developer's pages about tenants: who may see an app, and View Connections."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Form, Request, Response
from pydantic import ValidationError

from portal import availability, client_secrets, connections
from portal.callers import Call
from portal.fields import AppPath, ConnectionPath, TenantPath
from portal.listing import Paging
from portal.pages import routes
from portal.pages.developing import read
from portal.pages.views import At, faults, onwards, page, told
from portal.pages.visiting import Developer
from portal.problems import Problem

router = routes.router()
PER_PAGE = 50


@router.get("/apps/{app}/tenants")
async def tenants(call: Developer, request: Request, app: AppPath, at: At = 1) -> Response:
    """Who may see the app."""
    return await _tenants(call, request, app, at=at)


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
    return onwards(request, f"/apps/{app}/tenants", f"{done['added']} added; {done['availabilityCount']} in all.")


@router.post("/apps/{app}/tenants/{tenant}/delete")
async def withdraw(call: Developer, request: Request, app: AppPath, tenant: TenantPath) -> Response:
    """Hide the app from a tenant; access it had ends."""
    await availability.withdraw(call, app, tenant)
    return onwards(request, f"/apps/{app}/tenants", f"Tenant {tenant} does not see the app any more.")


async def _tenants(
    call: Call,
    request: Request,
    app: int,
    *,
    at: int = 1,
    ids: str = "",
    errors: dict[str, list[str]] | None = None,
    status: int = 200,
) -> Response:
    shown = await read(call, app)
    asked = Paging(page=at, page_size=PER_PAGE, include_total=True)
    found = told(await availability.listed(call, app, asked))
    more = {"app": shown, "found": found, "ids": ids, "errors": errors or {}, "limit": availability.LIMIT}
    return page(request, "tenants.html", status=status, **more)


@router.get("/apps/{app}/connections")
async def listed(call: Developer, request: Request, app: AppPath, at: At = 1) -> Response:
    """View Connections: which tenants use the app, on which version, with which scopes in play."""
    wanted = {name: value for name, value in request.query_params.items() if name in FILTERS and value}
    shown = await read(call, app)
    try:
        asked = connections.ConnectionListing.model_validate(
            wanted | {"page": at, "pageSize": PER_PAGE, "includeTotal": True}
        )
        found = told(await connections.of_app(call, app, asked))
    except ValidationError as wrong:
        none = {"data": [], "page": 1, "pageSize": PER_PAGE, "hasMore": False, "totalCount": 0}
        return _page(request, shown, none, wanted, faults(wrong))
    return _page(request, shown, found, wanted, {})


@router.post("/apps/{app}/connections/{number}/secret")
async def make_secret(call: Developer, request: Request, app: AppPath, number: ConnectionPath) -> Response:
    """A client secret for a tenant, shown this once."""
    made = told(await client_secrets.create(call, app, number))
    return page(request, "secret.html", secret=made, back=f"/apps/{app}/connections")


FILTERS = ("search", "status", "environment", "version")


def _page(
    request: Request, app: dict[str, Any], found: Any, wanted: dict[str, str], errors: dict[str, list[str]]
) -> Response:
    filters = dict.fromkeys(FILTERS, "") | wanted
    more = {"app": app, "found": found, "filters": filters, "errors": errors, "asked": urlencode(wanted)}
    return page(request, "connections.html", status=400 if errors else 200, **more)
