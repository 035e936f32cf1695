"""Finding an app for its own organization: alive, deleted, or not to be seen."""

from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from portal.callers import Call
from portal.problems import Problem, missing
from portal.tables import Record, app

FIND = select(app).where(app.c.id == bindparam("wanted"), app.c.organization_id == bindparam("owner"))
LOCK = FIND.with_for_update(key_share=True)
SHARE = FIND.with_for_update(read=True)


def gone() -> Problem:
    """410 for an app that was there."""
    return Problem(410, "app_deleted", "The app is deleted.")


async def _one(connection: AsyncConnection, statement: Any, call: Call, number: int) -> Record:
    row: Record | None = (await connection.execute(statement, {"wanted": number, "owner": call.organization})).first()
    if row is None:
        raise missing("app")
    if row.deleted_at is not None:
        raise gone()
    return row


async def living_app(connection: AsyncConnection, call: Call, number: int) -> Record:
    """The caller's app *number*; 404 when it is another's or none, 410 when it is deleted."""
    return await _one(connection, FIND, call, number)


async def shared_app(connection: AsyncConnection, call: Call, number: int) -> Record:
    """The same, and nothing about the app itself changes until the transaction ends; many may hold it so."""
    return await _one(connection, SHARE, call, number)


async def locked_app(connection: AsyncConnection, call: Call, number: int) -> Record:
    """The same, locked until the transaction ends: changes to one app come one after another.

    Everywhere the app's row is locked before any of its connections, so that no two calls wait for each other.
    """
    return await _one(connection, LOCK, call, number)
