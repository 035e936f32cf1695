"""The developer's page about one app: its key, how far it has come, and what can be edited of it."""

from typing import Any

from fastapi import Request, Response
from pydantic import ValidationError
from starlette.datastructures import FormData

from portal import apps, connections
from portal.callers import Call
from portal.fields import AppPath
from portal.pages import routes
from portal.pages.views import onwards, page, told
from portal.pages.visiting import Developer
from portal.pages.wording import faults
from portal.problems import Problem

router = routes.router()
LABELS = {
    "name": "Application name",
    "organizationName": "Organization name",
    "homePageUrl": "Home page URL",
    "credentialManagement": "Who makes client secrets",
}
MODES = {"resourceOwner": "each tenant's admin", "developer": "the developer"}


@router.get("/apps/{app}")
async def details(call: Developer, request: Request, app: AppPath) -> Response:
    """An app with its key, and what can be edited of it."""
    return await _page(call, request, app)


@router.post("/apps/{app}")
async def edit(call: Developer, request: Request, app: AppPath) -> Response:
    """Change its names or its address; what somebody else changed meanwhile is shown before it is written over."""
    sent = await request.form()
    typed = {name: str(sent.get(name, "")) for name in LABELS}
    try:
        body = apps.Edit.model_validate(typed)
        await apps.edit(call, app, body, if_match=await _tag(call, app, sent))
    except (ValidationError, Problem) as wrong:
        if isinstance(wrong, Problem) and wrong.status in {404, 410}:
            raise
        if isinstance(wrong, Problem) and wrong.status == 412:
            return await _page(call, request, app, typed=typed, before=_before(sent))
        return await _page(call, request, app, typed=typed, errors=faults(wrong))
    return onwards(request, f"/apps/{app}", "Saved.")


async def _tag(call: Call, app: int, sent: FormData) -> str:
    """The tag to edit by: that of the form, unless nothing that the form shows has changed since.

    An app's tag also changes with its tenants and its versions, which nobody writes over here.
    """
    answer = await apps.read(call, app)
    before = _before(sent)
    untouched = all(before[name] == told(answer)[name] for name in LABELS)
    return answer.headers["etag"] if untouched else str(sent.get("tag", ""))


def _before(sent: FormData) -> dict[str, str]:
    """What the fields held when the form was shown."""
    return {name: str(sent.get(f"before-{name}", "")) for name in LABELS}


async def _page(
    call: Call,
    request: Request,
    app: int,
    *,
    typed: dict[str, str] | None = None,
    before: dict[str, str] | None = None,
    errors: dict[str, list[str]] | None = None,
) -> Response:
    """The app as it is now, with what was *typed* and could not be saved still in the fields."""
    answer = await apps.read(call, app)
    shown: dict[str, Any] = told(answer)
    async with call.reading() as connection:
        running = (await connections.adoption(connection, [app]))[app]
    more: dict[str, Any] = {
        "app": shown,
        "values": shown | (typed or {}),
        "tag": answer.headers["etag"],
        "running": running,
    }
    trouble = _meanwhile(shown, before) if before is not None else ""
    status = 409 if before is not None else 400 if errors else 200
    return page(request, "app.html", status=status, trouble=trouble, errors=errors or {}, labels=LABELS, **more)


def _meanwhile(shown: dict[str, Any], before: dict[str, str]) -> str:
    """What somebody else changed since the form was shown, and what saving again would do."""
    changed = [
        f"{words} is now \u201c{MODES.get(shown[name], shown[name])}\u201d"
        for name, words in LABELS.items()
        if shown[name] != before[name]
    ]
    what = "; ".join(changed) or "something else of it"
    return f"Not saved: somebody changed the app meanwhile: {what}. What you typed is still below; Save writes over it."
