"""Delivery: claim, send with no transaction open, settle; at least once, by one worker at a time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from models import Session, db_now
from models.outbox import ClaimedNotice, Settlement, claim_notices, give_back, settle
from tasks.edges import channel_named
from tasks.lasting import lasting
from tasks.rules import rules
from tasks.stopping import is_stopping
from uptake.cadence import next_open, retry_after
from uptake.channels import Message
from uptake.errors import Fault, PermanentError, TransientError

log = structlog.get_logger()

BATCH = 50
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
            claimed = claim_notices(session, now=now or db_now(session), most=BATCH, ids=notice_ids)
        sent = _send_all(claimed, now=now)
        tried += sent
        if sent < BATCH:
            return tried


def _send_all(claimed: Sequence[ClaimedNotice], *, now: datetime | None) -> int:
    """Send one by one; how many were tried while there was time, the rest being free for others then."""
    tried = 0
    try:
        for notice in claimed:
            if is_stopping():
                break
            at = now or lasting(db_now)
            tried += 1
            if (opens_at := _opens_at(notice, at)) > at:
                lasting(partial(give_back, notices=[notice], due_at=opens_at))
            else:
                _send(notice, at=at, now=now)
    except SoftTimeLimitExceeded:
        log.warning("delivery.broken_off", tried=tried, left=len(claimed) - tried)
    finally:
        lasting(lambda session: give_back(session, claimed[tried:]), is_last=True)
    return tried


def _send(notice: ClaimedNotice, *, at: datetime, now: datetime | None) -> None:
    try:
        settlement = _attempt(notice, now=at)
    except SoftTimeLimitExceeded:
        # Whether it arrived is not known; its key tells the receiver a repetition.
        error = TransientError("broken off: no time was left", fault=Fault.DEADLINE)
        _settle(notice, _again(notice, error, now=at), now=now)
        raise
    _settle(notice, settlement, now=now)


def _settle(notice: ClaimedNotice, settlement: Settlement, *, now: datetime | None) -> None:
    # It may have been sent: to forget that is to send it twice.
    kept = lasting(lambda session: settle(session, notice, settlement, now=now or db_now(session)))
    log.info(
        "notice.settled",
        notice=notice.id,
        receiver=notice.receiver,
        outcome=settlement.outcome if kept else "taken_over",
        tries=notice.attempts,
        fault=settlement.fault,
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
        return Settlement("permanent", str(error), error.fault.value)
    except SoftTimeLimitExceeded:
        raise
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
    again_at = _opens_at(notice, now + max(wait, error.retry_after or wait))
    return Settlement("transient", str(error), error.fault.value, due_at=again_at)


def _opens_at(notice: ClaimedNotice, at: datetime) -> datetime:
    """When the notice may go out: a reminder in its tenants' working hours only, however late it has become."""
    policies, opens = rules().policies, at
    for one in notice.reminded:
        if policies.exemption(one.who, at):
            # The evaluation that cancels it is on its way.
            return at + LOOK_SOON
        opens = max(opens, next_open(at, one.time_zone, policies.of(one.who).working_hours))
    return opens
