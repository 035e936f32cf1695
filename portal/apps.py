"""My Apps: create, list, read, edit and delete the applications of an organization."""

import uuid
from typing import Annotated, Any, Self

from fastapi import Depends, Header, Query, Response
from pydantic import ConfigDict, Field, model_validator
from sqlalchemy import Text, bindparam, cast, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from portal import routes, shapes
from portal.answers import etag_of, json_answer, names_tag, stamp
from portal.availability import make_available, one_customer
from portal.callers import Call, developer
from portal.credentials import new_app_key
from portal.endings import remove
from portal.events import tell
from portal.fields import (
    AppPath,
    ApprovalStatus,
    Body,
    CredentialManagement,
    Distribution,
    HomePage,
    Name,
    Scopes,
    TenantId,
)
from portal.idempotency import ONCE
from portal.listing import Listing, Several, Words, paged, total, window
from portal.living import living_app, locked_app
from portal.problems import Problem
from portal.tables import Record, availability, version
from portal.tables import app as app_table

router = routes.router("apps", prefix="/apps")
Reader = Annotated[Call, Depends(developer("dp.app.apps:r"))]
Writer = Annotated[Call, Depends(developer("dp.app.apps:w"))]
AUDIENCE = select(func.count()).where(availability.c.app_id == app_table.c.id).scalar_subquery()
COUNT = select(func.count()).where(availability.c.app_id == bindparam("wanted"))


class NewApp(Body):
    """A new application; its scopes become version 1."""

    name: Name
    organization_name: Name
    home_page_url: HomePage
    distribution: Distribution
    credential_management: CredentialManagement = "resourceOwner"
    scopes: Scopes
    tenant_ids: Annotated[list[TenantId], Field(default_factory=list)]


class Edit(Body):
    """What may be changed of an application; scopes change by releasing a version."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    # Left out or a value: null would mean nothing.
    name: Name = ""
    organization_name: Name = ""
    home_page_url: HomePage = ""
    credential_management: CredentialManagement = "resourceOwner"

    @model_validator(mode="after")
    def something(self) -> Self:
        """An edit that changes nothing is a mistake."""
        if not self.model_fields_set:
            raise ValueError("Name at least one field.")
        return self


class AppListing(Listing):
    """Which apps to list."""

    distribution: Distribution | None = None
    approval_status: Annotated[list[ApprovalStatus], Several] | None = None
    include_deleted: bool = False
    search: Words | None = None


def shown(row: Record, audience: int) -> dict[str, Any]:
    """An app as its developer sees it."""
    body = {
        "id": row.id,
        "publicId": row.public_id,
        "name": row.name,
        "organizationName": row.organization_name,
        "homePageUrl": row.home_page_url,
        "distribution": row.distribution,
        "approvalStatus": row.approval_status,
        "approvedOn": stamp(row.approved_at),
        "appKey": row.app_key,
        "credentialManagement": row.credential_management,
        "latestVersion": row.latest_version,
        "availabilityCount": audience,
        "active": row.deleted_at is None,
        "createdOn": stamp(row.created_at),
        "createdBy": row.created_by,
        "modifiedOn": stamp(row.modified_at),
    }
    return body if row.deleted_at is None else {**body, "deletedOn": stamp(row.deleted_at)}


@router.get("", response_model=shapes.Page[shapes.App])
async def listed(call: Reader, asked: Annotated[AppListing, Query()]) -> Response:
    """The organization's apps; deleted ones only when asked for."""
    wanted = [app_table.c.organization_id == call.organization, *asked.conditions(app_table)]
    if not asked.include_deleted:
        wanted.append(app_table.c.deleted_at.is_(None))
    if asked.distribution is not None:
        wanted.append(app_table.c.distribution == asked.distribution)
    if asked.approval_status is not None:
        wanted.append(app_table.c.approval_status.in_(asked.approval_status))
    if asked.search:
        by_name = app_table.c.name.icontains(asked.search, autoescape=True)
        wanted.append(by_name | cast(app_table.c.id, Text).startswith(asked.search, autoescape=True))
    rows = select(app_table, AUDIENCE.label("audience")).where(*wanted).order_by(*asked.order(app_table))
    async with call.reading() as connection:
        found = (await connection.execute(window(asked, rows))).all()
        count = await total(connection, asked, select(app_table.c.id).where(*wanted))
    return paged(asked, [shown(row, row.audience) for row in found], count)


