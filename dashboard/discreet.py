"""What a caller is told of a message: whom it went to, and what a server said of them, is for operators."""

from dataclasses import replace
from typing import TypeVar

from dashboard.access import Caller
from models import Role
from models.queries.alert_lists import MessageAbout
from models.queries.message_lists import Message, MessageLine
from models.queries.notices import Refused, Told
from models.queries.said import Said
from models.stopped import Stopped

UNTOLD = "it refused us, and operators are told in which words"
_Sent = TypeVar("_Sent", MessageLine, Told, Said, MessageAbout)


def discreet(caller: Caller, message: _Sent) -> _Sent:
    """The message as the caller may see it: to viewers without an address, and without what may hold one."""
    if caller.role.includes(Role.OPERATOR):
        return message
    return replace(message, to=None, settle_reason=_ours(message.state, message.settle_reason))


def discreet_in_full(caller: Caller, message: Message) -> Message:
    """The same of a whole message; of each try its outcome and its fault stay.

    What a reminder says is left out, and what a message says that quotes a server.
    """
    if caller.role.includes(Role.OPERATOR):
        return message
    tries = [replace(one, answer=None) for one in message.tries]
    reason = _ours(message.state, message.settle_reason)
    known = replace(message, to=None, settle_reason=reason, tries=tries)
    if not may_read(caller, known):
        return replace(known, body=None, html=None, payload=None)
    return replace(known, body=None, html=None) if _quotes(known) else known


def discreet_refusal(caller: Caller, refused: Refused) -> Refused:
    """How many reminders came to nothing, without what was said of the last to who is no operator."""
    return refused if caller.role.includes(Role.OPERATOR) else replace(refused, last=None)


def discreet_stop(caller: Caller, stopped: Stopped) -> Stopped:
    """A receiver that cannot be used, without what it said to who is no operator."""
    return stopped if caller.role.includes(Role.OPERATOR) else replace(stopped, reason=UNTOLD)


def may_read(caller: Caller, message: MessageLine) -> bool:
    """Whether the caller is told what the message says: a reminder holds what is a tenant's."""
    return message.kind != "reminder" or caller.role.includes(Role.OPERATOR)


def _quotes(message: Message) -> bool:
    """Whether it says what a server answered: that a receiver cannot be used, or that this was for another one."""
    return message.reason == "receiver_stopped" or "instead_of" in (message.payload or {})


def _ours(state: str, reason: str | None) -> str | None:
    """The reason where it is one of our own words, such as `opted_out`; a server's may name whom it refused."""
    return reason if state == "cancelled" and (reason or "").isidentifier() else None
