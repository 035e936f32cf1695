"""What an identity provider proves: OpenID Connect's code flow with PKCE, spoken by our own HTTP client."""

import base64
import hashlib
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from uptake.errors import EdgeError
from uptake.http import Answer, Client, Limits

# Never by a secret that both sides know, and never by none.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
_KEYS = frozenset({"RSA", "EC"})
_LEEWAY_SECONDS = 60
_KNOWN_SECONDS = 3600.0  # how long what it publishes is taken for what it still is
_ASKED_AGAIN_SECONDS = 60.0
_LIMITS = Limits(connect=5.0, read=5.0, deadline=10.0, body=1024 * 1024)


T = TypeVar("T")


class ProviderError(Exception):
    """Nobody was proved to be anybody; the text says why, and nothing of what was sent."""


class _Published(msgspec.Struct):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    scopes_supported: tuple[str, ...] = ()
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Tokens(msgspec.Struct):
    id_token: str


class _Keys(msgspec.Struct):
    keys: list[dict[str, Any]]


class Provider:
    """One provider, and us as its client. Every method raises ProviderError and nothing else."""

    def __init__(self, issuer: str, client_id: str, client_secret: str | None, *, scope: str | None = None) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        # What is asked for beside the usual, where the provider has it: `groups`, say.
        self._scope = scope
        self._http = Client(_LIMITS)
        self._published: tuple[float, _Published] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def close(self) -> None:
        """Let go of sockets."""
        self._http.close()

    def way(self, *, back: str, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes to prove who is before it; it comes *back* with a code."""
        published = self._publishes()
        more = [self._scope] if self._scope and self._scope in published.scopes_supported else []
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": back,
            "scope": " ".join(["openid", "email", "profile", *more]),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        joint = "&" if urlsplit(published.authorization_endpoint).query else "?"
        return f"{published.authorization_endpoint}{joint}{urlencode(asked)}"

    def claims(self, code: str, *, back: str, verifier: str, nonce: str, now: datetime) -> Mapping[str, Any]:
        """What the provider says of whom it has sent back with *code*; all of it is checked."""
        published = self._publishes()
        sent = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self._client_secret is None:
            sent["client_id"] = self._client_id
        elif "client_secret_basic" in published.token_endpoint_auth_methods_supported:
            pair = f"{quote(self._client_id, safe='')}:{quote(self._client_secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            sent |= {"client_id": self._client_id, "client_secret": self._client_secret}
        try:
            answer = self._http.post(published.token_endpoint, body=urlencode(sent).encode(), headers=headers)
        except EdgeError as error:
            raise ProviderError(str(error)) from None
        return self._checked(_read(answer, _Tokens).id_token, nonce=nonce, now=now)

    def _checked(self, id_token: str, *, nonce: str, now: datetime) -> Mapping[str, Any]:
        claims = self._signed(id_token)
        rules = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            rules.validate(claims)
        except JoseError as error:
            raise ProviderError(f"its token is not for us, now: {type(error).__name__} {_claim(error)}") from None
        others = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if (others or "azp" in claims) and claims.get("azp") != self._client_id:
            raise ProviderError("its token was made for somebody else: azp")
        return claims

    def _signed(self, id_token: str) -> dict[str, Any]:
        """The claims, by a key that the provider publishes now; a new one is looked for, but not for every forger."""
        why = ""
        for older_than in (_KNOWN_SECONDS, _ASKED_AGAIN_SECONDS):
            keys = self._keys_known(older_than=older_than)
            try:
                return jwt.decode(id_token, keys, algorithms=_ALGORITHMS).claims
            except (JoseError, ValueError, TypeError) as error:
                # Its text could repeat the token.
                why = type(error).__name__
        raise ProviderError(f"its token is not signed by a key of its own: {why}")

    def _publishes(self) -> _Published:
        now = time.monotonic()
        if self._published is None or now - self._published[0] > _KNOWN_SECONDS:
            found = self._get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration", _Published)
            if found.issuer != self._issuer:
                raise ProviderError(
                    "it calls itself otherwise than UPTAKE_OIDC_ISSUER: they must be the same letter by letter"
                )
            for address in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
                self._require_as_safe(address)
            self._published = now, found
        return self._published[1]

    def _require_as_safe(self, address: str) -> None:
        if urlsplit(address).scheme not in {"https", urlsplit(self._issuer).scheme}:
            raise ProviderError("it names an address without https")

    def _keys_known(self, *, older_than: float) -> KeySet:
        now = time.monotonic()
        if self._keys is None or now - self._keys[0] > older_than:
            found = self._get(self._publishes().jwks_uri, _Keys).keys
            usable = [key for key in found if key.get("kty") in _KEYS and key.get("use", "sig") == "sig"]
            try:
                self._keys = now, KeySet.import_key_set({"keys": usable})
            except (JoseError, ValueError, TypeError, KeyError):
                raise ProviderError("its keys cannot be read") from None
        return self._keys[1]

    def _get(self, url: str, kind: type[T]) -> T:
        try:
            answer = self._http.get(url, headers={"Accept": "application/json"})
        except EdgeError as error:
            raise ProviderError(str(error)) from None
        return _read(answer, kind)


def _read(answer: Answer, kind: type[T]) -> T:
    try:
        if refusal := answer.refusal():
            raise refusal
        return msgspec.json.decode(answer.json(), type=kind)
    except EdgeError as error:
        raise ProviderError(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ProviderError(f"{answer.host} answered something else than OpenID Connect says") from None


def _claim(error: JoseError) -> str:
    return str(getattr(error, "claim", ""))