@router.post("", dependencies=ONCE, response_model=shapes.App, status_code=201)
async def create(call: Writer, body: NewApp) -> Response:
    """A new app with its key, its version 1 and the tenants that may see it: all of it or nothing."""
    async with call.writing() as connection:
        customers = await one_customer(connection, body.distribution, body.tenant_ids)
        row = await _inserted(connection, call, body)
        first = {"app_id": row.id, "number": 1, "scopes": body.scopes, "created_at": call.now}
        await connection.execute(insert(version).values(created_by_id=call.client, created_by=call.name, **first))
        await make_available(connection, call, row.id, dict.fromkeys(customers, ""))
        await tell(connection, "app.version.created", call, row.id, version=1, added=body.scopes, removed=[])
    where = f"/portal/v2/organization/{call.organization}/apps/{row.id}"
    return json_answer(shown(row, len(customers)), status=201, etag=True, location=where)


async def _inserted(connection: AsyncConnection, call: Call, body: NewApp) -> Record:
    values = {
        "public_id": str(uuid.uuid4()),
        "organization_id": call.organization,
        "name": body.name,
        "organization_name": body.organization_name,
        "home_page_url": body.home_page_url,
        "distribution": body.distribution,
        "approval_status": "pending" if body.distribution == "public" else "notRequired",
        "app_key": new_app_key(),
        "credential_management": body.credential_management,
        "latest_version": 1,
        "created_at": call.now,
        "created_by": call.name,
        "modified_at": call.now,
    }
    row: Record = (await connection.execute(insert(app_table).values(values).returning(app_table))).one()
    return row


@router.get("/{app}", response_model=shapes.App)
async def read(call: Reader, app: AppPath) -> Response:
    """One app, with the tag that an edit must name."""
    async with call.reading() as connection:
        row = await living_app(connection, call, app)
        audience = (await connection.execute(COUNT, {"wanted": app})).scalar_one()
    return json_answer(shown(row, audience), etag=True)


@router.patch("/{app}", response_model=shapes.App)
async def edit(call: Writer, app: AppPath, body: Edit, if_match: Annotated[str | None, Header()] = None) -> Response:
    """Change what is named, if nobody changed the app since *If-Match* was read."""
    if if_match is None:
        raise Problem(428, "if_match_required", "Name the representation you edit in an If-Match header.")
    async with call.writing() as connection:
        row = await locked_app(connection, call, app)
        audience = (await connection.execute(COUNT, {"wanted": app})).scalar_one()
        if not names_tag(if_match, etag_of(shown(row, audience))):
            raise Problem(412, "stale_if_match", "The app has changed since you read it.")
        row = await _changed(connection, app, body.model_dump(exclude_unset=True) | {"modified_at": call.now})
    return json_answer(shown(row, audience), etag=True)


async def _changed(connection: AsyncConnection, number: int, values: dict[str, Any]) -> Record:
    statement = update(app_table).where(app_table.c.id == number).values(values).returning(app_table)
    row: Record = (await connection.execute(statement)).one()
    return row


@router.delete("/{app}", status_code=204)
async def delete(call: Writer, app: AppPath) -> Response:
    """End the app: its key is gone at once, and every tenant's access with it. There is no way back."""
    async with call.writing() as connection:
        await locked_app(connection, call, app)
        await _changed(connection, app, {"app_key": None, "deleted_at": call.now, "modified_at": call.now})
        await remove(connection, call, app)
        await tell(connection, "app.deleted", call, app)
    return Response(status_code=204)
