"""Reminding tenants' admins: threads that are due become one message to each person, in their working hours."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from celery import shared_task
from sqlalchemy.orm import Session as OrmSession

from config.links import opt_out_url
from models import Session, db_now
from models.leases import want_polls
from models.letters import Addressee, Letter, Said, Written, queue, waiting, written
from models.threads import DueReminder, due_beside, due_reminders, give_back, hold, stepped
from models.turns import alone
from tasks.ask import ask_of
from tasks.deliver import deliver
from tasks.doorbell import ring
from tasks.rules import rules
from uptake.cadence import next_open
from uptake.policies import Policies
from uptake.policy import Policy
from uptake.reminding import UNSENT, Held, Hold, Turn, due, turn
from uptake.wording import Reminder, reminder

log = structlog.get_logger()

THREADS = 200  # in one transaction; a tick takes as many as are due
BESIDE = 10_000  # what else the people of these are asked for; more than anybody looks after


@dataclass(frozen=True, slots=True)
class Due:
    """A thread whose reminder goes out now, by which policy."""

    thread: DueReminder
    turn: Turn
    policy: Policy


@dataclass(frozen=True, slots=True)
class Reminded:
    """What one look at the threads that are due came to."""

    looked: int
    queued: int = 0  # messages
    held: Sequence[tuple[DueReminder, Hold]] = field(default_factory=list)

    @property
    def stale(self) -> set[int]:
        """The apps of which too little is known to write by."""
        return {thread.app_id for thread, found in self.held if found.reason is Held.DATA_STALE}


@shared_task(name="uptake.remind")
def remind() -> None:
    """Queue the reminders that are due."""
    if remind_now():
        ring(deliver)


def remind_now(*, now: datetime | None = None) -> int:
    """Queue what is due; how many messages. A second run queues none: each thread has moved to its next step.

    While somebody else does, nothing: a person is to get one message, and not one from each.
    """
    policies, queued = rules().policies, 0
    while True:
        with Session.begin() as session:
            if not alone(session, "remind", waits=False):
                break
            at = now or db_now(session)
            found = remind_in(session, policies, now=at, most=THREADS)
        if found.stale:
            # Read again first. Not while threads are locked: who evaluates an app locks them after it.
            with Session.begin() as session:
                want_polls(session, found.stale, now=at)
        queued += found.queued
        if found.looked < THREADS:
            break
    if queued:
        log.info("reminders.queued", notices=queued)
    return queued


def remind_in(
    session: OrmSession, policies: Policies, *, now: datetime, most: int, app_id: int | None = None
) -> Reminded:
    """The same in the caller's transaction, for up to *most* threads (of this app) and whatever else their people get.

    The caller is `alone`.
    """
    give_back(session, now=now)
    first = due_reminders(session, now=now, most=most, app_id=app_id)
    people, held = _decided(first, policies, now=now)
    if people:
        known = [one.id for one in first]
        beside = due_beside(session, sorted({to.email for to in people}), known, now=now, most=BESIDE)
        more, held_too = _decided(beside, policies, now=now)
        held += held_too
        for to in people:
            people[to] += more.get(to, [])
    letters, late = _written(session, people, policies, now=now)
    held += late
    queue(session, letters)
    told = [one for letter in letters for one in people[_addressee(letter)]]
    stepped(session, [(one.thread.id, _next(one, now=now)) for one in told], now=now)
    hold(session, [(thread.id, found.until, found.reason.value) for thread, found in held])
    return Reminded(len(first), len(letters), held)


def _decided(
    threads: Sequence[DueReminder], policies: Policies, *, now: datetime
) -> tuple[dict[Addressee, list[Due]], list[tuple[DueReminder, Hold]]]:
    """Whose turn it is, by whom they are written to, and who is held."""
    people: dict[Addressee, list[Due]] = defaultdict(list)
    held = []
    for one in threads:
        policy = policies.of(one.who)
        is_exempt = policies.exemption(one.who, now) is not None or one.environment not in policy.environments
        found = turn(one.thread, policy, now=now, is_exempt=is_exempt)
        if isinstance(found, Hold):
            held.append((one, found))
        else:
            to = Addressee(policy.reminders, one.source_id, found.contact.email)
            people[to].append(Due(one, found, policy))
    return people, held


def _written(
    session: OrmSession, people: dict[Addressee, list[Due]], policies: Policies, *, now: datetime
) -> tuple[list[Letter], list[tuple[DueReminder, Hold]]]:
    """One message for each of these people, spread over the minutes; who got one of late waits for the next."""
    base = policies.base
    since = now - base.remind_person_every
    lately = written(session, (to.email for to in people), since=since, now=now) if people else {}
    places = waiting(session, now=now) if people and base.remind_pace else {}
    letters, held = [], []
    for to, dues in people.items():
        at = now
        if until := _until(lately.get(to), base, now=now):
            found = Hold(Held.WRITTEN_TO_LATELY, until)
        else:
            at = _place(lately.get(to), places.get(to.receiver, 0), base, now=now)
            # Whose working day is over before it is their turn has it on the next.
            found = Hold(Held.OUTSIDE_WORKING_HOURS, max(_opens_at(one, at) for one in dues))
        if found.until is not None and found.until > at:
            held += [(one.thread, found) for one in dues]
            continue
        places[to.receiver] = places.get(to.receiver, 0) + 1
        letters.append(_letter(to, dues, now=now, due_at=at))
    return letters, held


def _until(last: Written | None, base: Policy, *, now: datetime) -> datetime | None:
    """Until when somebody has got enough; None: they have not."""
    if last is None:
        return None
    if last.is_unsent:
        return now + UNSENT
    return last.sent_at + base.remind_person_every if last.sent_at else None


def _place(last: Written | None, ahead: int, base: Policy, *, now: datetime) -> datetime:
    """When it is their turn, behind those *ahead*; who had a place keeps it, whatever changed about the message."""
    if not base.remind_pace:
        return now
    last_place = now + timedelta(minutes=1) * ahead / base.remind_pace
    had = last.place_at if last is not None else None
    return last_place if had is None else max(now, min(had, last_place))


def _opens_at(one: Due, at: datetime) -> datetime:
    return next_open(at, one.thread.thread.time_zone, one.policy.working_hours)


def _next(one: Due, *, now: datetime) -> datetime | None:
    thread = one.thread.thread
    return due(replace(thread, sent=thread.sent + 1, last_sent_at=now), one.policy)


def _addressee(letter: Letter) -> Addressee:
    columns = letter.columns
    return Addressee(columns["receiver"], columns["source_id"], columns["to"])


def _letter(to: Addressee, dues: Sequence[Due], *, now: datetime, due_at: datetime) -> Letter:
    """The message to this person about all that is due."""
    first = dues[0].thread
    tenants = sorted({one.thread.tenant_id for one in dues})
    opt_out = opt_out_url(tenants, to.email, source_id=to.source_id)
    asks = tuple(ask_of(one.thread, rules(), step=one.thread.thread.sent + 1, now=now) for one in dues)
    said = reminder(
        Reminder(
            asks=asks,
            language=first.locale,
            is_escalated=any(one.turn.is_escalated for one in dues),
            written_at=now,
            opt_out_url=opt_out,
        ),
        rules().templates.texts,
    )
    columns = {
        "key": _key(dues),
        "receiver": to.receiver,
        "to": to.email,
        "reason": "first" if all(ask.step == 1 for ask in asks) else "ladder",
        "source_id": to.source_id,
        "app_id": first.app_id if len({one.thread.app_id for one in dues}) == 1 else None,
        "tenant_id": first.tenant_id if len(tenants) == 1 else None,
        "reminder_id": first.id,
        "subject": said.subject,
        "body": said.text,
        "html": said.html,
        "payload": _payload(dues, opt_out),
        "state": "due",
        "created_at": now,
        "due_at": due_at,
    }
    turns = [Said(one.thread.id, one.thread.thread.sent + 1, one.thread.target_version) for one in dues]
    return Letter(columns, turns)


def _key(dues: Sequence[Due]) -> str:
    """The same for the same turns of the same threads, to the same person."""
    turns = sorted(f"{one.thread.id}:v{one.thread.target_version}:{one.thread.thread.sent + 1}" for one in dues)
    contact = dues[0].turn.contact.id
    if len(turns) == 1:
        return f"reminder:{turns[0]}:{contact}"
    return f"reminders:{hashlib.sha256(' '.join(turns).encode()).hexdigest()[:32]}:{contact}"


def _payload(dues: Sequence[Due], opt_out: str | None) -> dict[str, Any]:
    """The same for programs; of several threads what the first asks stands by itself too."""
    asks = [
        {
            "app": f"{one.thread.source}:{one.thread.app_external_id}",
            "tenant": one.thread.tenant,
            "environment": one.thread.environment,
            "version": one.thread.version,
            "target_version": one.thread.target_version,
            "missing": list(one.thread.missing),
            "step": one.thread.thread.sent + 1,
            "accept_url": rules().accept_page(one.thread.who),
        }
        for one in dues
    ]
    return {
        "type": "reminder",
        **{name: asks[0][name] for name in ("tenant", "missing", "step")},
        "asks": asks,
        "opt_out_url": opt_out,
    }
