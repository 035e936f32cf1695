"""The operator's side: a public app is approved or rejected, once, before any tenant sees it."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Response
from sqlalchemy import Connection, select, update

from portal import routes, shapes
from portal.answers import json_answer, stamp
from portal.callers import Call, operator
from portal.events import TELL, told
from portal.fields import AppPath
from portal.idempotency import ONCE
from portal.living import gone
from portal.problems import Problem, missing
from portal.tables import app
from portal.tables import connection as connection_table

router = routes.router("operator", prefix="/operator/apps")
Operator = Annotated[Call, Depends(operator("op.app.approvals:w"))]
Verdict = Literal["approved", "rejected"]


@router.post("/{app}/approve", dependencies=ONCE, response_model=shapes.Approval)
async def approve(call: Operator, app: AppPath) -> Response:
    """Let the app's tenants see it; approving it again changes nothing."""
    return await _judged(call, app, "approved")


@router.post("/{app}/reject", dependencies=ONCE, response_model=shapes.Approval)
async def reject(call: Operator, app: AppPath) -> Response:
    """Keep the app from its tenants; an approved one cannot be rejected any more."""
    return await _judged(call, app, "rejected")


async def _judged(call: Call, number: int, verdict: Verdict) -> Response:
    async with call.writing() as connection:
        return json_answer(await connection.run_sync(judge, number, verdict, call.moment.now, call.name))


def judge(
    connection: Connection, number: int, verdict: Verdict, clock: Callable[[], datetime], who: str
) -> dict[str, Any]:
    """Give the *verdict* on app *number*; its connections change with it, for tenants may act from now on.

    The time is read from *clock* when the app is locked.
    """
    row = connection.execute(select(app).where(app.c.id == number).with_for_update()).first()
    if row is None:
        raise missing("app")
    if row.deleted_at is not None:
        raise gone()
    if row.approval_status == "notRequired" or (row.approval_status == "approved" and verdict == "rejected"):
        raise Problem(409, "approval_settled", f"The app's approval is settled: {row.approval_status}.")
    if row.approval_status == verdict:
        return {"id": number, "approvalStatus": verdict, "approvedOn": stamp(row.approved_at)}
    now = clock()
    approved_at = now if verdict == "approved" else None
    connection.execute(
        update(app)
        .where(app.c.id == number)
        .values(approval_status=verdict, approved_at=approved_at, judged_at=now, judged_by=who, modified_at=now)
    )
    _touch(connection, number, now)
    if verdict == "approved":
        connection.execute(TELL, told("app.approved", row.organization_id, number, now, {}))
    return {"id": number, "approvalStatus": verdict, "approvedOn": stamp(approved_at)}


def _touch(connection: Connection, number: int, now: datetime) -> None:
    """Readers of changes must see that `awaitingApproval` became `notConnected`."""
    rows = connection_table
    connection.execute(
        update(rows)
        .where(rows.c.app_id == number, rows.c.removed_at.is_(None))
        .values(modified_at=now, revision=rows.c.revision + 1)
    )
