"""The two kinds of error at the edges: one is worth another try, the other needs a human."""

import enum
from datetime import timedelta


class Fault(enum.StrEnum):
    """What went wrong at an edge; stored with the poll or the attempt and shown as it is."""

    TRANSPORT = "transport"  # no connection, reset, time-out
    TLS = "tls"
    DEADLINE = "deadline"  # it answered, too slowly as a whole
    SERVER = "server"  # 5xx
    RATE_LIMITED = "rate_limited"  # 429
    AUTH = "auth"  # credentials or app key refused
    REQUEST = "request"  # the other side calls our request wrong
    GONE = "gone"  # 404 or 410
    REDIRECT = "redirect"
    PROTOCOL = "protocol"  # not what HTTP or the content type promised
    SCHEMA = "schema"  # JSON that does not keep the contract
    SECURITY = "security"  # what belongs to somebody else
    PAGING = "paging"  # pages that cannot be a whole listing
    TOO_LARGE = "too_large"
    RECIPIENT = "recipient"  # the address is refused for good
    INTERNAL = "internal"  # a fault of Uptake's own


class EdgeError(Exception):
    """Something outside did not do what we asked; the message is fit for an operator and holds no secret."""

    def __init__(self, message: str, *, fault: Fault, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        self.retry_after = retry_after


class TransientError(EdgeError):
    """Another try later may succeed; *retry_after* is the least wait the other side asked for."""


class PermanentError(EdgeError):
    """No try will succeed until somebody changes something."""
