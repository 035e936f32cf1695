"""Delivery: claim, send with no transaction open, settle; at least once, by one worker at a time."""

import time
from collections.abc import Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from functools import partial

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
from tasks.rules import rules
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
BATCH_SECONDS = 120.0  # after that nothing more of a batch is begun: its lease is to outlast it
# What says that a receiver refuses all of us, and not this message.
STOPPING = {Fault.AUTH, Fault.GONE, Fault.TLS}
AHEAD = timedelta(seconds=5)  # what a receiver's rate has room for before somebody looks again is sent as room comes
NAP_SECONDS = 0.5
LANDING_SECONDS = 1.0  # for what is on its way when time is over: the worker ends soon
LOOK_SOON = timedelta(minutes=15)


@shared_task(name="uptake.deliver")
def deliver(*notice_ids: int) -> None:
    """Send these notices (all, if none is named), as far as they are still due and nobody else has them."""
    deliver_now(list(notice_ids) or None)


def deliver_now(notice_ids: list[int] | None = None, *, now: datetime | None = None) -> int:
    """Send what is due (among *notice_ids*, if given); how many were tried."""
    tried = 0
    while True:
        with Session.begin() as session:
            claimed = _taken_up(session, notice_ids, now=now)
        sent = _send_all(claimed, now=now)
        tried += sent
        if sent < BATCH:
            return tried


def _taken_up(session: OrmSession, notice_ids: list[int] | None, *, now: datetime | None) -> list[ClaimedNotice]:
    """What this process is to send, in the order in which it may go out; a moment that is given does not pass."""
    at = now or db_now(session)
    until = at if now else at + AHEAD
    claimed = claim_notices(session, now=at, most=BATCH, ids=notice_ids, rates=rules().rates, until=until)
    return sorted(claimed, key=lambda notice: notice.not_before or at)


def _send_all(claimed: Sequence[ClaimedNotice], *, now: datetime | None) -> int:
    """Send some at a time; how many were tried while there was time, the rest being free for others then."""
    began, tried = time.monotonic(), 0
    flying: dict[Future[Settlement], ClaimedNotice] = {}
    refusing: set[str] = set()
    senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="sender")
    try:
        for notice in claimed:
            if notice.not_before:
                refusing |= _rest(flying, began + (notice.not_before - notice.at).total_seconds(), now=now)
            spent = time.monotonic() - began
            if is_stopping() or spent > BATCH_SECONDS:
                break
            at = now or notice.at + timedelta(seconds=spent)
            tried += 1
            if (opens := opens_at(notice, rules().policies, at)) > at:
                lasting(partial(give_back, notices=[notice], due_at=opens))
                continue
            if len(flying) == SENDERS:
                refusing |= _land(flying, now=now, until=FIRST_COMPLETED)
            if notice.receiver in refusing:
                lasting(partial(give_back, notices=[notice]))
                continue
            flying[senders.submit(_attempt, notice, now=at)] = notice
        _land(flying, now=now, until=ALL_COMPLETED)
    except SoftTimeLimitExceeded:
        log.warning("delivery.broken_off", tried=tried, left=len(claimed) - tried)
        _break_off(flying, now=now)
    finally:
        senders.shutdown(wait=False)
        lasting(lambda session: give_back(session, claimed[tried:]), is_last=True)
    return tried


def _rest(flying: dict[Future[Settlement], ClaimedNotice], until: float, *, now: datetime | None) -> set[str]:
    """Begin nothing before that moment of the monotonic clock, and settle what ends meanwhile; as `_land` says."""
    refusing: set[str] = set()
    while (left := until - time.monotonic()) > 0 and not is_stopping():
        nap = min(left, NAP_SECONDS)
        if flying:
            refusing |= _land(flying, now=now, until=FIRST_COMPLETED, seconds=nap)
        else:
            time.sleep(nap)
    return refusing


def _land(
    flying: dict[Future[Settlement], ClaimedNotice], *, now: datetime | None, until: str, seconds: float | None = None
) -> set[str]:
    """Settle what has come to an end, the first of it or all; which receivers cannot be used."""
    done = wait(flying, timeout=seconds, return_when=until).done
    _settle([(flying[future], future.result()) for future in done], now=now)
    landed = [(flying.pop(future), future.result()) for future in done]
    return {notice.receiver for notice, settlement in landed if settlement.stops}


def _break_off(flying: dict[Future[Settlement], ClaimedNotice], *, now: datetime | None) -> None:
    """Time is over: settle what ends soon; whether the rest arrived is not known, and its key tells a repetition."""
    done = wait(flying, timeout=LANDING_SECONDS).done
    at = now or lasting(db_now, is_last=True)
    error = TransientError("broken off: no time was left", fault=Fault.DEADLINE)
    came_to = [
        (notice, future.result() if future in done else _again(notice, error, now=at))
        for future, notice in flying.items()
    ]
    _settle(came_to, now=now, is_last=True)


def _settle(
    came_to: Sequence[tuple[ClaimedNotice, Settlement]], *, now: datetime | None, is_last: bool = False
) -> None:
    # They may have been sent: to forget that is to send them twice.
    kept = lasting(lambda session: [_kept(session, *each, now=now) for each in came_to], is_last=is_last)
    for (notice, settlement), is_kept in zip(came_to, kept, strict=True):
        log.info(
            "notice.settled",
            notice=notice.id,
            receiver=notice.receiver,
            outcome=settlement.outcome if is_kept else "taken_over",
            tries=notice.attempts,
            fault=settlement.fault,
        )


def _kept(session: OrmSession, notice: ClaimedNotice, settlement: Settlement, *, now: datetime | None) -> bool:
    """Write down what came of it, and what it says of the receiver."""
    is_kept = settle(session, notice, settlement, now=now)
    if is_kept and settlement.stops:
        at = now or db_now(session)
        if stop(session, notice.receiver, reason=settlement.answer, now=at):
            log.error("receiver.stopped", receiver=notice.receiver, reason=settlement.answer)
            _say_stopped(session, notice.receiver, settlement.answer, now=at)
    elif is_kept and notice.is_trial and settlement.outcome == "sent":
        resume(session, notice.receiver)
    elif is_kept and notice.is_trial and settlement.outcome == "transient":
        tried(session, notice.receiver, now=now or db_now(session))
    return is_kept


def _say_stopped(session: OrmSession, name: str, reason: str, *, now: datetime) -> None:
    """Tell the operators whom nothing can be sent to any more, by those receivers that are left."""
    base, text = rules().policies.base, stopped_words(name, reason)
    others = [one for one in base.receivers if one != name] or [
        one for one in (base.fallback,) if one not in {"", name}
    ]
    for receiver in others:
        telling = Telling(
            key=f"stopped:{name}:{now:%Y%m%dT%H%M%S}:{receiver}",
            receiver=receiver,
            reason="receiver_stopped",
            said=text,
            payload={"type": "receiver.stopped", "receiver": name, "firing": 0},
        )
        tell_operators(session, telling, addresses_of(rules().receivers.get(receiver)), now=now)


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
