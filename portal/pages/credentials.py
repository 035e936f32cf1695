"""Client secrets on both sides' pages: made once, shown once, and revoked after a question."""

from typing import Any

from fastapi import Request, Response
from markupsafe import Markup

from portal import access, client_secrets, connections
from portal.fields import AppPath, ConnectionPath, Environment, SecretPath
from portal.pages import administering, audience, routes
from portal.pages.developing import read
from portal.pages.once import Once, once
from portal.pages.views import Step, asking, confirm, onwards, page, told, when
from portal.pages.visiting import Developer, TenantAdmin
from portal.problems import Problem, missing

router = routes.router()
GONE = "The secret is revoked; no token can be fetched with it any more."


@router.post("/access/{app}/secrets")
async def make(
    call: TenantAdmin, request: Request, app: AppPath, key: Once, environment: Environment = "production"
) -> Response:
    """A client secret, shown this once."""
    try:
        made = await once(call, request, key, lambda keyed: client_secrets.create_by_tenant(keyed, app, environment))
    except Problem as problem:
        if problem.status != 409:
            raise
        return await administering.app_page(call, request, app, environment, trouble=problem.title)
    seen = told(await access.read(call, app, environment))
    more = {"app": seen["app"], "tenant": request.state.visitor.owner, "environment": environment}
    return page(request, "secret.html", secret=made, back=administering.place(app, environment), **more)


@router.get("/access/{app}/secrets/{secret}/delete")
async def ask(
    call: TenantAdmin, request: Request, app: AppPath, secret: SecretPath, environment: Environment = "production"
) -> Response:
    """What revoking a secret ends."""
    seen = told(await access.read(call, app, environment))
    found = told(await client_secrets.listed_to_tenant(call, app, environment))["data"]
    step = Step(back=administering.place(app, environment), crumb=seen["app"]["name"], button="Revoke secret")
    return _ask(request, found, secret, step, asking("of {} in {}", seen["app"]["name"], environment))


@router.post("/access/{app}/secrets/{secret}/delete")
async def revoke(
    call: TenantAdmin, request: Request, app: AppPath, secret: SecretPath, environment: Environment = "production"
) -> Response:
    """Revoke a secret."""
    await client_secrets.withdraw_by_tenant(call, app, secret, environment)
    return onwards(request, administering.place(app, environment), GONE)


@router.post("/apps/{app}/connections/{number}/secret")
async def make_for_tenant(
    call: Developer, request: Request, app: AppPath, number: ConnectionPath, key: Once
) -> Response:
    """A client secret for a tenant, shown this once."""
    try:
        made = await once(call, request, key, lambda keyed: client_secrets.create(keyed, app, number))
    except Problem as problem:
        if problem.status != 409:
            raise
        return await audience.connections_page(call, request, app, trouble=problem.title)
    seen = told(await connections.read(call, app, number))
    more = {"app": await read(call, app), "tenant": seen["resourceOwner"]["name"], "environment": seen["environment"]}
    return page(request, "secret.html", secret=made, back=f"/apps/{app}/connections", **more)


@router.get("/apps/{app}/connections/{number}/secrets/{secret}/delete")
async def ask_for_tenant(
    call: Developer, request: Request, app: AppPath, number: ConnectionPath, secret: SecretPath
) -> Response:
    """What revoking a tenant's secret ends."""
    seen = told(await connections.read(call, app, number))
    name = (await read(call, app))["name"]
    step = Step(back=f"/apps/{app}/connections", crumb=name, button="Revoke secret")
    whose = asking("of {} for {} in {}", seen["resourceOwner"]["name"], name, seen["environment"])
    return _ask(request, seen["clientSecrets"], secret, step, whose)


@router.post("/apps/{app}/connections/{number}/secrets/{secret}/delete")
async def revoke_for_tenant(
    call: Developer, request: Request, app: AppPath, number: ConnectionPath, secret: SecretPath
) -> Response:
    """Revoke a tenant's secret."""
    await client_secrets.withdraw(call, app, number, secret)
    return onwards(request, f"/apps/{app}/connections", GONE)


def _ask(request: Request, found: list[dict[str, Any]], secret: int, step: Step, whose: Markup) -> Response:
    one = next((one for one in found if one["id"] == secret), None)
    if one is None:
        raise missing("client secret")
    others = "The other secret goes on working."
    lines = [
        f"It was created on {when(one['createdOn'])} by {one['createdBy']}.",
        "No token can be fetched with it any more. There is no way back, but a new secret can be created.",
        others if len(found) > 1 else "It is the only one: until there is another, the app cannot fetch a token.",
    ]
    question = Markup("Revoke secret {}… {}?").format(one["valuePrefix"], whose)
    return confirm(request, question, lines, step)
