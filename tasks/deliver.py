"""Delivery: claim, send with no transaction open, settle; at least once, by one worker at a time."""

import time
from collections.abc import Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session as OrmSession

from models import Notice, Session, db_now
from models.outbox import ClaimedNotice, Settlement, claim_notices, give_back, settle
from models.stopped import resume, stop, tried
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
BATCH_SECONDS = 120.0  # after that nothing more of a batch is begun: its lease is to outlast it
# What says that a receiver refuses all of us, and not this message.
STOPPING = {Fault.AUTH, Fault.GONE, Fault.TLS}
LANDING_SECONDS = 1.0  # for what is on its way when time is over: the worker ends soon
LOOK_SOON = timedelta(minutes=15)


class Kept(NamedTuple):
    """Whether it was for us to write down, and whether its receiver cannot be used, which is news."""

    is_kept: bool = True
    is_stopped: bool = False


@shared_task(name="uptake.deliver")
def deliver(*notice_ids: int) -> None:
    """Send these notices (all, if none is named), as far as they are still due and nobody else has them."""
    deliver_now(list(notice_ids) or None)


def deliver_now(notice_ids: list[int] | None = None, *, now: datetime | None = None) -> int:
    """Send what is due (among *notice_ids*, if given); how many were tried."""
    tried = 0
    while True:
        with Session.begin() as session:
            claimed = claim_notices(session, now=now or db_now(session), most=BATCH, ids=notice_ids)
        sent = _send_all(claimed, now=now)
        tried += sent
        if sent < BATCH:
            return tried


def _send_all(claimed: Sequence[ClaimedNotice], *, now: datetime | None) -> int:
    """Send some at a time; how many were tried while there was time, the rest being free for others then."""
    began, tried = time.monotonic(), 0
    flying: dict[Future[Settlement], ClaimedNotice] = {}
    refusing: set[str] = set()
    senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="sender")
    try:
        for notice in claimed:
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


def _land(flying: dict[Future[Settlement], ClaimedNotice], *, now: datetime | None, until: str) -> set[str]:
    """Settle what has come to an end, the first of it or all; which receivers cannot be used."""
    done = wait(flying, return_when=until).done
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
    elif notice.is_trial and settlement.outcome == "sent":
        resume(session, notice.receiver)
    elif notice.is_trial and settlement.outcome == "transient":
        tried(session, notice.receiver, now=now or db_now(session))
    return Kept()


def _say_stopped(session: OrmSession, name: str, reason: str, chosen: Rules, *, now: datetime) -> None:
    """Tell the operators whom nothing can be sent to any more, by those receivers that are left."""
    base, text = chosen.policies.base, stopped_words(name, reason)
    others = [one for one in base.receivers if one != name] or [
        one for one in (base.fallback,) if one not in {"", name}
    ]
    for receiver in others:
        for to in addresses_of(chosen.receivers.get(receiver)):
            session.execute(
                insert(Notice)
                .values(
                    key=f"stopped:{name}:{now:%Y%m%dT%H%M%S}:{receiver}:{to}",
                    receiver=receiver,
                    to=to,
                    reason="receiver_stopped",
                    subject=text.subject,
                    body=text.text,
                    html=text.html,
                    payload={"type": "receiver.stopped", "receiver": name, "firing": 0},
                    state="due",
                    created_at=now,
                    due_at=now,
                )
                .on_conflict_do_nothing()
            )


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
    wait = retry_after(notice.attempts)
    if wait is None:
        return Settlement("permanent", f"given up: {error}", error.fault.value)
    again_at = opens_at(notice, rules().policies, now + max(wait, error.retry_after or wait))
    return Settlement("transient", str(error), error.fault.value, due_at=again_at)


def opens_at(notice: ClaimedNotice, policies: Policies, at: datetime) -> datetime:
    """When the notice may go out: a reminder in its tenants' working hours only, however late it has become."""
    opens = at
    for one in notice.reminded:
        if policies.exemption(one.who, at):
            # The evaluation that cancels it is on its way.
            return at + LOOK_SOON
        opens = max(opens, next_open(at, one.time_zone, policies.of(one.who).working_hours))
    return opens
