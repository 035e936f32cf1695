"""How a tenant's access ends: version and client id go, the row stays for its id and its next life."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Update, case, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from portal.callers import Call
from portal.events import TELL, about_connection, told
from portal.tables import connection

HAD_ACCESS = connection.c.state.in_(["connected", "disabled"])


def ended(now: datetime, *which: ColumnElement[bool], **more: Any) -> Update:
    """The statement that ends the access of the connections *which*, and sets *more* on them.

    Those that never had access stay `notConnected`; those whose access ended before stay `disconnected`.
    """
    return (
        update(connection)
        .where(*which)
        .values(
            state=case((HAD_ACCESS, "disconnected"), else_=connection.c.state),
            client_id=None,
            version=None,
            allowed_at=None,
            version_accepted_at=None,
            version_accepted_by=None,
            modified_at=now,
            revision=connection.c.revision + 1,
            **more,
        )
    )


async def remove(database: AsyncConnection, call: Call, app: int, *which: ColumnElement[bool]) -> None:
    """Take the connections *which* of *app* off every list, and tell of each access that ends so.

    The caller has locked the app, and so nobody allows or revokes meanwhile.
    """
    theirs = connection.c.app_id == app, connection.c.removed_at.is_(None), *which
    live = (await database.execute(select(connection).where(*theirs, HAD_ACCESS).order_by(connection.c.id))).all()
    await database.execute(ended(call.now, *theirs, removed_at=call.now))
    if live:
        events = told("connection.revoked", call.organization, app, call.now, *map(about_connection, live))
        await database.execute(TELL, events)
