"""Client id and secret of a connection: made by its tenant's admin or by the developer, as the app says.

A connection has one client id for each life, and at most two secrets that work, so that one can replace the other
without a gap. A secret is shown once, when it is made; what is stored is its hash.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Depends, Response
from sqlalchemy import Select, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from portal import routes, shapes
from portal.access_views import VISIBLE_STILL
from portal.answers import json_answer, secret_answer, stamp
from portal.callers import Call, developer, tenant_admin
from portal.credentials import hashed, new_secret
from portal.fields import AppPath, ConnectionPath, Environment, SecretPath
from portal.idempotency import ONCE
from portal.living import living_app, shared_app
from portal.problems import Problem, missing
from portal.tables import Record, client_secret
from portal.tables import app as app_table
from portal.tables import connection as connection_table

ACTIVE = 2
of_developer = routes.router("credentials", prefix="/apps/{app}/connections/{number}/client-secrets")
of_tenant = routes.router("app access", prefix="/app-access/{app}/client-secrets")
Looker = Annotated[Call, Depends(developer("dp.app.connections:r"))]
Maker = Annotated[Call, Depends(developer("dp.app.credentials:w"))]
Reader = Annotated[Call, Depends(tenant_admin("tn.int.appaccess:r"))]
Writer = Annotated[Call, Depends(tenant_admin("tn.int.appaccess:w"))]

_named = connection_table.c.app_id == bindparam("of_app"), connection_table.c.removed_at.is_(None)
BY_ID = select(connection_table).where(*_named, connection_table.c.id == bindparam("wanted"))
BY_TENANT = select(connection_table).where(
    *_named, connection_table.c.tenant_id == bindparam("owner"), connection_table.c.environment == bindparam("place")
)
OF = select(client_secret).where(client_secret.c.access_id == bindparam("access")).order_by(client_secret.c.id)
MANY = select(client_secret).where(client_secret.c.access_id.in_(bindparam("access", expanding=True)))
COUNT = select(func.count()).where(client_secret.c.access_id == bindparam("access"))
MODE = select(app_table.c.credential_management).where(app_table.c.id == bindparam("wanted"))


def shown(row: Record) -> dict[str, Any]:
    """A secret as it may be shown at any time: enough to tell it from the other one."""
    return {
        "id": row.id,
        "valuePrefix": row.value_prefix,
        "createdOn": stamp(row.created_at),
        "createdBy": row.created_by,
    }


async def of_connections(connection: AsyncConnection, rows: Sequence[Record]) -> Mapping[str, list[dict[str, Any]]]:
    """The secrets of those of *rows* that have a client id, by client id, the oldest first."""
    found: dict[str, list[dict[str, Any]]] = {}
    if ids := [row.client_id for row in rows if row.client_id is not None]:
        for row in await connection.execute(MANY.order_by(client_secret.c.id), {"access": ids}):
            found.setdefault(row.access_id, []).append(shown(row))
    return found


@of_developer.get("", response_model=shapes.ListOf[shapes.Secret])
async def listed(call: Looker, app: AppPath, number: ConnectionPath) -> Response:
    """The secrets of a connection, without their values."""
    async with call.reading() as connection:
        await living_app(connection, call, app)
        row = (await connection.execute(BY_ID, {"of_app": app, "wanted": number})).first()
        return await _list(connection, row)


@of_developer.post("", status_code=201, dependencies=ONCE, response_model=shapes.NewSecret)
async def create(call: Maker, app: AppPath, number: ConnectionPath) -> Response:
    """A new secret, shown this once; 409 when the app leaves that to its tenants, or two work already."""
    async with call.writing() as connection:
        row = await _developers(connection, call, app, number)
        return await _create(connection, call, row)


@of_developer.delete("/{secret}", status_code=204)
async def withdraw(call: Maker, app: AppPath, number: ConnectionPath, secret: SecretPath) -> Response:
    """End a secret; no token can be fetched with it from now on."""
    async with call.writing() as connection:
        row = await _developers(connection, call, app, number)
        return await _withdraw(connection, call, row, secret)


@of_tenant.get("", response_model=shapes.ListOf[shapes.Secret])
async def listed_to_tenant(call: Reader, app: AppPath, environment: Environment = "production") -> Response:
    """The secrets of the tenant's own connection, without their values."""
    async with call.reading() as connection:
        return await _list(connection, await _own(connection, call, app, environment, BY_TENANT))


