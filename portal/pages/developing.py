"""The developer's pages about an app as such: My Apps, New App, its details and its end."""

from typing import Any

from fastapi import Request, Response
from pydantic import ValidationError
from starlette.datastructures import FormData

from portal import apps
from portal.callers import Call
from portal.catalogue import CATALOGUE
from portal.fields import AppPath
from portal.pages import routes
from portal.pages.views import At, onwards, page, past_the_end, told
from portal.pages.visiting import Developer
from portal.pages.wording import faults
from portal.problems import Problem

router = routes.router()
PER_PAGE = 50
EMPTY = {
    "name": "",
    "organizationName": "",
    "homePageUrl": "",
    "distribution": "public",
    "credentialManagement": "resourceOwner",
    "tenantIds": "",
    "scopes": [],
}


@router.get("/apps")
async def listed(call: Developer, request: Request, at: At = 1) -> Response:
    """My Apps: what each is called, who may see it, and which version is the latest."""
    asked = apps.AppListing(page=at, page_size=PER_PAGE, include_total=True, sort="Id")
    found = told(await apps.listed(call, asked))
    return past_the_end(request, found) or page(request, "my_apps.html", found=found)


@router.get("/apps/new")
async def blank(call: Developer, request: Request) -> Response:
    """The form of a new app."""
    owner = {"organizationName": request.state.visitor.owner}
    del call
    return page(request, "new_app.html", values=EMPTY | owner, errors={}, catalogue=CATALOGUE)


@router.post("/apps/new")
async def create(call: Developer, request: Request) -> Response:
    """Make the app, or say beside each field what is wrong with it."""
    values = _values(await request.form())
    try:
        body = apps.NewApp.model_validate(values | {"tenantIds": values["tenantIds"].replace(",", " ").split()})
        made = told(await apps.create(call, body))
    except (ValidationError, Problem) as wrong:
        more: dict[str, Any] = {"values": values, "errors": faults(wrong), "catalogue": CATALOGUE}
        return page(request, "new_app.html", status=400, **more)
    return onwards(request, f"/apps/{made['id']}", f"{made['name']} is made. Below is its key.")


def _values(sent: FormData) -> dict[str, Any]:
    """What was sent, by the names of the API; a field that is missing is empty."""
    texts = {name: str(sent.get(name, "")) for name in EMPTY if name != "scopes"}
    return texts | {"scopes": [str(scope) for scope in sent.getlist("scope")]}


@router.get("/apps/{app}")
async def details(call: Developer, request: Request, app: AppPath) -> Response:
    """An app with its key, and what can be edited of it."""
    return await _details(call, request, app, errors={})


@router.post("/apps/{app}")
async def edit(call: Developer, request: Request, app: AppPath) -> Response:
    """Change its names or its address, unless somebody else did since the page was opened."""
    sent = await request.form()
    names = ("name", "organizationName", "homePageUrl", "credentialManagement")
    try:
        body = apps.Edit.model_validate({name: str(sent.get(name, "")) for name in names})
        await apps.edit(call, app, body, if_match=str(sent.get("tag", "")))
    except (ValidationError, Problem) as wrong:
        if isinstance(wrong, Problem) and wrong.status in {404, 410}:
            raise
        return await _details(call, request, app, errors=faults(wrong), status=400)
    return onwards(request, f"/apps/{app}", "Saved.")


async def _details(
    call: Call, request: Request, app: int, *, errors: dict[str, list[str]], status: int = 200
) -> Response:
    answer = await apps.read(call, app)
    shown = told(answer)
    return page(request, "app.html", status=status, app=shown, tag=answer.headers["etag"], errors=errors)


@router.get("/apps/{app}/delete")
async def ask(call: Developer, request: Request, app: AppPath) -> Response:
    """What deleting ends, and the name to type."""
    return page(request, "delete.html", app=await read(call, app), wrong=False)


@router.post("/apps/{app}/delete")
async def delete(call: Developer, request: Request, app: AppPath) -> Response:
    """End the app, if its name was typed."""
    shown = await read(call, app)
    if str((await request.form()).get("name", "")).strip() != shown["name"]:
        return page(request, "delete.html", status=400, app=shown, wrong=True)
    await apps.delete(call, app)
    return onwards(request, "/apps", f"{shown['name']} is deleted, and its key with it.")


async def read(call: Call, app: int) -> dict[str, Any]:
    """The app as the API shows it."""
    shown: dict[str, Any] = told(await apps.read(call, app))
    return shown
