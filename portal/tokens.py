"""The token endpoint: client credentials in, a bearer token for 900 seconds out."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from sqlalchemy import BigInteger, bindparam, cast, delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from portal import shapes
from portal.answers import json_answer
from portal.credentials import hashed, matches
from portal.signing import signed
from portal.tables import client, client_secret, connection, token, version

LIFETIME_SECONDS = 900
FORM = {
    "required": True,
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "required": ["grant_type", "client_id", "client_secret"],
                "properties": {
                    "grant_type": {"const": "client_credentials"},
                    "client_id": {"type": "string"},
                    "client_secret": {"type": "string"},
                    "scope": {"type": "string"},
                },
            }
        }
    },
}
router = APIRouter(tags=["token"])


# By PostgreSQL's own clock, as the end of every token is.
NOW = cast(func.extract("epoch", func.now()), BigInteger).label("now")
FIND = select(client.c.id, client.c.tenant_id, client.c.secret_hash, client.c.scopes, NOW).where(
    client.c.client_id == bindparam("asking")
)
# A connection whose access is on: its scopes are those of the version that the tenant's admin accepted.
IN_PLAY = (
    select(client_secret.c.hash, connection.c.tenant_id, version.c.scopes, NOW)
    .select_from(
        connection.join(client_secret, client_secret.c.access_id == connection.c.client_id).join(
            version, (version.c.app_id == connection.c.app_id) & (version.c.number == connection.c.version)
        )
    )
    .where(connection.c.client_id == bindparam("asking"), connection.c.state == "connected")
)
FORGET = delete(token).where(
    (token.c.client_id == bindparam("owner")) | (token.c.access_id == bindparam("access")),
    token.c.expires_at < func.now(),
)
ISSUE = insert(token).values(
    hash=bindparam("digest"),
    client_id=bindparam("owner"),
    access_id=bindparam("access"),
    scopes=bindparam("granted"),
    expires_at=func.now() + text(f"interval '{LIFETIME_SECONDS} seconds'"),
)


class _Holder(NamedTuple):
    """Who asks: a client, or a connection by its client id; the scopes it holds, and whose tenant's they are."""

    client: int | None
    access: str | None
    tenant: str | None
    scopes: list[str]
    now: int


def _refused(error: str) -> Response:
    # RFC 6749 5.2 and the platform's own endpoint: a bare {"error": …}, not problem+json.
    return json_answer({"error": error}, status=400)


def _granted(form: Mapping[str, str], held: list[str]) -> list[str] | None:
    """The scopes to put into the token: those asked for, or all; None when one is not held."""
    asked = form.get("scope", "").split()
    if not set(asked) <= set(held):
        return None
    return sorted(set(asked)) or sorted(held)


@router.post(
    "/connect/token",
    response_model=shapes.Token,
    responses={400: {"model": shapes.TokenRefusal}},
    openapi_extra={"requestBody": FORM},
)
async def issue(request: Request) -> Response:
    """A bearer token for the client that the form names; secrets are compared in constant time."""
    try:
        form = dict(parse_qsl((await request.body()).decode("ascii")))
    except ValueError:
        return _refused("invalid_request")
    if form.get("grant_type") != "client_credentials":
        return _refused("unsupported_grant_type" if form.get("grant_type") else "invalid_request")
    asking, secret = form.get("client_id", "").replace("\0", ""), form.get("client_secret", "")
    told = request.app.state.rates.tokens.admit(asking)
    engine = request.app.state.engine
    # Before the transaction, which must not wait for a second connection of the pool.
    key = await request.app.state.signer.key(engine)
    async with engine.begin() as database:
        found = await _holder(database, asking, secret)
        if found is None:
            return _refused("invalid_client")
        granted = _granted(form, found.scopes)
        if granted is None:
            return _refused("invalid_scope")
        bearer = signed(key, asking, found.tenant, granted, found.now, LIFETIME_SECONDS)
        named = {"owner": found.client, "access": found.access}
        await database.execute(FORGET, named)
        await database.execute(ISSUE, {"digest": hashed(bearer), "granted": granted, **named})
    answer = json_answer(
        {
            "access_token": bearer,
            "expires_in": LIFETIME_SECONDS,
            "token_type": "Bearer",
            "scope": " ".join(granted),
        }
    )
    answer.headers["Cache-Control"] = "no-store"
    answer.headers.update(told)
    return answer


async def _holder(database: AsyncConnection, asking: str, secret: str) -> _Holder | None:
    """Who shows this id and *secret*; None when nobody does."""
    row = (await database.execute(FIND, {"asking": asking})).first()
    if row is not None:
        return _Holder(row.id, None, row.tenant_id, row.scopes, row.now) if matches(secret, row.secret_hash) else None
    for one in (await database.execute(IN_PLAY, {"asking": asking})).all():
        if matches(secret, one.hash):
            return _Holder(None, asking, one.tenant_id, one.scopes, one.now)
    return None
