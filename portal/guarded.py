"""The platform's own API, as far as it takes to see scopes at work: a sample resource behind each of them.

`GET` asks for View, `POST` for Modify, of the scope that the path names, and what counts is what is *in play* for
that tenant now: the scopes of the version that its admin accepted last. A token that was fetched for some of them
by name opens those only.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from sqlalchemy import bindparam, case, func, insert, select

from portal import routes, shapes
from portal.answers import json_answer, stamp
from portal.callers import Call, call_of, shown_credentials, unauthorized
from portal.catalogue import SCOPES
from portal.credentials import hashed
from portal.fields import Body, Name, TenantPath
from portal.idempotency import ONCE
from portal.listing import Paging, paged, total, window
from portal.problems import Problem, missing
from portal.queries import refuse_unknown
from portal.tables import Record, app, connection, sample, token, version

router = routes.router("guarded API", prefix="/{module}/v2/tenant/{tenant}/{resource}")

IN_PLAY = (
    select(
        connection.c.client_id,
        connection.c.tenant_id,
        connection.c.state,
        connection.c.version,
        app.c.app_key,
        app.c.name,
        version.c.scopes,
        case((token.c.narrowed, token.c.scopes)).label("asked_for"),
        (token.c.expires_at > func.now()).label("fresh"),
    )
    .select_from(
        token.join(connection, connection.c.client_id == token.c.access_id)
        .join(app, app.c.id == connection.c.app_id)
        .join(version, (version.c.app_id == connection.c.app_id) & (version.c.number == connection.c.version))
    )
    .where(token.c.hash == bindparam("digest"))
)


class NewSample(Body):
    """Something to keep."""

    name: Name


async def _in_play(request: Request) -> Record:
    """What the token opens; refused when it or the key belongs to an access that is over."""
    key, bearer = shown_credentials(request)
    async with request.app.state.reader.connect() as database:
        found: Record | None = (await database.execute(IN_PLAY, {"digest": hashed(bearer)})).first()
    if found is None or not found.fresh or found.state != "connected":
        raise unauthorized("token_invalid", "Bearer token unknown or expired, fetch a new one.")
    if key != found.app_key:
        raise unauthorized("app_key_invalid", "Application key not valid, check ST-App-Key header value.")
    return found


def scoped(level: str) -> Callable[..., Awaitable[Call]]:
    """A call with a token of the tenant in the path, for which the scope in the path is in play at *level*."""

    async def check(request: Request, module: str, tenant: TenantPath, resource: str) -> Call:
        scope = SCOPES.get(f"tn.{module}.{resource}")
        if scope is None:
            raise missing("resource")
        if level not in scope.levels:
            allowed = ", ".join("GET" if one == "r" else "POST" for one in scope.levels)
            raise Problem(405, "method_not_allowed", "Method Not Allowed.", headers={"Allow": allowed})
        found = await _in_play(request)
        # By the tenant whose token it is: the path may name anybody.
        request.state.charge = request.app.state.rates.calls.charge(f"{found.app_key} {found.tenant_id}")
        if found.tenant_id != tenant:
            raise missing("tenant")
        wanted = f"{scope.name}:{level}"
        if wanted not in found.scopes:
            why = f"The scope {wanted} is not in play for this tenant: its admin accepted version {found.version}."
            raise Problem(403, "scope_missing", why, requiredScopes=[wanted], version=found.version)
        if found.asked_for is not None and wanted not in found.asked_for:
            why = f"The token was fetched for other scopes than {wanted}; fetch one for this scope too."
            raise Problem(403, "scope_missing", why, requiredScopes=[wanted], version=found.version)
        refuse_unknown(request)
        owner = {"tenant": tenant, "access": found.client_id}
        return call_of(request, client=0, name=found.name, scope=scope.name, **owner)

    return check


Viewer = Annotated[Call, Depends(scoped("r"))]
Modifier = Annotated[Call, Depends(scoped("w"))]


def _shown(row: Record) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "createdOn": stamp(row.created_at)}


@router.get("", response_model=shapes.Page[shapes.Sample])
async def listed(call: Viewer, asked: Annotated[Paging, Query()]) -> Response:
    """The tenant's samples of this resource; needs View."""
    rows = select(sample).where(sample.c.tenant_id == call.tenant, sample.c.scope == call.scope).order_by(sample.c.id)
    async with call.reading() as database:
        found = (await database.execute(window(asked, rows))).all()
        count = await total(database, asked, rows)
    return paged(asked, [_shown(row) for row in found], count)


@router.post("", status_code=201, dependencies=ONCE, response_model=shapes.Sample)
async def create(call: Modifier, body: NewSample) -> Response:
    """One more of them; needs Modify, and View is another matter."""
    values = {"tenant_id": call.tenant, "scope": call.scope, "name": body.name, "created_at": call.now}
    async with call.writing() as database:
        row = (await database.execute(insert(sample).values(values).returning(sample))).one()
    return json_answer(_shown(row), status=201)
