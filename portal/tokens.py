"""The token endpoint: client credentials in, a bearer token for 900 seconds out."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from sqlalchemy import bindparam, delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from portal import shapes
from portal.answers import json_answer
from portal.credentials import hashed, matches, new_token
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

FIND = select(client.c.id, client.c.secret_hash, client.c.scopes).where(client.c.client_id == bindparam("asking"))
# A connection whose access is on: its scopes are those of the version that the tenant's admin accepted.
IN_PLAY = (
    select(client_secret.c.hash, version.c.scopes)
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
    request.app.state.rates.tokens.charge(asking)
    bearer = new_token()
    async with request.app.state.engine.begin() as database:
        found = await _holder(database, asking, secret)
        if found is None:
            return _refused("invalid_client")
        owner, access, held = found
        granted = _granted(form, held)
        if granted is None:
            return _refused("invalid_scope")
        await database.execute(FORGET, {"owner": owner, "access": access})
        named = {"owner": owner, "access": access, "granted": granted}
        await database.execute(ISSUE, {"digest": hashed(bearer), **named})
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


async def _holder(
    database: AsyncConnection, asking: str, secret: str
) -> tuple[int | None, str | None, list[str]] | None:
    """Who shows this id and *secret*: a client or a connection, and the scopes they hold; None when nobody does."""
    row = (await database.execute(FIND, {"asking": asking})).first()
    if row is not None:
        return (row.id, None, row.scopes) if matches(secret, row.secret_hash) else None
    for one in (await database.execute(IN_PLAY, {"asking": asking})).all():
        if matches(secret, one.hash):
            return None, asking, one.scopes
    return None
