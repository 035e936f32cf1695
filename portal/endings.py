"""How a tenant's access ends: version and client id go, the row stays for its id and its next life."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Update, case, update

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


def removed(now: datetime, *which: ColumnElement[bool]) -> Update:
    """The statement that ends the access of the connections *which* and takes them off every list."""
    return ended(now, *which, connection.c.removed_at.is_(None), removed_at=now)
