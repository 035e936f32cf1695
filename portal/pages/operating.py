"""The operator's pages: public apps that wait for approval, and those that were judged."""

from typing import Annotated, Any, Literal

from fastapi import Form, Request, Response
from sqlalchemy import bindparam, select

from portal import approvals
from portal.answers import stamp
from portal.callers import Call
from portal.catalogue import grouped
from portal.fields import AppPath
from portal.pages import routes
from portal.pages.views import Step, asking, confirm, onwards, page
from portal.pages.visiting import Operator
from portal.problems import Problem, missing
from portal.tables import Record, app, organization, version

router = routes.router()
SHOWN = 200
PUBLIC = (
    select(app, organization.c.name.label("organization"), version.c.scopes)
    .join(organization, organization.c.id == app.c.organization_id)
    .join(version, (version.c.app_id == app.c.id) & (version.c.number == app.c.latest_version))
    .where(app.c.distribution == "public", app.c.deleted_at.is_(None))
    # Those that wait come first, the longest wait at the top; then the last that were judged.
    .order_by(app.c.approval_status != "pending", app.c.judged_at.desc().nulls_first(), app.c.created_at, app.c.id)
    .limit(SHOWN)
)
ONE = (
    select(app.c.name, app.c.approval_status, organization.c.name.label("organization"))
    .join(organization, organization.c.id == app.c.organization_id)
    .where(app.c.id == bindparam("wanted"), app.c.distribution == "public")
)


def _shown(row: Record) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "organization": row.organization,
        "home_page_url": row.home_page_url,
        "status": row.approval_status,
        "created_on": stamp(row.created_at),
        "judged_on": stamp(row.judged_at),
        "judged_by": row.judged_by,
        "groups": grouped(dict.fromkeys(row.scopes, "kept")),
        "count": len(row.scopes),
    }


@router.get("/approvals")
async def listed(call: Operator, request: Request) -> Response:
    """Every public app, with what it asks for."""
    return await _page(call, request)


@router.get("/approvals/{number}/reject")
async def ask(call: Operator, request: Request, number: AppPath) -> Response:
    """What rejecting an app means."""
    found = await _named(call, number)
    if found.approval_status == "approved":
        return await _page(call, request, trouble=_settled(found.name))
    lines = [
        "No tenant sees it, whatever tenant IDs its developer adds.",
        "You can still approve it later; once approved, an app cannot be rejected any more.",
    ]
    step = Step(
        back="/approvals", crumb="Approvals", button="Reject", sends={"verdict": "reject"}, to=f"/approvals/{number}"
    )
    return confirm(request, asking("Reject {} of {}?", found.name, found.organization), lines, step)


@router.post("/approvals/{number}")
async def judge(
    call: Operator, request: Request, number: AppPath, verdict: Annotated[Literal["approve", "reject"], Form()]
) -> Response:
    """Approve or reject an app, as its API does."""
    name = (await _named(call, number)).name
    decide = approvals.approve if verdict == "approve" else approvals.reject
    try:
        await decide(call, number)
    except Problem as problem:
        if problem.code != "approval_settled":
            raise
        return await _page(call, request, trouble=_settled(name))
    if verdict == "approve":
        return onwards(request, "/approvals", f"{name} is approved; its tenants see it from now on.")
    return onwards(request, "/approvals", f"{name} is rejected; no tenant sees it.", kind="note")


async def _page(call: Call, request: Request, *, trouble: str = "") -> Response:
    async with call.reading() as connection:
        rows = (await connection.execute(PUBLIC)).all()
    shown = [_shown(row) for row in rows]
    waiting = [one for one in shown if one["status"] == "pending"]
    settled = [one for one in shown if one["status"] != "pending"]
    status = 409 if trouble else 200
    return page(request, "approvals.html", status=status, waiting=waiting, settled=settled, trouble=trouble)


async def _named(call: Call, number: int) -> Record:
    """The public app *number*, alive or not: what its API says of it comes when it is judged."""
    async with call.reading() as connection:
        row: Record | None = (await connection.execute(ONE, {"wanted": number})).first()
    if row is None:
        raise missing("app")
    return row


def _settled(name: str) -> str:
    return f"{name} is approved already, and an approved app cannot be rejected any more. Nothing has changed."
