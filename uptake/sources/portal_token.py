"""The access token of a source: fetched once, kept for most of its life, never shown."""

import base64
import re
from collections.abc import Callable
from urllib.parse import urlencode

import msgspec

from uptake.errors import EdgeError, Fault, PermanentError
from uptake.http import Answer, Client
from uptake.sources.portal_rows import UNREADABLE

_RENEWED_AT = 0.8  # of its life
_SHORTEST, _LONGEST = 30, 3600  # seconds
_SENDABLE = re.compile(r"[\x21-\x7e]{1,16384}")


class _Granted(msgspec.Struct):
    access_token: str
    token_type: str | None = None
    expires_in: int | float | str | None = None


class _Refused(msgspec.Struct):
    error: str


class _Claims(msgspec.Struct):
    organization: int | str | None = None
    tenant: int | str | None = None


class Token:
    """Client credentials turned into a token; value() raises TransientError or PermanentError."""

    def __init__(
        self,
        client: Client,
        url: str,
        *,
        client_id: str,
        client_secret: str,
        clock: Callable[[], float],
        organization: str | None = None,
    ) -> None:
        """A token of *organization*, where one is told: one that says it is somebody else's is refused."""
        self._client = client
        self._url = url
        self._organization = organization
        self._form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        self._clock = clock
        self._value: str | None = None
        self._renew_at = 0.0

    def value(self) -> str:
        """A token that is good for a while yet."""
        if self._value is None or self._clock() >= self._renew_at:
            asked_at = self._clock()
            granted = self._granted()
            self._value = granted.access_token
            self._renew_at = asked_at + _RENEWED_AT * _life(granted.expires_in)
        return self._value

    def forget(self) -> None:
        """Fetch a new one next time: this one was refused."""
        self._value = None

    def _granted(self) -> _Granted:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        answer = self._client.post(self._url, body=urlencode(self._form).encode(), headers=headers)
        if refusal := _refusal(answer):
            raise refusal
        try:
            granted = msgspec.json.decode(answer.json(), type=_Granted)
        except UNREADABLE:
            # The cause would quote a piece of the token.
            raise PermanentError(f"{answer.host} answered no token", fault=Fault.SCHEMA) from None
        if (granted.token_type or "bearer").lower() != "bearer" or not _SENDABLE.fullmatch(granted.access_token):
            raise PermanentError(f"{answer.host} answered a token that cannot be sent", fault=Fault.SCHEMA)
        if self._organization not in {None, _holder(granted.access_token, self._organization)}:
            raise PermanentError(f"{answer.host} answered a token of somebody else", fault=Fault.AUTH)
        return granted


def _refusal(answer: Answer) -> EdgeError | None:
    if answer.status in {400, 401} and _error(answer.body) in {"invalid_client", "unauthorized_client"}:
        return PermanentError(f"{answer.host} refuses the client id or its secret", fault=Fault.AUTH)
    return answer.refusal()


def _holder(token: str, expected: str | None) -> str | None:
    """Whose *token* is by its own claims, *expected* if it makes none; they are not verified, being from its maker."""
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(token.split(".")[1] + "=="), type=_Claims)
    except (IndexError, *UNREADABLE):
        return expected
    named = claims.tenant if claims.organization is None else claims.organization
    return expected if named is None else str(named)


def _error(body: bytes) -> str | None:
    try:
        return msgspec.json.decode(body, type=_Refused).error
    except UNREADABLE:
        return None


def _life(expires_in: float | str | None) -> float:
    """The seconds a token lives, within reason; as short as reason allows when it does not say."""
    if isinstance(expires_in, str):
        expires_in = int(expires_in) if re.fullmatch(r"[0-9]{1,9}", expires_in) else None
    return _SHORTEST if expires_in is None else max(_SHORTEST, min(expires_in, _LONGEST))
