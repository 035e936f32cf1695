"""The developer's pages about an app as such: My Apps, New App, its details and its end."""

from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from pydantic import ValidationError
from starlette.datastructures import FormData

from portal import apps, connections
from portal.callers import Call
from portal.catalogue import CATALOGUE
from portal.fields import AppPath
from portal.pages import routes
from portal.pages.once import Once, once
from portal.pages.views import At, Search, onwards, page, past_the_end, told
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
async def listed(call: Developer, request: Request, at: At = 1, search: Search = "") -> Response:
    """My Apps: what each is called, who may see it, and which version is the latest."""
    asked = apps.AppListing(page=at, page_size=PER_PAGE, include_total=True, sort="Id", search=search)
    found = told(await apps.listed(call, asked))
    async with call.reading() as connection:
        running = await connections.adoption(connection, [app["id"] for app in found["data"]])
    more = {
        "found": found,
        "running": running,
        "search": search,
        "asked": urlencode({"search": search} if search else {}),
    }
    return past_the_end(request, found) or page(request, "my_apps.html", **more)


@router.get("/apps/new")
async def blank(call: Developer, request: Request) -> Response:
    """The form of a new app."""
    owner = {"organizationName": request.state.visitor.owner}
    del call
    return page(request, "new_app.html", values=EMPTY | owner, errors={}, catalogue=CATALOGUE)


@router.post("/apps/new")
async def create(call: Developer, request: Request, key: Once) -> Response:
    """Make the app, or say beside each field what is wrong with it."""
    values = _values(await request.form())
    try:
        body = apps.NewApp.model_validate(values | {"tenantIds": values["tenantIds"].replace(",", " ").split()})
        made = await once(call, request, key, lambda keyed: apps.create(keyed, body), says=body.model_dump_json())
    except (ValidationError, Problem) as wrong:
        more: dict[str, Any] = {"values": values, "errors": faults(wrong), "catalogue": CATALOGUE}
        return page(request, "new_app.html", status=400, **more)
    return onwards(request, f"/apps/{made['id']}", f"{made['name']} is created. Below are its key and what comes next.")


def _values(sent: FormData) -> dict[str, Any]:
    """What was sent, by the names of the API; a field that is missing is empty."""
    texts = {name: str(sent.get(name, "")) for name in EMPTY if name != "scopes"}
    return texts | {"scopes": [str(scope) for scope in sent.getlist("scope")]}


@router.get("/apps/{app}/delete")
async def ask(call: Developer, request: Request, app: AppPath) -> Response:
    """What deleting ends, and the name to type."""
    return await _asked(call, request, app)


@router.post("/apps/{app}/delete")
async def delete(call: Developer, request: Request, app: AppPath) -> Response:
    """End the app, if its name was typed."""
    shown = await read(call, app)
    if str((await request.form()).get("name", "")).strip() != shown["name"]:
        return await _asked(call, request, app, trouble="That is not the app's name; nothing was deleted.")
    await apps.delete(call, app)
    return onwards(request, "/apps", f"{shown['name']} is deleted, and its key with it.")


async def _asked(call: Call, request: Request, app: int, *, trouble: str = "") -> Response:
    shown = await read(call, app)
    async with call.reading() as connection:
        connected = (await connections.adoption(connection, [app]))[app].connected
    status = 400 if trouble else 200
    return page(request, "delete.html", status=status, app=shown, connected=connected, trouble=trouble)


async def read(call: Call, app: int) -> dict[str, Any]:
    """The app as the API shows it."""
    shown: dict[str, Any] = told(await apps.read(call, app))
    return shown
