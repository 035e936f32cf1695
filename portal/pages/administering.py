"""The tenant admin's pages: API Application Access, and the scopes screen before anything is accepted."""

from typing import Annotated, Any

from fastapi import Form, Request, Response

from portal import access, client_secrets
from portal.callers import Call
from portal.catalogue import grouped, spelled
from portal.fields import AppPath, Environment, SecretPath
from portal.pages import routes
from portal.pages.views import At, onwards, page, told
from portal.pages.visiting import TenantAdmin
from portal.problems import Problem

router = routes.router()
PER_PAGE = 50
# No version has this number: a form that does not say what it showed accepts nothing.
UNSEEN = 2**31 - 1
SAID = {
    "allow": "Access is allowed.",
    "upgrade": "The new version is accepted; its scopes are in play.",
    "decline": "Nothing has changed: the version you have stays.",
    "disable": "Access is paused. The version and the client id stay.",
    "enable": "Access goes on.",
    "revoke": "Access has ended; its client id and secrets open nothing any more.",
}


@router.get("/access")
async def listed(call: TenantAdmin, request: Request, at: At = 1) -> Response:
    """The apps that this tenant may see, and which of them have a new version."""
    asked = access.AccessListing(page=at, page_size=PER_PAGE, include_total=True)
    found = told(await access.listed(call, asked))
    return page(request, "access.html", found=found)


@router.get("/access/{app}")
async def one(call: TenantAdmin, request: Request, app: AppPath, environment: Environment = "production") -> Response:
    """One app: what it asks for, what would come and go, and what can be done."""
    return await _one(call, request, app, environment)


@router.post("/access/{app}")
async def act(
    call: TenantAdmin,
    request: Request,
    app: AppPath,
    do: Annotated[str, Form()],
    environment: Environment = "production",
    shown: Annotated[int, Form(ge=0, lt=2**31)] = 0,
) -> Response:
    """Allow, upgrade, decline, disable, enable or revoke; only the version that was shown is accepted."""
    place = access.Place(environment=environment)
    try:
        match do:
            case "allow":
                await access.allow(call, app, access.Allowance(environment=environment, version=shown or UNSEEN))
            case "upgrade":
                await access.upgrade(call, app, access.Upgrade(environment=environment, version=shown or UNSEEN))
            case "disable":
                await access.disable(call, app, place)
            case "enable":
                await access.enable(call, app, place)
            case "revoke":
                await access.revoke(call, app, environment)
            case _:
                await access.decline(call, app, place)
    except Problem as problem:
        if problem.code == "not_connected" and do == "decline":
            return onwards(request, "/access", SAID["decline"])
        if problem.status != 409:
            raise
        return await _one(call, request, app, environment, trouble=problem.title)
    return onwards(request, f"/access/{app}?environment={environment}", SAID.get(do, SAID["decline"]))


@router.post("/access/{app}/secrets")
async def make_secret(
    call: TenantAdmin, request: Request, app: AppPath, environment: Environment = "production"
) -> Response:
    """A client secret, shown this once."""
    made = told(await client_secrets.create_by_tenant(call, app, environment))
    return page(request, "secret.html", secret=made, back=f"/access/{app}?environment={environment}")


@router.post("/access/{app}/secrets/{secret}/delete")
async def end_secret(
    call: TenantAdmin, request: Request, app: AppPath, secret: SecretPath, environment: Environment = "production"
) -> Response:
    """End a secret."""
    await client_secrets.withdraw_by_tenant(call, app, secret, environment)
    return onwards(request, f"/access/{app}?environment={environment}", "The secret is ended.")


async def _one(call: Call, request: Request, app: int, environment: Environment, *, trouble: str = "") -> Response:
    pending = told(await access.pending(call, app, environment))
    try:
        shown = told(await access.read(call, app, environment))
    except Problem:
        # Never allowed in this environment; the app is there in production at least.
        shown = told(await access.read(call, app, "production")) | _NOT_HERE
    secrets = []
    if shown["clientId"]:
        found = await client_secrets.listed_to_tenant(call, app, environment)
        secrets = told(found)["data"]
    more = {"one": shown, "pending": pending, "secrets": secrets, "environment": environment, "trouble": trouble}
    return page(request, "access_one.html", status=409 if trouble else 200, groups=_groups(pending), **more)


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
