"""The tenant admin's pages: API Application Access, and the scopes screen before anything is accepted."""

from typing import Annotated, Any

from fastapi import Form, Request, Response

from portal import access, client_secrets
from portal.access_views import HAD_IT
from portal.callers import Call
from portal.catalogue import grouped, spelled
from portal.fields import AppPath, Environment
from portal.living import gone
from portal.pages import routes
from portal.pages.views import At, Step, asking, confirm, onwards, page, past_the_end, told
from portal.pages.visiting import TenantAdmin
from portal.problems import Problem

router = routes.router()
PER_PAGE = 50
# No version has this number: a form that does not say what it showed accepts nothing.
UNSEEN = 2**31 - 1
SAID = {
    "allow": "Access is allowed.",
    "upgrade": "The new version is accepted; its scopes are in play.",
    "disable": "Access is paused. The version and the client ID stay.",
    "enable": "Access goes on.",
}


@router.get("/access")
async def listed(call: TenantAdmin, request: Request, at: At = 1) -> Response:
    """The apps that this tenant may see, and which of them have a new version."""
    asked = access.AccessListing(page=at, page_size=PER_PAGE, include_total=True, sort="NewVersion")
    found = told(await access.listed(call, asked))
    return past_the_end(request, found) or page(request, "access.html", found=found)


@router.get("/access/{app}")
async def one(call: TenantAdmin, request: Request, app: AppPath, environment: Environment = "production") -> Response:
    """One app: what it asks for, what would come and go, and what can be done."""
    return await app_page(call, request, app, environment)


@router.post("/access/{app}")
async def act(
    call: TenantAdmin,
    request: Request,
    app: AppPath,
    do: Annotated[str, Form()],
    environment: Environment = "production",
    shown: Annotated[int, Form(ge=0, lt=2**31)] = 0,
) -> Response:
    """Allow, upgrade, decline, disable or enable; only the version that was shown is accepted."""
    where = access.Place(environment=environment)
    try:
        match do:
            case "allow":
                await access.allow(call, app, access.Allowance(environment=environment, version=shown or UNSEEN))
            case "upgrade":
                await access.upgrade(call, app, access.Upgrade(environment=environment, version=shown or UNSEEN))
            case "disable":
                await access.disable(call, app, where)
            case "enable":
                await access.enable(call, app, where)
            case _:
                return await _declined(call, request, app, environment)
    except Problem as problem:
        if problem.status not in {404, 409}:
            raise
        return await app_page(call, request, app, environment, trouble=problem.title)
    return onwards(request, place(app, environment), SAID[do])


async def _declined(call: Call, request: Request, app: int, environment: Environment) -> Response:
    """Nothing is changed, and what that means is said."""
    pending = told(await access.pending(call, app, environment))
    mine, latest = pending["from"], pending["to"]
    said = f"Declined: the app has no access in {environment}. You can allow it at any time."
    if pending["newVersionAvailable"]:
        said = f"Declined: version {mine} stays in play. You can upgrade to version {latest} at any time."
    elif mine:
        said = f"Nothing has changed: version {mine} stays in play."
    if mine:
        await access.decline(call, app, access.Place(environment=environment))
    return onwards(request, place(app, environment), said, kind="note")


@router.get("/access/{app}/revoke")
async def ask(call: TenantAdmin, request: Request, app: AppPath, environment: Environment = "production") -> Response:
    """What revoking ends."""
    one = told(await access.read(call, app, environment))
    if not one["clientId"]:
        return await app_page(call, request, app, environment, trouble=f"The app is not connected in {environment}.")
    name = one["app"]["name"]
    lines = [
        f"Client ID {one['clientId']} stops working at once, and its secrets with it.",
        f"The scopes of version {one['version']} are not in play any more: the app reaches none of your data.",
        "You can allow the app again later; it then gets the latest version and a new client ID.",
    ]
    step = Step(back=place(app, environment), crumb=name, button="Revoke access")
    return confirm(request, asking("Revoke access of {} in {}?", name, environment), lines, step)


@router.post("/access/{app}/revoke")
async def revoke(
    call: TenantAdmin, request: Request, app: AppPath, environment: Environment = "production"
) -> Response:
    """End the access."""
    try:
        await access.revoke(call, app, environment)
    except Problem as problem:
        if problem.status != 409:
            raise
        return await app_page(call, request, app, environment, trouble=problem.title)
    said = "Access has ended; its client ID and secrets open nothing any more."
    return onwards(request, place(app, environment), said)


def place(app: int, environment: Environment) -> str:
    """The page of an app in one environment."""
    return f"/access/{app}?environment={environment}"


async def app_page(call: Call, request: Request, app: int, environment: Environment, *, trouble: str = "") -> Response:
    """The app's page, with what went wrong when something did."""
    await _still_there(call, app)
    pending = told(await access.pending(call, app, environment))
    try:
        one = told(await access.read(call, app, environment))
    except Problem:
        # Never allowed in this environment; the app is there in production at least.
        one = told(await access.read(call, app, "production")) | _NOT_HERE
    secrets = []
    if one["clientId"]:
        found = await client_secrets.listed_to_tenant(call, app, environment)
        secrets = told(found)["data"]
    more = {"one": one, "pending": pending, "secrets": secrets, "environment": environment, "trouble": trouble}
    return page(request, "access_one.html", status=409 if trouble else 200, groups=_groups(pending), **more)


async def _still_there(call: Call, app: int) -> None:
    """410 for whoever had an app that was deleted; the API's plain 404 would leave them looking for it."""
    async with call.reading() as connection:
        if (await connection.execute(HAD_IT, {"of_app": app, "owner": call.tenant})).first() is not None:
            raise gone()


_NOT_HERE = {
    "status": "notConnected",
    "enabled": False,
    "version": None,
    "clientId": None,
    "newVersionAvailable": False,
}


def _groups(pending: dict[str, Any]) -> list[dict[str, Any]]:
    """Every scope of the screen with its mark: added, removed or as before."""
    kept = dict.fromkeys(spelled(pending["scopes"]), "kept")
    return grouped(kept | dict.fromkeys(pending["added"], "add") | dict.fromkeys(pending["removed"], "del"))
