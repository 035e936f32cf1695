"""View Connections: which tenants use an app, on which version, with which scopes in play."""

from collections.abc import Iterable, Sequence
from operator import eq, lt
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Query, Response
from pydantic import Field
from sqlalchemy import ColumnElement, Select, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from portal import routes, shapes
from portal.answers import json_answer, stamp
from portal.callers import Call, developer
from portal.client_secrets import of_connections
from portal.endings import HAD_ACCESS
from portal.fields import AppPath, ConnectionPath, Environment, Status, TenantId
from portal.listing import Listing, Several, Words, asked_for, called, paged, total, window
from portal.living import living_app
from portal.problems import missing
from portal.tables import Record, tenant
from portal.tables import app as app_table
from portal.tables import connection as table

router = routes.router("connections")
Reader = Annotated[Call, Depends(developer("dp.app.connections:r"))]

UNAPPROVED = app_table.c.approval_status.in_(["pending", "rejected"])
WAITING = select(app_table.c.id).where(UNAPPROVED)
# Derived, not stored: an approval changes it for all tenants at once.
STATUS = case((and_(table.c.state == "notConnected", UNAPPROVED), "awaitingApproval"), else_=table.c.state)
# What the real portal does not give (the contract behind its screen has no times and no revision).
NOT_GIVEN = ("allowedOn", "versionAcceptedOn", "versionAcceptedBy", "modifiedOn", "revision")


class ConnectionListing(Listing):
    """Which connections to list."""

    status: Annotated[list[Status], Several] | None = None
    version: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    version_less_than: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    environment: Environment | None = None
    resource_owner: Annotated[list[TenantId], Several, Field(max_length=50)] | None = None
    # Ours, beside the contract: what a person types to find a tenant.
    search: Words | None = None

    def conditions(self, table: Any) -> list[ColumnElement[bool]]:
        """All filters, over the table's own columns, so that a page can be cut before anything is joined."""
        columns = table.c
        found = asked_for(
            (columns.version, eq, self.version),
            (columns.version, lt, self.version_less_than),
            (columns.environment, eq, self.environment),
        )
        if self.resource_owner is not None:
            found.append(columns.tenant_id.in_(self.resource_owner))
        if self.search:
            found.append(columns.tenant_id.in_(called(self.search)))
        if self.status is not None:
            found.append(_in_status(self.status))
        return [*found, *super().conditions(table)]


def _in_status(wanted: Iterable[str]) -> ColumnElement[bool]:
    """The condition for a set of statuses; two of them share one stored state."""
    states = set(wanted)
    waiting = table.c.app_id.in_(WAITING)
    matched: ColumnElement[bool] = table.c.state.in_(states - {"awaitingApproval", "notConnected"})
    if "awaitingApproval" in states:
        matched |= and_(table.c.state == "notConnected", waiting)
    if "notConnected" in states:
        matched |= and_(table.c.state == "notConnected", ~waiting)
    return matched


def described() -> Select[Any]:
    """Connections, each with what its app and tenant add."""
    return (
        select(table, STATUS.label("status"), app_table.c.latest_version, tenant.c.name.label("tenant_name"))
        .join(app_table, app_table.c.id == table.c.app_id)
        .join(tenant, tenant.c.id == table.c.tenant_id)
    )


def _whole(ids: Select[Any]) -> Select[Any]:
    """The connections with the given *ids*."""
    chosen = ids.subquery()
    return described().join(chosen, chosen.c.id == table.c.id)


def shown(row: Record, scopes: Any, secrets: Any, *, faithful: bool) -> dict[str, Any]:
    """A connection; a *faithful* one lacks what the real portal lacks, and has its trap."""
    body = {
        "id": row.id,
        "appId": row.app_id,
        "resourceOwner": {"kind": "tenant", "id": row.tenant_id, "name": row.tenant_name},
        "environment": row.environment,
        "status": row.status,
        "enabled": row.state == "connected",
        "version": row.version,
        "latestVersion": row.latest_version,
        "scopes": scopes,
        "clientId": row.client_id,
        "clientSecrets": secrets,
        "allowedOn": stamp(row.allowed_at),
        "versionAcceptedOn": stamp(row.version_accepted_at),
        "versionAcceptedBy": row.version_accepted_by,
        "createdOn": stamp(row.created_at),
        "modifiedOn": stamp(row.modified_at),
        "revision": row.revision,
    }
    if faithful:
        # The real screen prints `currentScopesVersion || app.currentScopesVersion`.
        body["version"] = row.version or row.latest_version
        for name in NOT_GIVEN:
            del body[name]
    return body


async def _page(connection: AsyncConnection, call: Call, asked: ConnectionListing, owner: Any) -> Response:
    wanted = [owner, table.c.removed_at.is_(None), *asked.conditions(table)]
    ids = select(table.c.id).where(*wanted)
    page = _whole(window(asked, ids.order_by(*asked.order(table)))).order_by(*asked.order(table))
    found = (await connection.execute(page)).all()
    count = await total(connection, asked, ids)
    return paged(asked, await whole(connection, call, found), count)


async def whole(connection: AsyncConnection, call: Call, found: Sequence[Record]) -> list[dict[str, Any]]:
    """Connections as they are shown, each with its scopes in play and its secrets."""
    in_play = await call.scopes.of(connection, {(row.app_id, row.version) for row in found if row.version})
    secrets = await of_connections(connection, found)
    return [
        shown(row, in_play.get((row.app_id, row.version), []), secrets.get(row.client_id, []), faithful=call.faithful)
        for row in found
    ]


class Running(NamedTuple):
    """How many tenants have access to an app in production, and how many of them on its latest version."""

    connected: int = 0
    latest: int = 0


async def adoption(connection: AsyncConnection, apps: Sequence[int]) -> dict[int, Running]:
    """The adoption of each of *apps*; who never connected, or not any more, is not counted."""
    newest = func.count().filter(table.c.version == app_table.c.latest_version)
    counted = (
        select(table.c.app_id, func.count(), newest)
        .join(app_table, app_table.c.id == table.c.app_id)
        .where(table.c.app_id.in_(apps), table.c.environment == "production", table.c.removed_at.is_(None), HAD_ACCESS)
        .group_by(table.c.app_id)
    )
    found = {number: Running(connected, latest) for number, connected, latest in await connection.execute(counted)}
    return dict.fromkeys(apps, Running()) | found


@router.get("/connections", response_model=shapes.Page[shapes.Connection])
async def of_organization(call: Reader, asked: Annotated[ConnectionListing, Query()]) -> Response:
    """The connections of all living apps of the organization, in a stable order by id."""
    async with call.reading() as connection:
        return await _page(connection, call, asked, table.c.organization_id == call.organization)


@router.get("/apps/{app}/connections", response_model=shapes.Page[shapes.Connection])
async def of_app(call: Reader, app: AppPath, asked: Annotated[ConnectionListing, Query()]) -> Response:
    """The connections of one app, in a stable order by id."""
    async with call.reading() as connection:
        await living_app(connection, call, app)
        return await _page(connection, call, asked, table.c.app_id == app)


@router.get("/apps/{app}/connections/{number}", response_model=shapes.Connection)
async def read(call: Reader, app: AppPath, number: ConnectionPath) -> Response:
    """One connection with its scopes in play."""
    which = table.c.id == number, table.c.app_id == app, table.c.removed_at.is_(None)
    async with call.reading() as connection:
        await living_app(connection, call, app)
        row = (await connection.execute(_whole(select(table.c.id).where(*which)))).first()
        if row is None:
            raise missing("connection")
        (body,) = await whole(connection, call, [row])
    return json_answer(body)
