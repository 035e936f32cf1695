"""A thread of reminders whose turn it may be: whom to write to now, or why nobody is, and until when."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from uptake.cadence import next_open, reminder_due
from uptake.policy import Policy

LOOK_SOON = timedelta(minutes=15)  # something else is on its way to change it
LOOK_AGAIN = timedelta(days=1)  # somebody has to do something first
UNSENT = timedelta(hours=1)


class Held(enum.StrEnum):
    """Why a thread sends nothing now."""

    EXEMPT = "exempt"
    REMINDERS_OFF = "reminders_off"
    NOT_DUE = "not_due"
    ENOUGH = "enough"
    DATA_STALE = "data_stale"
    NO_CONTACT = "no_contact"
    OUTSIDE_WORKING_HOURS = "outside_working_hours"
    WRITTEN_TO_LATELY = "written_to_lately"


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody at a tenant who may be written to."""

    id: int
    email: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Thread:
    """What a decision about a thread rests on; *contacts* are those who can be written to, in their order."""

    opened_at: datetime
    sent: int
    last_sent_at: datetime | None
    not_before: datetime | None  # the version that it asks for settles until then
    exact_at: datetime | None  # until when we know what the tenant runs
    time_zone: str | None
    contacts: Sequence[Contact]


@dataclass(frozen=True, slots=True)
class Turn:
    """A reminder goes out now; *is_escalated*: to somebody else than the first ones, who have not answered."""

    contact: Contact
    is_escalated: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing goes out; *until* is when to look again, None: when somebody chooses another policy."""

    reason: Held
    until: datetime | None


def turn(thread: Thread, policy: Policy, *, now: datetime, is_exempt: bool) -> Turn | Hold:
    """What a thread that was looked at *now* is to do.

    *is_exempt*: nobody is to be reminded there, and the evaluation that ends the thread is on its way.
    """
    return _hold(thread, policy, now=now, is_exempt=is_exempt) or addressee(thread.contacts, thread.sent, policy)


def _hold(thread: Thread, policy: Policy, *, now: datetime, is_exempt: bool) -> Hold | None:
    """What keeps the thread back, of several reasons the one that lasts."""
    due_at = due(thread, policy)
    opens_at = next_open(now, thread.time_zone, policy.working_hours)
    reasons = (
        (is_exempt, Held.EXEMPT, now + LOOK_SOON),
        (not policy.reminders, Held.REMINDERS_OFF, now + LOOK_AGAIN),
        (due_at is None, Held.ENOUGH, None),
        (due_at is not None and due_at > now, Held.NOT_DUE, due_at),
        # Who upgraded since then must not be asked to upgrade.
        (is_stale(thread, policy, now=now), Held.DATA_STALE, now + LOOK_SOON),
        (not thread.contacts, Held.NO_CONTACT, now + LOOK_AGAIN),
        (opens_at > now, Held.OUTSIDE_WORKING_HOURS, opens_at),
    )
    return next((Hold(reason, until) for holds, reason, until in reasons if holds), None)


def due(thread: Thread, policy: Policy) -> datetime | None:
    """When the thread's next reminder is due, whatever keeps it back then; None: there is none any more."""
    at = reminder_due(policy, thread.opened_at, thread.sent, thread.last_sent_at)
    return max(at, thread.not_before) if at is not None and thread.not_before is not None else at


def is_stale(thread: Thread, policy: Policy, *, now: datetime) -> bool:
    """Whether what we know of the tenant is too old to write by."""
    return thread.exact_at is None or now - thread.exact_at > policy.remind_fresh


def addressee(contacts: Sequence[Contact], sent: int, policy: Policy) -> Turn:
    """Whose turn it is after so many reminders: the first of the *contacts*, then each next one after a while."""
    every = policy.remind_next_contact_after
    place = min(sent // every, len(contacts) - 1) if every else 0
    return Turn(contacts[place], is_escalated=place > 0)
