"""The token endpoint: client credentials in, a bearer token for 900 seconds out."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from sqlalchemy import bindparam, delete, func, insert, select, text

from portal.answers import json_answer
from portal.credentials import hashed, matches, new_token
from portal.tables import client, token

LIFETIME_SECONDS = 900
router = APIRouter(tags=["token"])

FIND = select(client.c.id, client.c.secret_hash, client.c.scopes).where(client.c.client_id == bindparam("asking"))
FORGET = delete(token).where(token.c.client_id == bindparam("owner"), token.c.expires_at < func.now())
ISSUE = insert(token).values(
    hash=bindparam("digest"),
    client_id=bindparam("owner"),
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


@router.post("/connect/token", openapi_extra={"requestBody": {"content": {"application/x-www-form-urlencoded": {}}}})
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
    async with request.app.state.engine.begin() as connection:
        row = (await connection.execute(FIND, {"asking": asking})).first()
        if row is None or not matches(secret, row.secret_hash):
            return _refused("invalid_client")
        granted = _granted(form, row.scopes)
        if granted is None:
            return _refused("invalid_scope")
        await connection.execute(FORGET, {"owner": row.id})
        await connection.execute(ISSUE, {"digest": hashed(bearer), "owner": row.id, "granted": granted})
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
