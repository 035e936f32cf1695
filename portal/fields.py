"""The kinds of values that callers send, each with the limits the portal sets for it."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Path
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    StringConstraints,
    TypeAdapter,
)
from pydantic.alias_generators import to_camel

from portal.catalogue import GRANTS
from portal.receivers import checked_receiver

_web_address = TypeAdapter(HttpUrl)
# Control characters, NUL among them, have no place in a name and none in PostgreSQL's text.
_DATED = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")
_NAME = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
_WEB = r"^https?://[^\x00-\x20\x7f]+$"


def _checked_address(text: str) -> str:
    _web_address.validate_python(text)
    return text


def _dated(value: object) -> object:
    if not isinstance(value, str) or not _DATED.match(value):
        raise ValueError("write it as 2026-01-31T12:00:00Z")
    return value


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("before or after all time that can be written in UTC") from None


def _known_grants(grants: list[str]) -> list[str]:
    unknown = sorted({grant for grant in grants if grant not in GRANTS})
    if unknown:
        raise ValueError(f"not in the catalogue: {', '.join(unknown)}")
    return sorted(set(grants))


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=_NAME)]
Username = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@+-]{0,119}$")]
HomePage = Annotated[
    str,
    StringConstraints(min_length=1, max_length=250, pattern=_WEB),
    AfterValidator(_checked_address),
    Field(json_schema_extra={"format": "iri"}),
]
# Without a backslash: to some readers it ends the host, to others not.
WebAddress = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000, pattern=r"^https?://[\x21-\x5b\x5d-\x7e]+$"),
    AfterValidator(checked_receiver),
    Field(json_schema_extra={"format": "iri"}),
]
Note = Annotated[str, StringConstraints(max_length=4000, pattern=r"^[^\x00]*$")]
TenantId = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,18}$")]
# Sorted and without repetition; each of them is in the catalogue.
Scopes = Annotated[
    list[Annotated[str, Field(json_schema_extra={"enum": sorted(GRANTS)})]],
    Field(min_length=1, max_length=500),
    AfterValidator(_known_grants),
]
Environment = Literal["production", "integration"]
Distribution = Literal["private", "public"]
ApprovalStatus = Literal["notRequired", "pending", "approved", "rejected"]
Status = Literal["awaitingApproval", "notConnected", "connected", "disabled", "disconnected"]
CredentialManagement = Literal["resourceOwner", "developer"]
# The first and the last hours of the calendar exist in some zones only.
Utc = Annotated[AwareDatetime, AfterValidator(_in_utc)]
# RFC 3339 with its zone; pydantic alone would take numbers too, as seconds of some epoch.
Instant = Annotated[Utc, BeforeValidator(_dated)]

OrganizationPath = Annotated[int, Path(ge=1, lt=2**63)]
AppPath = Annotated[int, Path(ge=1, lt=2**63)]
ConnectionPath = Annotated[int, Path(ge=1, lt=2**63)]
SubscriptionPath = Annotated[int, Path(ge=1, lt=2**63)]
SecretPath = Annotated[int, Path(ge=1, lt=2**63)]
VersionPath = Annotated[int, Path(ge=1, lt=2**31)]
TenantPath = Annotated[str, Path(pattern=r"^[1-9][0-9]{0,18}$")]


class Body(BaseModel):
    """What a caller sends: camelCase names, and no name that means nothing."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)
