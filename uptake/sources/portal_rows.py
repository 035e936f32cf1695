"""The portal's rows in our own words: what cannot be trusted is refused, never guessed."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from uptake.facts import Change, Rejected, SeenApp, SeenConnection, SeenVersion, Status
from uptake.pages import fingerprint

_NAME_LENGTH = 200
# Every app of this portal can be connected in both.
_ENVIRONMENTS = ("production", "integration")
_MOST_GRANTS = 10_000
_HIGHEST_VERSION = 2**31 - 1
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_WORD = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
# A whole pair, a lone half, or any other escape: read from the left, so that `\\ud800` stays what it is.
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
_STATUS = {
    "awaitingApproval": Status.AWAITING_APPROVAL,
    "notConnected": Status.NOT_CONNECTED,
    "connected": Status.CONNECTED,
    "disabled": Status.DISABLED,
    "disconnected": Status.DISCONNECTED,
}
_APPROVAL = {"notRequired": "not_required", "pending": "pending", "approved": "approved", "rejected": "rejected"}
_DISTRIBUTION = {"public": "public", "private": "private"}


class _Shape(msgspec.Struct, rename="camel", gc=False):
    """A JSON object of which we read the named fields and let the others be."""


class _Owner(_Shape):
    id: int | str
    name: str | None = None


class _Connection(_Shape):
    app_id: int
    resource_owner: _Owner
    environment: str
    status: str
    version: int | None
    client_id: str | None
    id: int | str | None = None
    enabled: bool | None = None
    scopes: list[str] | None = None
    allowed_on: str | None = None
    version_accepted_on: str | None = None
    version_accepted_by: str | None = None


class _Owned(_Shape):
    resource_owner: _Owner


class _Belonging(_Shape):
    app_id: int


class _Fed(_Shape):
    app_id: int
    deleted: bool


class _App(_Shape):
    id: int
    name: str
    distribution: str
    approval_status: str
    active: bool
    latest_version: int | None = None
    created_on: str | None = None


class _Author(_Shape):
    name: str | None = None


class _Scope(_Shape):
    name: str
    view: bool
    modify: bool


class _Version(_Shape):
    app_id: int
    version: int
    created_on: str
    scopes: list[_Scope]
    created_by: _Author | None = None


_connection = msgspec.json.Decoder(_Connection).decode
_owned = msgspec.json.Decoder(_Owned).decode
_belonging = msgspec.json.Decoder(_Belonging).decode
_fed = msgspec.json.Decoder(_Fed).decode
_app = msgspec.json.Decoder(_App).decode
_version = msgspec.json.Decoder(_Version).decode
# All that a decoder raises for bytes that are not what they should be, whatever their size and depth.
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


def mended(body: bytes) -> bytes:
    """*body* with U+FFFD for each half of a surrogate pair that stands alone, which no text may hold."""
    # One look for a single byte is many times as fast as one for a sequence, and most pages have no escape at all.
    if b"\\" not in body or (rb"\ud" not in body and rb"\uD" not in body):
        return body
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found["lone"] else found[0], body)


def app_of(item: msgspec.Raw) -> str | None:
    """Which app the row says it belongs to; None when even that cannot be read."""
    try:
        return str(_belonging(item).app_id)
    except UNREADABLE:
        return None


def connection(item: msgspec.Raw) -> SeenConnection:
    """The facts of one connection; raises Rejected, with the tenant where that much can be read."""
    raw = mended(bytes(item))
    try:
        row = _connection(raw)
        _once(raw)
        return _seen(row)
    except UNREADABLE as error:
        raise Rejected(_why(error), tenant=_tenant_of(raw)) from None


def change(item: msgspec.Raw) -> Change:
    """A connection as the feed tells of it; raises Rejected. One that is gone is at no version any more."""
    seen = connection(item)
    try:
        fed = _fed(mended(bytes(item)))
    except UNREADABLE as error:
        raise Rejected(_why(error), tenant=seen.tenant) from None
    if fed.deleted:
        seen = seen._replace(
            status=Status.DISCONNECTED, version=None, grants=None, allowed_at=None, accepted_at=None, accepted_by=None
        )
    return Change(str(fed.app_id), fingerprint(item), seen, fed.deleted)


def app(item: msgspec.Raw) -> SeenApp:
    """One app as listed; raises Rejected."""
    try:
        raw = mended(bytes(item))
        row = _app(raw)
        _once(raw)
        return SeenApp(
            external_id=_identity(row.id),
            name=_text(row.name),
            latest=_number(row.latest_version),
            distribution=_DISTRIBUTION[row.distribution],
            approval=_APPROVAL[row.approval_status],
            created_at=_instant(row.created_on),
            deleted=not row.active,
            environments=_ENVIRONMENTS,
        )
    except KeyError:
        raise Rejected("its approval status or its distribution is unknown") from None
    except UNREADABLE as error:
        raise Rejected(_why(error)) from None


def version(item: msgspec.Raw) -> SeenVersion:
    """One version with its whole set of grants; raises Rejected."""
    try:
        raw = mended(bytes(item))
        row = _version(raw)
        _once(raw)
        number, released_at = _number(row.version), _instant(row.created_on)
        if number is None or released_at is None:
            raise Rejected("its release time is out of range")
        return SeenVersion(
            number=number,
            grants=_grants(spelled for scope in row.scopes for spelled in _levels(scope)),
            released_at=released_at,
            released_by=_text(row.created_by.name) if row.created_by and row.created_by.name else None,
        )
    except UNREADABLE as error:
        raise Rejected(_why(error)) from None


def _seen(row: _Connection) -> SeenConnection:
    status = _STATUS.get(row.status, Status.UNKNOWN)
    number = _number(row.version)
    grants = None if row.scopes is None else _grants(row.scopes)
    if not row.client_id:
        # The real portal's screen prints the latest version for a tenant that never connected.
        number = grants = None
        if status in {Status.CONNECTED, Status.DISABLED}:
            status = Status.NOT_CONNECTED
    elif row.enabled is False and status is Status.CONNECTED:
        raise Rejected("connected and not enabled at once")
    elif number is None and grants is None and status in {Status.CONNECTED, Status.DISABLED}:
        raise Rejected("connected at no version")
    return SeenConnection(
        external_id=None if row.id is None else _identity(row.id),
        tenant=_identity(row.resource_owner.id),
        tenant_name=_text(row.resource_owner.name) if row.resource_owner.name else None,
        environment=_word(row.environment),
        status=status,
        version=number,
        grants=grants,
        client_id=_client(row.client_id) if row.client_id else None,
        allowed_at=_instant(row.allowed_on),
        accepted_at=_instant(row.version_accepted_on),
        accepted_by=_text(row.version_accepted_by) if row.version_accepted_by else None,
        said_status=_text(row.status) if status is Status.UNKNOWN else None,
    )


def _once(raw: bytes) -> None:
    """Refuse a field that is given twice: the typed decoder takes the last one without a word."""
    _distinctly(raw.decode())


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise Rejected("a field is given twice")


# json.loads would make a decoder for each row.
_distinctly = json.JSONDecoder(object_pairs_hook=_distinct).decode


def _why(error: Exception) -> str:
    """What is wrong with a row, in words without its content."""
    if isinstance(error, Rejected):
        return error.reason
    return str(error)[:200] if isinstance(error, msgspec.ValidationError) else "not readable as JSON in UTF-8"


def _tenant_of(raw: bytes) -> str | None:
    try:
        return _identity(_owned(raw).resource_owner.id)
    except UNREADABLE:
        return None


def _identity(value: int | str) -> str:
    text = str(value) if isinstance(value, str) or 0 < value < 2**64 else ""
    if not _ID.fullmatch(text):
        raise Rejected("an id is not one")
    # The only ids of which everybody agrees that capitals make no difference.
    return text.lower() if _UUID.fullmatch(text) else text


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise Rejected("the environment is not a word")
    return text


def _client(text: str) -> str:
    if len(text) > _NAME_LENGTH:
        raise Rejected("the client id is too long")
    return _text(text)


def _number(value: int | None) -> int | None:
    if value is not None and not 1 <= value <= _HIGHEST_VERSION:
        raise Rejected("the version is out of range")
    return value


def _levels(scope: _Scope) -> Iterable[str]:
    if scope.view:
        yield f"{scope.name}:r"
    if scope.modify:
        yield f"{scope.name}:w"


def _grants(spelled: Iterable[str]) -> frozenset[str]:
    grants = frozenset(spelled)
    if len(grants) > _MOST_GRANTS or any(not 0 < len(grant) <= _NAME_LENGTH for grant in grants):
        raise Rejected("the scopes are too many, too long or empty")
    return frozenset(_text(grant) for grant in grants)


def _text(text: str) -> str:
    """*text* as a database can hold it and a page can show it."""
    return text[:_NAME_LENGTH].replace("\0", "\N{REPLACEMENT CHARACTER}")


def _instant(text: str | None) -> datetime | None:
    """The moment in UTC, cut to microseconds; None when absent or beyond belief. Times without a zone are refused."""
    if text is None:
        return None
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise Rejected("a time is not one, or has no zone")
    moment, fraction, zone = found.groups()
    is_leap = moment.endswith(":60")
    moment = f"{moment[:-2]}59" if is_leap else moment
    # Seven digits are the portal's habit; a datetime holds six.
    read = datetime.fromisoformat(f"{moment}.{(fraction or '')[:6]:0<6}{zone.upper().replace('Z', '+00:00')}")
    if not 2000 <= read.year < 2200:
        return None
    at = read.astimezone(UTC)
    if not is_leap:
        return at
    if (at.hour, at.minute) != (23, 59):
        raise Rejected("a time is not one, or has no zone")
    # A leap second is told as the one after it, which no day lacks.
    return at + timedelta(seconds=1)