@of_tenant.post("", status_code=201, dependencies=ONCE, response_model=shapes.NewSecret)
async def create_by_tenant(call: Writer, app: AppPath, environment: Environment = "production") -> Response:
    """A new secret, shown this once; 409 when the developer makes them, or two work already."""
    async with call.writing() as connection:
        row = await _tenants(connection, call, app, environment)
        return await _create(connection, call, row)


@of_tenant.delete("/{secret}", status_code=204)
async def withdraw_by_tenant(
    call: Writer, app: AppPath, secret: SecretPath, environment: Environment = "production"
) -> Response:
    """End a secret; no token can be fetched with it from now on."""
    async with call.writing() as connection:
        row = await _tenants(connection, call, app, environment)
        return await _withdraw(connection, call, row, secret)


async def _developers(connection: AsyncConnection, call: Call, app: int, number: int) -> Record:
    """The connection, locked, of an app whose secrets its developer makes."""
    seen = await shared_app(connection, call, app)
    if seen.credential_management != "developer":
        raise Problem(409, "managed_by_tenant", "This app leaves client secrets to its tenants' admins.")
    named = {"of_app": app, "wanted": number}
    return _there((await connection.execute(BY_ID.with_for_update(), named)).first())


async def _tenants(connection: AsyncConnection, call: Call, app: int, place: Environment) -> Record:
    """The connection, locked, of an app whose secrets its tenants make."""
    row = await _own(connection, call, app, place, BY_TENANT.with_for_update())
    if (await connection.execute(MODE, {"wanted": app})).scalar_one() != "resourceOwner":
        raise Problem(409, "managed_by_developer", "The developer of this app makes its client secrets.")
    return row


async def _own(connection: AsyncConnection, call: Call, app: int, place: Environment, statement: Select[Any]) -> Record:
    if (await connection.execute(VISIBLE_STILL, {"of_app": app, "owner": call.tenant})).first() is None:
        raise missing("app")
    named = {"of_app": app, "owner": call.tenant, "place": place}
    return _there((await connection.execute(statement, named)).first())


def _there(row: Record | None) -> Record:
    if row is None:
        raise missing("connection")
    return row


async def _list(connection: AsyncConnection, row: Record | None) -> Response:
    found = (await connection.execute(OF, {"access": _there(row).client_id})).all()
    return json_answer({"data": [shown(one) for one in found]})


async def _create(connection: AsyncConnection, call: Call, row: Record) -> Response:
    if row.client_id is None:
        raise Problem(409, "not_connected", "The tenant has not allowed the app; there is no client id yet.")
    if (await connection.execute(COUNT, {"access": row.client_id})).scalar_one() >= ACTIVE:
        raise Problem(
            409, "limit_exceeded", f"At most {ACTIVE} secrets work at a time; revoke one first.", limit=ACTIVE
        )
    value = new_secret()
    values = {"access_id": row.client_id, "hash": hashed(value), "value_prefix": value[:6]}
    values |= {"created_at": call.now, "created_by": call.name}
    made = (await connection.execute(insert(client_secret).values(values).returning(client_secret))).one()
    await _touch(connection, call, row)
    return secret_answer({"clientId": row.client_id, **shown(made)}, value=value)


async def _withdraw(connection: AsyncConnection, call: Call, row: Record, secret: int) -> Response:
    which = client_secret.c.id == secret, client_secret.c.access_id == row.client_id
    gone = await connection.execute(delete(client_secret).where(*which))
    if not gone.rowcount:
        raise missing("client secret")
    await _touch(connection, call, row)
    return Response(status_code=204)


async def _touch(connection: AsyncConnection, call: Call, row: Record) -> None:
    """A connection is shown with its secrets, so it has changed with them."""
    changed = {"modified_at": call.now, "revision": connection_table.c.revision + 1}
    await connection.execute(update(connection_table).where(connection_table.c.id == row.id).values(changed))
