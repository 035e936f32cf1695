"""What a source can tell us about apps, versions and connections, in our own words."""

import enum
from datetime import datetime
from typing import NamedTuple


class Status(enum.StrEnum):
    """The state of a connection as the source states it (`domain.md` 4.2)."""

    AWAITING_APPROVAL = "awaiting_approval"
    NOT_CONNECTED = "not_connected"
    CONNECTED = "connected"
    DISABLED = "disabled"
    DISCONNECTED = "disconnected"
    UNKNOWN = "unknown"


class SeenApp(NamedTuple):
    """One app as the source lists it."""

    external_id: str
    name: str
    latest: int | None
    distribution: str  # "public" | "private"
    approval: str  # "not_required" | "pending" | "approved" | "rejected"
    created_at: datetime | None
    deleted: bool
    environments: tuple[str, ...]


class SeenVersion(NamedTuple):
    """One version of an app: its number and the whole set of grants, such as `tn.crm.customers:r`."""

    number: int
    grants: frozenset[str]
    released_at: datetime
    released_by: str | None


class SeenConnection(NamedTuple):
    """What one poll saw of one connection; None where the source does not say."""

    external_id: str | None
    tenant: str
    tenant_name: str | None
    environment: str
    status: Status
    version: int | None  # None: never connected, or unknown
    grants: frozenset[str] | None  # scopes in play; None: derive them from the version
    client_id: str | None
    allowed_at: datetime | None
    accepted_at: datetime | None
    accepted_by: str | None
    said_status: str | None = None  # the source's own word for a status that is unknown


class Rejected(ValueError):  # noqa: N818 - it names what became of the row
    """A row that cannot be trusted; *tenant* is its tenant's id where that much could be read."""

    def __init__(self, reason: str, *, tenant: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.tenant = tenant


class Change(NamedTuple):
    """A connection as a change feed tells of it: the whole of it, as it is now, or that it is gone."""

    app: str
    hash: int  # of the bytes it was told in, which are not those of a listing
    seen: SeenConnection
    is_gone: bool


class FedPage(NamedTuple):
    """A page of a change feed, in the order of the changes."""

    changes: tuple[Change, ...]
    doubtful: frozenset[str]  # apps of which a row could not be trusted
    after: str  # where the next page begins, or the next reading
