"""Who is calling: every call shows an application key and a bearer token, and both must belong together."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request
from sqlalchemy import bindparam, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from portal.clock import Moment
from portal.credentials import hashed
from portal.fields import OrganizationPath, TenantPath
from portal.idempotency import Keyed
from portal.problems import Problem, missing
from portal.queries import refuse_unknown
from portal.rates import Rates
from portal.scopes_in_play import ScopesInPlay
from portal.tables import Record, app, client, organization, token

KEY_MISSING = "Application key not present, check ST-App-Key header value."

_holder = client.alias("holder")
# One statement: the token's client, and whether the key is one of the same owner's (a client's, or a living app's).
CALLER = (
    select(
        client.c.id,
        client.c.name,
        client.c.kind,
        client.c.organization_id,
        client.c.tenant_id,
        token.c.scopes,
        organization.c.faithful,
        (token.c.expires_at > func.now()).label("fresh"),
        or_(
            exists().where(
                _holder.c.app_key == bindparam("key"),
                _holder.c.kind == client.c.kind,
                _holder.c.organization_id.is_not_distinct_from(client.c.organization_id),
                _holder.c.tenant_id.is_not_distinct_from(client.c.tenant_id),
            ),
            exists().where(app.c.app_key == bindparam("key"), app.c.organization_id == client.c.organization_id),
        ).label("key_fits"),
    )
    .select_from(
        token.join(client, token.c.client_id == client.c.id).outerjoin(
            organization, client.c.organization_id == organization.c.id
        )
    )
    .where(token.c.hash == bindparam("digest"))
)


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose caller is known and may make it."""

    writer: AsyncEngine
    reader: AsyncEngine
    moment: Moment
    client: int
    name: str
    faithful: bool
    scopes: ScopesInPlay
    keyed: Keyed | None
    organization: int = 0
    tenant: str = ""
    scope: str = ""
    access: str = ""  # the client id of the connection whose token it came with, if it was one's

    @property
    def now(self) -> datetime:
        """When the call did its work; ask for it once the rows that it changes are locked."""
        return self.moment.now()

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection on which every statement is a transaction of its own."""
        return self.reader.connect()

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """One transaction, committed at the end of the block; under an Idempotency-Key with the answer."""
        return (
            self.writer.begin()
            if self.keyed is None
            else self.keyed.working(self.writer, self.access or str(self.client))
        )


def unauthorized(code: str, title: str) -> Problem:
    """401: the key or the token is not good."""
    return Problem(401, code, title, headers={"WWW-Authenticate": "Bearer"})


def shown_credentials(request: Request) -> tuple[str, str]:
    """The key and the bearer token, both present; whether they are good is not yet known."""
    key = request.headers.get("st-app-key", "").strip()
    if not key:
        raise unauthorized("app_key_missing", KEY_MISSING)
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not bearer.strip():
        raise unauthorized("token_missing", "Bearer token not present, check Authorization header value.")
    return key, bearer.strip()


async def _known(request: Request, scope: str) -> Record:
    key, bearer = shown_credentials(request)
    engine: AsyncEngine = request.app.state.reader
    async with engine.connect() as connection:
        found = (await connection.execute(CALLER, {"key": key, "digest": hashed(bearer)})).first()
    if found is None or not found.fresh:
        raise unauthorized("token_invalid", "Bearer token unknown or expired, fetch a new one.")
    if not found.key_fits:
        raise unauthorized("app_key_invalid", "Application key not valid, check ST-App-Key header value.")
    rates: Rates = request.app.state.rates
    request.state.charge = rates.calls.charge(key)
    if scope not in found.scopes:
        raise Problem(403, "scope_missing", f"The token lacks the scope {scope}.", requiredScopes=[scope])
    refuse_unknown(request)
    return found


def call_of(  # noqa: PLR0913 - one argument for each way to know somebody
    request: Request,
    *,
    client: int,
    name: str,
    faithful: bool = False,
    organization: int = 0,
    tenant: str = "",
    scope: str = "",
    access: str = "",
) -> Call:
    """A call of somebody who has shown that they may make it."""
    state = request.app.state
    return Call(
        writer=state.engine,
        reader=state.reader,
        moment=Moment(state.clock),
        client=client,
        name=name,
        faithful=faithful,
        scopes=state.scopes,
        keyed=getattr(request.state, "keyed", None),
        organization=organization,
        tenant=tenant,
        scope=scope,
        access=access,
    )


def _call(request: Request, row: Record, *, organization: int = 0, tenant: str = "") -> Call:
    return call_of(
        request,
        client=row.id,
        name=row.name,
        faithful=bool(row.faithful),
        organization=organization,
        tenant=tenant,
    )


def developer(scope: str) -> Callable[..., Awaitable[Call]]:
    """A client of the organization in the path, holding *scope*; other organizations' ids do not exist for it."""

    async def check(request: Request, organization: OrganizationPath) -> Call:
        row = await _known(request, scope)
        if row.organization_id != organization:
            raise missing("organization")
        return _call(request, row, organization=organization)

    return check


def tenant_admin(scope: str) -> Callable[..., Awaitable[Call]]:
    """An admin's client of the tenant in the path, holding *scope*; other tenants' ids do not exist for it."""

    async def check(request: Request, tenant: TenantPath) -> Call:
        row = await _known(request, scope)
        if row.tenant_id != tenant:
            raise missing("tenant")
        return _call(request, row, tenant=tenant)

    return check


def operator(scope: str) -> Callable[..., Awaitable[Call]]:
    """A client of the platform's operator, holding *scope*."""

    async def check(request: Request) -> Call:
        return _call(request, await _known(request, scope))

    return check
