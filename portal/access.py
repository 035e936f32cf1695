"""API Application Access: what a tenant's admin sees, allows, upgrades, disables and revokes."""

from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from portal import routes, shapes
from portal.access_views import ONE, VISIBLE, VISIBLE_STILL, pending_view, rows_of, view
from portal.access_writes import ALLOW, SWITCH, UPGRADE
from portal.answers import json_answer
from portal.callers import Call, tenant_admin
from portal.credentials import new_client_id
from portal.endings import HAD_ACCESS, ended
from portal.events import TELL, Type, about_connection, told
from portal.fields import AppPath, Body, Environment
from portal.idempotency import ONCE
from portal.listing import Paging, paged, total, window
from portal.problems import Problem, missing
from portal.tables import Record
from portal.tables import connection as table

router = routes.router("app access", prefix="/app-access")
Reader = Annotated[Call, Depends(tenant_admin("tn.int.appaccess:r"))]
Writer = Annotated[Call, Depends(tenant_admin("tn.int.appaccess:w"))]
Shown = Annotated[int, Field(ge=1, lt=2**31)]


class Place(Body):
    """In which environment; production when nothing is said."""

    environment: Environment = "production"


class Allowance(Place):
    """Allow; with *version*, only if that is still the latest, the one whose scopes were read."""

    version: Shown | None = None


class Upgrade(Place):
    """Accept *version*, the one whose scopes were read."""

    version: Shown


class AccessListing(Paging):
    """Which page, and of one environment only when it is named."""

    environment: Environment | None = None
    # Ours, beside the contract: what waits for the admin comes first, the rest by id.
    sort: Literal["Id", "NewVersion"] = "Id"


@router.get("", response_model=shapes.Page[shapes.Access])
async def listed(call: Reader, asked: Annotated[AccessListing, Query()]) -> Response:
    """The apps that the tenant may see, one line for each environment it has."""
    rows = rows_of(call.tenant, asked.environment, newer_first=asked.sort == "NewVersion")
    async with call.reading() as connection:
        found = (await connection.execute(window(asked, rows))).all()
        in_play = await call.scopes.of(connection, {(row.app_id, row.version) for row in found if row.version})
        count = await total(connection, asked, rows.with_only_columns(table.c.id))
    return paged(asked, [view(row, row, in_play.get((row.app_id, row.version), [])) for row in found], count)


@router.get("/{app}", response_model=shapes.Access)
async def read(call: Reader, app: AppPath, environment: Environment = "production") -> Response:
    """One app in one environment."""
    async with call.reading() as connection:
        seen = await _visible(connection, call, app)
        row = await _one(connection, call, app, environment)
        if row is None:
            raise missing("connection in that environment")
        return await _answer(connection, call, seen, row)


@router.get("/{app}/pending", response_model=shapes.Pending)
async def pending(call: Reader, app: AppPath, environment: Environment = "production") -> Response:
    """What allowing or upgrading would accept, as the scopes screen shows it."""
    async with call.reading() as connection:
        seen = await _visible(connection, call, app)
        row = await _one(connection, call, app, environment)
        return json_answer(await pending_view(connection, seen, row, environment))


@router.post("/{app}/allow", dependencies=ONCE, response_model=shapes.Access)
async def allow(call: Writer, app: AppPath, body: Allowance | None = None) -> Response:
    """Connect: the latest version, a new client id, a new life; 409 while there is one already."""
    asked = body or Allowance()
    async with call.writing() as connection:
        seen = await _visible(connection, call, app, still=True)
        if asked.version not in (None, seen.latest_version):
            raise _newer(seen)
        row = (await connection.execute(ALLOW, _allowed(call, seen, asked.environment))).first()
        if row is None:
            await _visible(connection, call, app)
            raise Problem(409, "already_connected", "The app is connected; upgrade it instead.")
        await _tell(connection, "connection.allowed", call, seen, row, version=row.version)
        return await _answer(connection, call, seen, row)


@router.post("/{app}/upgrade", dependencies=ONCE, response_model=shapes.Access)
async def upgrade(call: Writer, app: AppPath, body: Upgrade) -> Response:
    """Accept the version that was shown, if it is still the latest; client id and key stay."""
    async with call.writing() as connection:
        seen = await _visible(connection, call, app, still=True)
        named = {"shown": body.version, "who": call.name, "now": call.now}
        before, row = await _one(connection, call, app, body.environment), None
        if body.version == seen.latest_version:
            found = await connection.execute(UPGRADE, {**_named(call, app, body.environment), **named})
            row = found.first()
        if row is None or before is None:
            raise await _refusal(connection, call, seen, body.environment)
        change = {"from": before.version, "to": row.version}
        await _tell(connection, "connection.upgraded", call, seen, row, **change)
        return await _answer(connection, call, seen, row)


