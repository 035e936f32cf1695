"""The operator's pages: public apps that wait for approval, and those that were judged."""

from typing import Annotated, Any, Literal

from fastapi import Form, Request, Response
from sqlalchemy import select

from portal import approvals
from portal.answers import stamp
from portal.fields import AppPath
from portal.pages import routes
from portal.pages.views import onwards, page, told
from portal.pages.visiting import Operator
from portal.tables import Record, app, organization, version
from portal.versions import diff

router = routes.router()
SHOWN = 200
PUBLIC = (
    select(app, organization.c.name.label("organization"), version.c.scopes)
    .join(organization, organization.c.id == app.c.organization_id)
    .join(version, (version.c.app_id == app.c.id) & (version.c.number == app.c.latest_version))
    .where(app.c.distribution == "public", app.c.deleted_at.is_(None))
    # Those that wait come first, the longest wait at the top.
    .order_by(app.c.approval_status != "pending", app.c.created_at, app.c.id)
    .limit(SHOWN)
)


def _shown(row: Record) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "organization": row.organization,
        "home_page_url": row.home_page_url,
        "status": row.approval_status,
        "created_on": stamp(row.created_at),
        "scopes": diff((), row.scopes)["added"],
    }


@router.get("/approvals")
async def listed(call: Operator, request: Request) -> Response:
    """Every public app, with what it asks for."""
    async with call.reading() as connection:
        rows = (await connection.execute(PUBLIC)).all()
    return page(request, "approvals.html", apps=[_shown(row) for row in rows])


@router.post("/approvals/{number}")
async def judge(
    call: Operator, request: Request, number: AppPath, verdict: Annotated[Literal["approve", "reject"], Form()]
) -> Response:
    """Approve or reject an app, as its API does."""
    decide = approvals.approve if verdict == "approve" else approvals.reject
    done = told(await decide(call, number))
    return onwards(request, "/approvals", f"App {number} is {done['approvalStatus']}.")
