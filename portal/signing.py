"""What a token says to whoever holds it: a signed JWT (RFC 9068) whose scopes are an array, as in the platform's own.

The portal itself looks a token up by its hash, so that it ends at once; the signature is for who reads it elsewhere.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from joserfc import jwt
from joserfc.jwk import RSAKey
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from portal.answers import json_answer
from portal.tables import signing_key

ISSUER = "urn:portal"
# The one resource that these tokens are for: this portal's own API, with the one that it guards.
AUDIENCE = "urn:portal:api"
BITS = 2048
HEADER = {"alg": "RS256", "typ": "at+jwt"}
router = APIRouter()


class Signer:
    """The one key with which this portal signs, made when it is first needed."""

    def __init__(self) -> None:
        self._key: RSAKey | None = None

    async def key(self, engine: AsyncEngine) -> RSAKey:
        """The key; two processes that make one at once keep the same."""
        if self._key is None:
            stored = select(signing_key.c.pem)
            async with engine.begin() as database:
                pem = (await database.execute(stored)).scalar_one_or_none()
                if pem is None:
                    fresh = await asyncio.to_thread(RSAKey.generate_key, BITS)
                    values = {"id": 1, "pem": fresh.as_pem(private=True).decode(), "created_at": func.now()}
                    await database.execute(insert(signing_key).values(values).on_conflict_do_nothing())
                    pem = (await database.execute(stored)).scalar_one()
            self._key = RSAKey.import_key(pem)
        return self._key


def signed(key: RSAKey, client: str, owner: Mapping[str, str], scopes: Sequence[str], now: int, seconds: int) -> str:
    """A token for *client* that no other is equal to, good for *seconds* from *now*.

    *owner* is the claim that names its organization or its tenant; an operator's has none.
    """
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        # Nobody stands behind a client that shows its own credentials: it is the subject itself (RFC 9068, 2.2).
        "sub": client,
        "client_id": client,
        **owner,
        "scope": list(scopes),
        "jti": secrets.token_hex(16),
        "iat": now,
        "nbf": now,
        "exp": now + seconds,
    }
    return jwt.encode(HEADER | {"kid": key.thumbprint()}, claims, key)


@router.get("/.well-known/jwks.json", include_in_schema=False)
async def keys(request: Request) -> Response:
    """The public key, for those who verify what a token says."""
    key = await request.app.state.signer.key(request.app.state.engine)
    shown = key.as_dict(private=False) | {"kid": key.thumbprint(), "alg": HEADER["alg"], "use": "sig"}
    return json_answer({"keys": [shown]})
