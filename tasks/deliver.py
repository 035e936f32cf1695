"""Delivery: claim, send with no transaction open, settle; at least once, by one worker at a time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.orm import Session as OrmSession

from models import Session, db_now
from models.outbox import ClaimedNotice, Settlement, claim_notices, give_back, settle
from models.stopped import resume, stop, tried
from models.telling import Telling, tell_operators
from tasks.edges import addresses_of, channel_named
from tasks.lasting import lasting
from tasks.rules import Rules, rules
from tasks.stopping import is_stopping
from uptake.alert_words import stopped as stopped_words
from uptake.cadence import next_open, retry_after
from uptake.channels import Message
from uptake.errors import Fault, PermanentError, TransientError
from uptake.policies import Policies

log = structlog.get_logger()

BATCH = 50
# On their way at once, for most of the time is the receiver's; in all, that is times the processes of a worker.
SENDERS = 4
BATCH_TIME = timedelta(minutes=2)  # after that nothing more of a batch is begun: its lease is to outlast it
SILENCE = timedelta(minutes=1)  # how long the rest waits when nothing is heard of a receiver
SILENT = {Fault.TRANSPORT, Fault.DEADLINE}
# What says that a receiver refuses all of us, and not this message.
STOPPING = {Fault.AUTH, Fault.GONE, Fault.TLS}
AHEAD = timedelta(seconds=5)  # what a receiver's rate has room for before somebody looks again is sent as room comes
NAP_SECONDS = 0.5
LANDING_SECONDS = 1.0  # for what is on its way when time is over: the worker ends soon
LOOK_SOON = timedelta(minutes=15)


class Kept(NamedTuple):
    """Whether it was for us to write down, and whether its receiver cannot be used, which is news."""

    is_kept: bool = True
    is_stopped: bool = False


@shared_task(name="uptake.deliver")
def deliver() -> None:
    """Send everything that is due and that nobody else has."""
    deliver_now()


def deliver_now(*, now: datetime | None = None) -> int:
    """Send what is due; how many were tried."""
    tried = 0
    while True:
        with Session.begin() as session:
            claimed = _taken_up(session, now=now)
        sent = _send_all(claimed, now=now)
        tried += sent
        if sent < len(claimed) or not claimed:
            return tried


def _taken_up(session: OrmSession, *, now: datetime | None) -> list[ClaimedNotice]:
    """What this process is to send, each receiver's first one before any's second; a moment given does not pass."""
    at = now or db_now(session)
    claimed = claim_notices(session, now=at, most=BATCH, rates=rules().rates, until=at if now else at + AHEAD)
    turns, taken = {}, Counter[str]()
    for notice in claimed:
        turns[notice.id] = taken[notice.receiver]
        taken[notice.receiver] += 1
    return sorted(claimed, key=lambda notice: (notice.not_before is None, turns[notice.id]))


def _send_all(claimed: Sequence[ClaimedNotice], *, now: datetime | None) -> int:
    """Send some at a time; how many were tried while there was time, the rest being free for others then."""
    began, left = time.monotonic(), list(claimed)
    flight = Flight(now, alone=len({notice.receiver for notice in claimed}) == 1)
    try:
        while left and not is_stopping():
            spent = timedelta(seconds=time.monotonic() - began)
            if spent > BATCH_TIME:
                break
            notice, wait_for = _next(left, flight, spent if now is None else None)
            if notice is None:
                flight.land(until=FIRST_COMPLETED, seconds=wait_for)
                continue
            left.remove(notice)
            _begin(notice, flight, at=now or notice.at + spent)
        flight.land(until=ALL_COMPLETED)
    except SoftTimeLimitExceeded:
        log.warning("delivery.broken_off", tried=len(claimed) - len(left), left=len(left))
        flight.break_off()
    finally:
        flight.senders.shutdown(wait=False)
        lasting(lambda session: give_back(session, left), is_last=True)
    return len(claimed) - len(left)


def _next(
    left: Sequence[ClaimedNotice], flight: Flight, spent: timedelta | None
) -> tuple[ClaimedNotice | None, float | None]:
    """The first that may begin, so long after the claim (None: time stands still); or how long to wait for one."""
    ahead = [notice for notice in left if flight.has_room(notice.receiver)]
    ready = (notice for notice in ahead if spent is None or (notice.not_before or notice.at) <= notice.at + spent)
    first = next(ready, None)
    if first or not ahead:
        return first, None
    soonest = min((notice.not_before or notice.at) - notice.at for notice in ahead)
    return None, min((soonest - (spent or timedelta())).total_seconds(), NAP_SECONDS)


def _begin(notice: ClaimedNotice, flight: Flight, *, at: datetime) -> None:
    """Begin to send it, unless it is not the time, or its receiver takes nothing."""
    if (opens := opens_at(notice, rules().policies, at)) > at:
        lasting(partial(give_back, notices=[notice], due_at=opens))
    elif notice.receiver in flight.refusing or (notice.not_before and at > notice.not_before + AHEAD):
        # Its room is another minute's by now, or it rests with its receiver.
        lasting(partial(give_back, notices=[notice]))
    elif flight.is_silent(notice.receiver):
        lasting(partial(give_back, notices=[notice], due_at=at + SILENCE))
    else:
        flight.begin(notice, at)


class Flight:
    """The messages of a batch that are on their way, and what that says of their receivers."""

    def __init__(self, now: datetime | None, *, alone: bool) -> None:
        self.senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="sender")
        self.refusing: set[str] = set()  # cannot be used
        self._unanswered: Counter[str] = Counter()
        self._flying: dict[Future[Settlement], ClaimedNotice] = {}
        self._busy: Counter[str] = Counter()  # how many of them fly to each; asked for every message that is left
        self._now = now
        # One sender is for the others, whatever a slow receiver does.
        self._each = SENDERS if alone else max(SENDERS - 1, 1)

    def has_room(self, receiver: str) -> bool:
        """Whether one more to that receiver may begin."""
        return len(self._flying) < SENDERS and self._busy[receiver] < self._each

    def is_silent(self, receiver: str) -> bool:
        """Whether nothing was heard of the receiver so often that the rest waits a while."""
        return self._unanswered[receiver] >= SENDERS

    def begin(self, notice: ClaimedNotice, at: datetime) -> None:
        """Send it beside the others."""
        self._flying[self.senders.submit(_attempt, notice, now=at)] = notice
        self._busy[notice.receiver] += 1

    def land(self, *, until: str, seconds: float | None = None) -> None:
        """Settle what has come to an end, the first of it or all; where nothing flies, let the *seconds* pass."""
        if not self._flying:
            time.sleep(seconds or 0)
            return
        done = wait(self._flying, timeout=seconds, return_when=until).done
        # In one order: two who stop the same receivers wait for each other, and not in a circle.
        landed = sorted(((self._flying[one], one.result()) for one in done), key=lambda one: one[0].receiver)
        _settle(landed, now=self._now)
        for one in done:
            self._busy[self._flying.pop(one).receiver] -= 1
        self.refusing |= {notice.receiver for notice, settlement in landed if settlement.stops}
        self._unanswered.update(notice.receiver for notice, settlement in landed if settlement.fault in SILENT)

    def break_off(self) -> None:
        """Time is over: settle what ends soon; whether the rest arrived is not known, its key tells a repetition."""
        done = wait(self._flying, timeout=LANDING_SECONDS).done
        at = self._now or lasting(db_now, is_last=True)
        error = TransientError("broken off: no time was left", fault=Fault.DEADLINE)
        came_to = [
            (notice, one.result() if one in done else _again(notice, error, now=at))
            for one, notice in self._flying.items()
        ]
        _settle(came_to, now=self._now, is_last=True)


def _settle(
    came_to: Sequence[tuple[ClaimedNotice, Settlement]], *, now: datetime | None, is_last: bool = False
) -> None:
    # They may have been sent: to forget that is to send them twice.
    settled = lasting(lambda session: [kept(session, *each, rules(), now=now) for each in came_to], is_last=is_last)
    for (notice, settlement), found in zip(came_to, settled, strict=True):
        log.info(
            "notice.settled",
            notice=notice.id,
            receiver=notice.receiver,
            outcome=settlement.outcome if found.is_kept else "taken_over",
            tries=notice.attempts,
            fault=settlement.fault,
        )
        if found.is_stopped:
            log.error("receiver.stopped", receiver=notice.receiver, reason=settlement.answer)


def kept(
    session: OrmSession, notice: ClaimedNotice, settlement: Settlement, chosen: Rules, *, now: datetime | None
) -> Kept:
    """Write down what came of it, and what it says of the receiver."""
    if not settle(session, notice, settlement, now=now):
        return Kept(is_kept=False)
    if settlement.stops:
        at = now or db_now(session)
        if stop(session, notice.receiver, reason=settlement.answer, now=at):
            _say_stopped(session, notice.receiver, settlement.answer, chosen, now=at)
            return Kept(is_stopped=True)
    elif notice.is_trial and settlement.outcome != "transient":
        # It went out, or what was refused is this message.
        resume(session, notice.receiver)
    elif notice.is_trial:
        tried(session, notice.receiver, now=now or db_now(session))
    return Kept()


def _say_stopped(session: OrmSession, name: str, reason: str, chosen: Rules, *, now: datetime) -> None:
    """Tell the operators whom nothing can be sent to any more, by those receivers that are left."""
    base, text = chosen.policies.base, stopped_words(name, reason)
    others = [one for one in base.receivers if one != name] or [
        one for one in (base.fallback,) if one not in {"", name}
    ]
    for receiver in others:
        telling = Telling(
            key=f"stopped:{name}:{now:%Y%m%dT%H%M%S}:{receiver}",
            receiver=receiver,
            reason="receiver_stopped",
            said=text,
            payload={"type": "receiver.stopped", "receiver": name},
        )
        tell_operators(session, telling, addresses_of(chosen.receivers.get(receiver)), now=now)


def _attempt(notice: ClaimedNotice, *, now: datetime) -> Settlement:
    message = Message(
        key=notice.key,
        to=notice.to,
        subject=notice.subject,
        text=notice.body,
        html=notice.html,
        payload=notice.payload | {"reason": notice.reason, "subject": notice.subject, "text": notice.body},
        headers=_headers(notice.payload.get("opt_out_url")),
    )
    try:
        receipt = channel_named(notice.receiver).send(message)
    except TransientError as error:
        return _again(notice, error, now=now)
    except PermanentError as error:
        stops = error.fault in STOPPING
        # It is not the message's fault: it waits for the receiver, or is told elsewhere.
        return Settlement("permanent", str(error), error.fault.value, due_at=now if stops else None, stops=stops)
    except Exception as error:
        log.exception("notice.broke", notice=notice.id, receiver=notice.receiver)
        return Settlement("permanent", f"{type(error).__name__} while sending", Fault.PROTOCOL.value)
    return Settlement("sent", receipt.answer)


def _headers(opt_out_url: str | None) -> dict[str, str]:
    """What lets a mail program offer to stop the reminders (RFC 2369), by itself where that is safe (RFC 8058)."""
    if opt_out_url is None:
        return {}
    one_click = {"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"} if opt_out_url.startswith("https:") else {}
    return {"List-Unsubscribe": f"<{opt_out_url}>", **one_click}


def _again(notice: ClaimedNotice, error: TransientError, *, now: datetime) -> Settlement:
    # That a receiver still cannot be used says nothing of the message.
    failures = notice.failures + (0 if notice.is_trial else 1)
    wait = retry_after(failures)
    if wait is None:
        return Settlement("permanent", f"given up: {error}", error.fault.value)
    again_at = opens_at(notice, rules().policies, now + max(wait, error.retry_after or wait))
    return Settlement("transient", str(error), error.fault.value, due_at=again_at, counts=not notice.is_trial)


def opens_at(notice: ClaimedNotice, policies: Policies, at: datetime) -> datetime:
    """When the notice may go out: a reminder in its tenants' working hours only, however late it has become."""
    opens = at
    for one in notice.reminded:
        if policies.exemption(one.who, at) and not notice.payload.get("anyway"):
            # The evaluation that cancels it is on its way.
            return at + LOOK_SOON
        opens = max(opens, next_open(at, one.time_zone, policies.of(one.who).working_hours))
    return opens
