"""A test message to a receiver, because somebody asks for it."""

from dataclasses import dataclass

from config.receivers import Receiver
from tasks.edges import addresses_of, channel
from uptake.channels import probe
from uptake.errors import EdgeError


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a test message to one address."""

    to: str  # empty: there is one place only
    sent: bool
    said: str  # what the other side answered, or why it was not sent; free of secrets


def try_out(receiver: Receiver) -> list[Tried]:
    """Send each address of *receiver* a message that says what it is; none when it has no address of its own."""
    return [_tried(receiver, to) for to in addresses_of(receiver)]


def _tried(receiver: Receiver, to: str) -> Tried:
    try:
        return Tried(to, sent=True, said=channel(receiver).send(probe(receiver.name, to)).answer)
    except EdgeError as error:
        return Tried(to, sent=False, said=str(error))