@router.post("/{app}/decline", dependencies=ONCE, response_model=shapes.Access)
async def decline(call: Writer, app: AppPath, body: Place | None = None) -> Response:
    """Leave everything as it is; nobody is told."""
    place = (body or Place()).environment
    # Nothing is written but the answer, for whoever sends an Idempotency-Key.
    async with call.writing() as connection:
        seen = await _visible(connection, call, app)
        row = await _one(connection, call, app, place)
        if row is None:
            raise await _refusal(connection, call, seen, place)
        return await _answer(connection, call, seen, row)


@router.post("/{app}/disable", dependencies=ONCE, response_model=shapes.Access)
async def disable(call: Writer, app: AppPath, body: Place | None = None) -> Response:
    """Pause the app's access; version and client id stay. Disabling twice changes nothing."""
    return await _switched(call, app, (body or Place()).environment, before="connected", after="disabled")


@router.post("/{app}/enable", dependencies=ONCE, response_model=shapes.Access)
async def enable(call: Writer, app: AppPath, body: Place | None = None) -> Response:
    """Resume a paused access at the version it had. Enabling twice changes nothing."""
    return await _switched(call, app, (body or Place()).environment, before="disabled", after="connected")


@router.delete("/{app}", status_code=204)
async def revoke(call: Writer, app: AppPath, environment: Environment = "production") -> Response:
    """End the access; a later allow gets a new client id."""
    async with call.writing() as connection:
        seen = await _visible(connection, call, app, still=True)
        mine = table.c.app_id == app, table.c.tenant_id == call.tenant, table.c.environment == environment
        gone = (await connection.execute(ended(call.now, *mine, HAD_ACCESS).returning(table))).first()
        if gone is None:
            raise await _refusal(connection, call, seen, environment)
        await _tell(connection, "connection.revoked", call, seen, gone)
    return Response(status_code=204)


def _allowed(call: Call, seen: Record, place: Environment) -> dict[str, Any]:
    life = {
        "state": "connected",
        "client_id": new_client_id(),
        "version": seen.latest_version,
        "allowed_at": call.now,
        "version_accepted_at": call.now,
        "version_accepted_by": call.name,
        "modified_at": call.now,
    }
    first = {"organization_id": seen.organization_id, "environment": place, "created_at": call.now, "epoch": 1}
    named = {"of_app": seen.app_id, "owner": call.tenant}
    return named | {f"new_{name}": value for name, value in {**life, **first}.items()}


async def _visible(connection: AsyncConnection, call: Call, app: int, *, still: bool = False) -> Record:
    """The app, for a tenant that may see it; *still*: and nothing about the app changes until we are done."""
    statement = VISIBLE_STILL if still else VISIBLE
    seen = (await connection.execute(statement, {"of_app": app, "owner": call.tenant})).first()
    if seen is None:
        raise missing("app")
    return seen


def _named(call: Call, app: int, place: Environment) -> dict[str, Any]:
    return {"of_app": app, "owner": call.tenant, "place": place}


async def _one(connection: AsyncConnection, call: Call, app: int, place: Environment) -> Record | None:
    return (await connection.execute(ONE, _named(call, app, place))).first()


async def _answer(connection: AsyncConnection, call: Call, seen: Record, row: Record) -> Response:
    key = (seen.app_id, row.version)
    in_play = await call.scopes.of(connection, {key} if row.version else set())
    return json_answer(view(seen, row, in_play.get(key, [])))


async def _switched(call: Call, app: int, place: Environment, *, before: str, after: str) -> Response:
    async with call.writing() as connection:
        seen = await _visible(connection, call, app, still=True)
        named = {"before": before, "after": after, "now": call.now}
        row = (await connection.execute(SWITCH, {**_named(call, app, place), **named})).first()
        if row is not None:
            event: Type = "connection.disabled" if after == "disabled" else "connection.enabled"
            await _tell(connection, event, call, seen, row)
        else:
            row = await _one(connection, call, app, place)
        if row is None or row.state != after:
            raise await _refusal(connection, call, seen, place)
        return await _answer(connection, call, seen, row)


async def _tell(connection: AsyncConnection, type_: Type, call: Call, seen: Record, row: Record, **data: Any) -> None:
    """Queue an event of the connection *row* for the organization whose app it is."""
    about = about_connection(row) | data
    await connection.execute(TELL, told(type_, seen.organization_id, seen.app_id, call.now, about))


def _newer(seen: Record) -> Problem:
    latest = seen.latest_version
    return Problem(409, "version_conflict", f"The latest version is {latest}; read it first.", latestVersion=latest)


async def _refusal(connection: AsyncConnection, call: Call, seen: Record, place: Environment) -> Problem:
    """Why a change found nothing to change."""
    await _visible(connection, call, seen.app_id)
    row = await _one(connection, call, seen.app_id, place)
    if row is None or row.version is None:
        return Problem(409, "not_connected", f"The app is not connected in {place}.")
    if row.version == seen.latest_version:
        return Problem(409, "already_current", f"Version {row.version} is accepted.", version=row.version)
    return _newer(seen)
