"""The shapes of answers, for the OpenAPI document; what is sent is written elsewhere, and tests hold it to these."""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from portal.fields import ApprovalStatus, CredentialManagement, Distribution, Environment, Status

T = TypeVar("T")
# UTC, with seven fractional digits.
Instant = Annotated[datetime, Field(examples=["2026-05-04T08:00:00.0000000Z"])]


class _Shape(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class Page(_Shape, Generic[T]):
    """One page of a list; `totalCount` when it was asked for."""

    page: int
    page_size: int
    has_more: bool
    total_count: int = 0
    data: list[T]


class Feed(_Shape, Generic[T]):
    """One page of an export; `continueFrom` is where the next one begins, now or in a year."""

    has_more: bool
    continue_from: str
    data: list[T]


class ListOf(_Shape, Generic[T]):
    """A whole list."""

    data: list[T]


class Organization(_Shape):
    """The developer's company."""

    id: str
    name: str
    home_page_url: str
    environments: list[Environment]


class CatalogueScope(_Shape):
    """A scope that an app may ask for, with the levels it has."""

    name: str
    display_name: str
    has_read: bool
    has_write: bool


class ScopeGroup(_Shape):
    """Scopes that an admin reads together."""

    name: str
    display_name: str
    scopes: list[CatalogueScope]


class App(_Shape):
    """An app as its developer sees it."""

    id: int
    public_id: str
    name: str
    organization_name: str
    home_page_url: str
    distribution: Distribution
    approval_status: ApprovalStatus
    approved_on: Instant | None
    app_key: str | None
    credential_management: CredentialManagement
    latest_version: int
    availability_count: int
    active: bool
    created_on: Instant
    created_by: str
    modified_on: Instant
    deleted_on: Instant = None  # type: ignore[assignment]  # left out while the app lives


class ExportedApp(App):
    """The same, and whether it is deleted."""

    deleted: bool


class Person(_Shape):
    """Who did something."""

    id: int
    name: str


class VersionScope(_Shape):
    """A scope with the levels that a version asks for."""

    name: str
    display_name: str
    view: bool
    modify: bool


class Diff(_Shape):
    """What came and what went, as `name:r` and `name:w`."""

    added: list[str]
    removed: list[str]


class Version(Diff):
    """A numbered scope set, with what it changed."""

    app_id: int
    version: int
    created_on: Instant
    created_by: Person
    scopes: list[VersionScope]


class ExportedVersion(Version):
    """The same, and whether its app is deleted."""

    deleted: bool


class Difference(Diff):
    """What changed between two versions."""

    app_id: int
    from_: int = Field(alias="from")
    to: int


class Owner(_Shape):
    """A tenant."""

    kind: Literal["tenant"]
    id: str
    name: str


class Entry(_Shape):
    """A tenant that may see the app."""

    resource_owner: Owner
    note: str
    created_on: Instant
    created_by: str


class Added(_Shape):
    """How many tenant ids were new, and how many there are."""

    added: int
    availability_count: int


class Secret(_Shape):
    """A client secret as it may be shown at any time."""

    id: int
    value_prefix: str
    created_on: Instant
    created_by: str


class NewSecret(Secret):
    """A client secret the one time its value is shown; null when the call is repeated."""

    client_id: str
    value: str | None


class Connection(_Shape):
    """Who runs what; the fields with a default are missing for faithful organizations."""

    id: int
    app_id: int
    resource_owner: Owner
    environment: Environment
    status: Status
    enabled: bool
    version: int | None
    latest_version: int
    scopes: list[str]
    client_id: str | None
    client_secrets: list[Secret]
    created_on: Instant
    allowed_on: Instant | None = None
    version_accepted_on: Instant | None = None
    version_accepted_by: str | None = None
    modified_on: Instant = None  # type: ignore[assignment]  # left out for faithful organizations
    revision: int = 0


class ExportedConnection(Connection):
    """The same, and whether it left the lists."""

    deleted: bool


class AccessApp(_Shape):
    """An app as a tenant's admin sees it."""

    id: int
    public_id: str
    name: str
    organization_name: str
    home_page_url: str


class Access(_Shape):
    """A tenant's access to an app in one environment."""

    app: AccessApp
    connection_id: int
    environment: Environment
    status: Status
    enabled: bool
    version: int | None
    latest_version: int
    new_version_available: bool
    scopes: list[str]
    client_id: str | None
    credential_management: CredentialManagement
    allowed_on: Instant | None
    version_accepted_on: Instant | None
    version_accepted_by: str | None


class Pending(Diff):
    """What allowing or upgrading would accept."""

    app_id: int
    environment: Environment
    from_: int = Field(alias="from")
    to: int
    new_version_available: bool
    scopes: list[VersionScope]


class Approval(_Shape):
    """What the operator decided."""

    id: int
    approval_status: ApprovalStatus
    approved_on: Instant | None


class Subscription(_Shape):
    """Where events go."""

    id: int
    url: str
    types: list[str]
    created_on: Instant
    created_by: str


class NewSubscription(Subscription):
    """A subscription the one time its secret is shown; null when the call is repeated."""

    secret: str | None


class Delivery(_Shape):
    """One event for one subscriber."""

    id: int
    event_id: str
    event_type: str
    occurred_on: Instant
    state: Literal["waiting", "accepted", "givenUp"]
    attempts: int
    answer: str | None
    accepted_on: Instant | None


class Sample(_Shape):
    """Something that a scope guards."""

    id: int
    name: str
    created_on: Instant


class Token(BaseModel):
    """A bearer token; `scope` lists what it opens."""

    model_config = ConfigDict(extra="forbid")

    access_token: str
    expires_in: int
    token_type: Literal["Bearer"]
    scope: str


class Problem(_Shape):
    """What went wrong: `data.code` is for programs, `title` for people, `errors` lists faults by field."""

    type: str
    title: str
    status: int
    trace_id: str
    errors: dict[str, list[str]]
    data: dict[str, Any]


class TokenRefusal(BaseModel):
    """Why no token was given, as RFC 6749 has it."""

    error: Literal["invalid_request", "invalid_client", "invalid_scope", "unsupported_grant_type"]
