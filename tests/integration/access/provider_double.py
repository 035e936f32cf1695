"""An identity provider over real HTTP, which checks what clients must send and lies where a test says so."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

from joserfc import jwt
from joserfc.jwk import ECKey
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

CLIENT, SECRET = "uptake", "s3cret/ä+"
Sign = Callable[[dict[str, Any]], str]


@dataclass
class ProviderDouble:
    """Whoever comes is Ada; `claims` are said of her, `published` is told of itself."""

    issuer: str
    now: int
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "1", "use": "sig"}))
    claims: dict[str, Any] = field(default_factory=dict)
    published: dict[str, Any] = field(default_factory=dict)
    keys: list[dict[str, Any]] | None = None
    sign: Sign | None = None
    asked: list[dict[str, str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)

    @classmethod
    def serving(cls, server: HTTPServer, now: int) -> "ProviderDouble":
        """One that answers at *server*."""
        double = cls(server.url_for("/realm"), now)
        for path, handler in {
            "/realm/.well-known/openid-configuration": double.configuration,
            "/realm/keys": double.published_keys,
            "/realm/authorize": double.authorize,
            "/realm/token": double.token,
        }.items():
            server.expect_request(path).respond_with_handler(handler)
        return double

    def configuration(self, _request: Request) -> Response:
        """What it says of itself."""
        self.fetched.append("configuration")
        base = self.issuer
        said = {
            "issuer": base,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/keys",
            "scopes_supported": ["openid", "email", "groups"],
        }
        return _said(said | self.published)

    def published_keys(self, _request: Request) -> Response:
        """The keys it signs with."""
        self.fetched.append("keys")
        return _said({"keys": [self.key.as_dict(private=False)] if self.keys is None else self.keys})

    def authorize(self, request: Request) -> Response:
        """Ada says yes: back with a code that is for what was asked alone."""
        asked = request.args.to_dict()
        self.asked.append(asked)
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT)
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"], "iss": self.issuer})
        return Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{back}"})

    def token(self, request: Request) -> Response:
        """The proof, for whoever has the code, the verifier and the secret; once."""
        sent = {name: values[0] for name, values in parse_qs(request.get_data(as_text=True)).items()}
        asked = self.codes.pop(sent["code"], None)
        verifier = base64.urlsafe_b64encode(hashlib.sha256(sent["code_verifier"].encode()).digest()).rstrip(b"=")
        client = request.headers.get("Authorization", "").removeprefix("Basic ")
        is_known = base64.b64decode(client).decode() == "uptake:s3cret%2F%C3%A4%2B"
        if not asked or not is_known or verifier.decode() != asked["code_challenge"]:
            return _said({"error": "invalid_grant"}, 400)
        if sent["redirect_uri"] != asked["redirect_uri"]:
            return _said({"error": "invalid_grant"}, 400)
        return _said({"access_token": "unused", "token_type": "Bearer", "id_token": self.proof(asked["nonce"])})

    def proof(self, nonce: str) -> str:
        """The token about Ada."""
        ada = {"sub": "248289761001", "email": "Ada@acme.example", "email_verified": True, "groups": ["ops"]}
        about = {"iss": self.issuer, "aud": CLIENT, "iat": self.now, "exp": self.now + 300, "nonce": nonce}
        claims = {name: value for name, value in (ada | about | self.claims).items() if value is not None}
        return self.sign(claims) if self.sign else jwt.encode({"alg": "ES256", "kid": "1"}, claims, self.key)

    def unsigned(self, claims: dict[str, Any]) -> str:
        """The claims with "none" for a signature."""
        return f"{_parts({'alg': 'none'}, claims)}."

    def by_public_key(self, claims: dict[str, Any]) -> str:
        """The claims signed by a secret that everybody knows: the public key itself."""
        signed = _parts({"alg": "HS256", "kid": "1"}, claims)
        return f"{signed}.{_encoded(hmac.digest(self.key.as_pem(private=False), signed.encode(), 'sha256'))}"

    def turn_key(self, kid: str) -> None:
        """Sign with a new one from now on."""
        self.key = ECKey.generate_key("P-256", {"kid": kid, "use": "sig"})
        self.sign = lambda claims: jwt.encode({"alg": "ES256", "kid": kid}, claims, self.key)


def _said(document: Any, status: int = 200) -> Response:
    return Response(json.dumps(document), status, content_type="application/json")


def _parts(*parts: dict[str, Any]) -> str:
    return ".".join(_encoded(json.dumps(part).encode()) for part in parts)


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
