"""The developer's pages: My Apps."""

from typing import Annotated

import msgspec
from fastapi import Query, Request, Response

from portal import apps
from portal.pages import routes
from portal.pages.views import page
from portal.pages.visiting import Developer

router = routes.router()
PER_PAGE = 50


@router.get("/apps")
async def listed(
    call: Developer, request: Request, at: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1
) -> Response:
    """My Apps: what each is called, who may see it, and which version is the latest."""
    asked = apps.AppListing(page=at, page_size=PER_PAGE, include_total=True, sort="Id")
    found = msgspec.json.decode((await apps.listed(call, asked)).body)
    return page(request, "my_apps.html", found=found)
