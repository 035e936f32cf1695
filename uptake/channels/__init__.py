"""Ways out: one file per channel, all taking a Message and answering with a Receipt."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one address, ready to send.

    *key* is the idempotency key: the same over all attempts of one notice, different between notices.
    """

    key: str
    to: str  # an e-mail address, a URL, or "" where the receiver has only one place
    subject: str
    text: str
    html: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)  # for machines; JSON types only
    headers: Mapping[str, str] = field(default_factory=dict)  # extra mail headers, such as List-Unsubscribe


@dataclass(frozen=True, slots=True)
class Receipt:
    """The other side took the message; *answer* is what it said, shortened and free of secrets."""

    answer: str


class Channel(Protocol):
    """One way out. send() raises TransientError or PermanentError and nothing else."""

    def send(self, message: Message) -> Receipt:
        """Hand *message* over; at least once, never silently dropped."""
