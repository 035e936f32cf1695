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


def probe(receiver: str, to: str) -> Message:
    """A message that only says that *receiver* can be reached; its key is no notice's."""
    return Message(
        key=f"test:{receiver}:{to}",
        to=to,
        subject=f"Uptake can reach {receiver}",
        text="This is a test message, sent by hand. Nothing is wrong, and nothing has to be done.",
        # Where messages are events, the end of something that never began: nobody is called.
        payload={"type": "test", "firing": 0},
    )
