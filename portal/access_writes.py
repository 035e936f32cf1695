"""The writes of the tenant's side: each is one conditional statement, so that repeating it changes nothing."""

from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from portal.endings import HAD_ACCESS
from portal.tables import availability
from portal.tables import connection as table

MINE = (
    table.c.app_id == bindparam("of_app"),
    table.c.tenant_id == bindparam("owner"),
    table.c.environment == bindparam("place"),
    table.c.removed_at.is_(None),
)
CHANGED = {"modified_at": bindparam("now"), "revision": table.c.revision + 1}
ACCEPTED: dict[str, Any] = {
    "version": bindparam("shown"),
    "version_accepted_at": bindparam("now"),
    "version_accepted_by": bindparam("who"),
}
UPGRADE = (
    update(table)
    .where(*MINE, HAD_ACCESS, table.c.version < bindparam("shown"))
    .values(**ACCEPTED, **CHANGED)
    .returning(table)
)
SWITCH = (
    update(table)
    .where(*MINE, table.c.state == bindparam("before"))
    .values(state=bindparam("after"), **CHANGED)
    .returning(table)
)

# What an allow sets on a connection, new or revived, and what only a new one gets.
LIFE = (
    "state",
    "client_id",
    "version",
    "allowed_at",
    "version_accepted_at",
    "version_accepted_by",
    "modified_at",
)
FIRST = ("organization_id", "environment", "created_at", "epoch")
_values = [bindparam(f"new_{name}", type_=table.c[name].type).label(name) for name in (*LIFE, *FIRST)]
# Selected from the app's list, so that a tenant id withdrawn a moment ago gets nothing.
_listed_still = select(availability.c.app_id, availability.c.tenant_id, *_values).where(
    availability.c.app_id == bindparam("of_app"), availability.c.tenant_id == bindparam("owner")
)
_insert = insert(table).from_select(["app_id", "tenant_id", *LIFE, *FIRST], _listed_still)
ALLOW = _insert.on_conflict_do_update(
    index_elements=["app_id", "tenant_id", "environment"],
    set_={name: _insert.excluded[name] for name in LIFE}
    | {"epoch": table.c.epoch + 1, "revision": table.c.revision + 1, "removed_at": None},
    where=~HAD_ACCESS,
).returning(table)
