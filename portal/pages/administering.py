"""The tenant admin's pages: API Application Access."""

from typing import Annotated

import msgspec
from fastapi import Query, Request, Response

from portal import access
from portal.pages import routes
from portal.pages.views import page
from portal.pages.visiting import TenantAdmin

router = routes.router()
PER_PAGE = 50


@router.get("/access")
async def listed(
    call: TenantAdmin, request: Request, at: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1
) -> Response:
    """The apps that this tenant may see, and which of them have a new version."""
    asked = access.AccessListing(page=at, page_size=PER_PAGE, include_total=True)
    found = msgspec.json.decode((await access.listed(call, asked)).body)
    return page(request, "access.html", found=found)
