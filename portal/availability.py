"""Availability: the tenant ids to which an app is visible, added and withdrawn at any time."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Depends, Query, Response
from pydantic import Field
from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from portal import routes, shapes
from portal.answers import json_answer, stamp
from portal.callers import Call, developer
from portal.endings import remove
from portal.events import tell
from portal.fields import AppPath, Body, Note, TenantId, TenantPath
from portal.listing import Paging, Words, called, paged, total, window
from portal.living import living_app, locked_app
from portal.problems import Problem, missing
from portal.tables import Record, availability, tenant
from portal.tables import app as app_table
from portal.tables import connection as connection_table

router = routes.router("availability", prefix="/apps/{app}/availability")
Reader = Annotated[Call, Depends(developer("dp.app.apps:r"))]
Writer = Annotated[Call, Depends(developer("dp.app.apps:w"))]
LIMIT = 2000
# How many of the ids that are wrong a message names.
NAMED = 10


class Entry(Body):
    """What the developer notes about one tenant."""

    note: Note = ""


class Audience(Paging):
    """Which page, and only those who are called so when that is asked."""

    search: Words | None = None


class Entries(Body):
    """Tenant ids to add; those that are there already stay as they are."""

    tenant_ids: Annotated[list[TenantId], Field(min_length=1)]


async def customers_of(connection: AsyncConnection, tenants: Sequence[str]) -> dict[str, str]:
    """The customer behind each of *tenants*; 409 when those are too many for one app, 404 when one does not exist."""
    if (count := len(set(tenants))) > LIMIT:
        raise _too_many(f"At most {LIMIT} tenant IDs; these are {count}.")
    rows = await connection.execute(select(tenant.c.id, tenant.c.customer).where(tenant.c.id.in_(tenants)))
    found: dict[str, str] = {row.id: row.customer for row in rows}
    if unknown := sorted(set(tenants) - set(found)):
        raise _refused(404, "not_found", f"No such tenant: {_some(unknown)}.", tenantIds=unknown)
    return found


def _too_many(title: str) -> Problem:
    return _refused(409, "limit_exceeded", title, limit=LIMIT)


async def one_customer(connection: AsyncConnection, distribution: str, tenants: Sequence[str]) -> dict[str, str]:
    """The same for a new app; 409 when a private one names tenants of two customers."""
    customers = await customers_of(connection, tenants)
    if distribution == "private" and len(set(customers.values())) > 1:
        raise _refused(409, "second_customer", "A private app serves one customer; these tenants belong to several.")
    return customers


async def make_available(connection: AsyncConnection, call: Call, app: int, notes: Mapping[str, str]) -> None:
    """Let the tenants in *notes* see the app, which the caller has locked or just made."""
    if not notes:
        return
    made = {"app_id": app, "created_at": call.now, "created_by": call.name}
    await connection.execute(
        insert(availability).on_conflict_do_nothing(),
        [{"tenant_id": one, "note": note, **made} for one, note in notes.items()],
    )
    statement = insert(connection_table)
    revived = statement.on_conflict_do_update(
        index_elements=["app_id", "tenant_id", "environment"],
        set_={
            "removed_at": None,
            "modified_at": call.now,
            "revision": connection_table.c.revision + 1,
        },
        where=connection_table.c.removed_at.is_not(None),
    )
    row = {"organization_id": call.organization, "app_id": app, "environment": "production"}
    fresh = {"state": "notConnected", "created_at": call.now, "modified_at": call.now}
    await connection.execute(revived, [{"tenant_id": one, **row, **fresh} for one in notes])
    await tell(connection, "availability.added", call, app, tenantIds=list(notes))


def _entries(app: int) -> Select[Any]:
    return (
        select(availability, tenant.c.name)
        .join(tenant, tenant.c.id == availability.c.tenant_id)
        .where(availability.c.app_id == app)
        .order_by(availability.c.tenant_id)
    )


def _shown(row: Record) -> dict[str, Any]:
    return {
        "resourceOwner": {"kind": "tenant", "id": row.tenant_id, "name": row.name},
        "note": row.note,
        "createdOn": stamp(row.created_at),
        "createdBy": row.created_by,
    }


@router.get("", response_model=shapes.Page[shapes.Entry])
async def listed(call: Reader, app: AppPath, asked: Annotated[Audience, Query()]) -> Response:
    """Who may see the app."""
    async with call.reading() as connection:
        await living_app(connection, call, app)
        rows = _entries(app)
        if asked.search:
            rows = rows.where(availability.c.tenant_id.in_(called(asked.search)))
        found = (await connection.execute(window(asked, rows))).all()
        count = await total(connection, asked, rows)
    return paged(asked, [_shown(row) for row in found], count)


@router.put("", response_model=shapes.Added)
async def add(call: Writer, app: AppPath, body: Entries) -> Response:
    """Add many tenant ids at once, all of them or none; ids that are not named stay."""
    async with call.writing() as connection:
        added = await _add(connection, call, app, dict.fromkeys(body.tenant_ids, ""))
        count = await _count(connection, app)
    return json_answer({"added": added, "availabilityCount": count})


@router.get("/{tenant}", response_model=shapes.Entry)
async def read(call: Reader, app: AppPath, tenant: TenantPath) -> Response:
    """One entry."""
    async with call.reading() as connection:
        await living_app(connection, call, app)
        return json_answer(_shown(await _entry(connection, app, tenant)))


@router.put("/{tenant}", response_model=shapes.Entry, responses={201: {"model": shapes.Entry}})
async def put(call: Writer, app: AppPath, tenant: TenantPath, body: Entry | None = None) -> Response:
    """Add one tenant id (201), or change its note (200)."""
    note = body.note if body is not None else ""
    async with call.writing() as connection:
        added = await _add(connection, call, app, {tenant: note})
        if not added and body is not None:
            await connection.execute(update(availability).where(*_at(app, tenant)).values(note=note))
        row = await _entry(connection, app, tenant)
    return json_answer(_shown(row), status=201 if added else 200)


@router.delete("/{tenant}", status_code=204)
async def withdraw(call: Writer, app: AppPath, tenant: TenantPath) -> Response:
    """Hide the app from a tenant; access it had ends, and its connections leave the lists."""
    async with call.writing() as connection:
        await locked_app(connection, call, app)
        gone = await connection.execute(delete(availability).where(*_at(app, tenant)))
        if not gone.rowcount:
            raise missing("tenant id in the app's list")
        await remove(connection, call, app, connection_table.c.tenant_id == tenant)
        await tell(connection, "availability.removed", call, app, tenantIds=[tenant])
        await _touch(connection, call, app)
    return Response(status_code=204)


async def _add(connection: AsyncConnection, call: Call, app: int, notes: Mapping[str, str]) -> int:
    """How many of *notes* are new to the app; all are refused when one of them cannot be."""
    row = await locked_app(connection, call, app)
    customers = await customers_of(connection, list(notes))
    there = await connection.execute(
        select(availability.c.tenant_id, tenant.c.customer)
        .join(tenant, tenant.c.id == availability.c.tenant_id)
        .where(availability.c.app_id == app)
    )
    present: dict[str, str] = {entry.tenant_id: entry.customer for entry in there}
    new = {one: note for one, note in notes.items() if one not in present}
    if len(present) + len(new) > LIMIT:
        said = f"An app has at most {LIMIT} tenant IDs; with these it would have {len(present) + len(new)}."
        raise _too_many(said)
    if row.distribution == "private":
        _same_customer(present, customers)
    await make_available(connection, call, app, new)
    if new:
        await _touch(connection, call, app)
    return len(new)


def _same_customer(present: Mapping[str, str], customers: Mapping[str, str]) -> None:
    """409 when tenants of a private app would be of two customers; it names those that do not belong."""
    if len({*present.values(), *customers.values()}) <= 1:
        return
    if others := sorted(one for one, customer in customers.items() if customer not in present.values() and present):
        said = f"A private app serves one customer; these belong to another: {_some(others)}."
        raise _refused(409, "second_customer", said, tenantIds=others)
    raise _refused(409, "second_customer", "A private app serves one customer; these tenants belong to several.")


def _refused(status: int, code: str, said: str, **data: Any) -> Problem:
    """A problem of the tenant ids that were sent, told beside them on a form."""
    return Problem(status, code, said, errors={"tenantIds": [said]}, **data)


def _some(tenants: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(tenants) - NAMED
    return ", ".join(tenants[:NAMED]) + (f" and {more} more" if more > 0 else "")


async def _count(connection: AsyncConnection, app: int) -> int:
    counted = select(func.count()).where(availability.c.app_id == app)
    return (await connection.execute(counted)).scalar_one()


async def _entry(connection: AsyncConnection, app: int, owner: str) -> Record:
    row: Record | None = (await connection.execute(_entries(app).where(availability.c.tenant_id == owner))).first()
    if row is None:
        raise missing("tenant id in the app's list")
    return row


def _at(app: int, owner: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return availability.c.app_id == app, availability.c.tenant_id == owner


async def _touch(connection: AsyncConnection, call: Call, app: int) -> None:
    """The app's own representation counts its tenants, so it has changed with them."""
    await connection.execute(update(app_table).where(app_table.c.id == app).values(modified_at=call.now))
