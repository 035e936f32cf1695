"""Delivery: claim, send with no transaction open, settle; at least once, by one worker at a time."""

from datetime import datetime

import structlog
from celery import shared_task

from models import Session, db_now
from models.outbox import ClaimedNotice, Settlement, claim_notices, settle
from tasks.edges import channel_named
from uptake.cadence import retry_after
from uptake.channels import Message
from uptake.errors import Fault, PermanentError, TransientError

log = structlog.get_logger()

BATCH = 50


@shared_task(name="uptake.deliver")
def deliver(*notice_ids: int) -> None:
    """Send these notices, as far as they are still due and nobody else has them."""
    deliver_now(list(notice_ids))


def deliver_now(notice_ids: list[int] | None = None, *, now: datetime | None = None) -> int:
    """Send what is due (among *notice_ids*, if given); how many were tried."""
    tried = 0
    while True:
        with Session.begin() as session:
            claimed = claim_notices(session, now=now or db_now(session), most=BATCH, ids=notice_ids)
        for notice in claimed:
            _send(notice, now=now)
        tried += len(claimed)
        if len(claimed) < BATCH:
            return tried


def _send(notice: ClaimedNotice, *, now: datetime | None) -> None:
    with Session.begin() as session:
        at = now or db_now(session)
    settlement = _attempt(notice, now=at)
    with Session.begin() as session:
        kept = settle(session, notice, settlement, now=now or db_now(session))
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
    )
    try:
        receipt = channel_named(notice.receiver).send(message)
    except TransientError as error:
        wait = retry_after(notice.attempts)
        if wait is None:
            return Settlement("permanent", f"given up: {error}", error.fault.value)
        return Settlement("transient", str(error), error.fault.value, due_at=now + max(wait, error.retry_after or wait))
    except PermanentError as error:
        return Settlement("permanent", str(error), error.fault.value)
    except Exception as error:
        log.exception("notice.broke", notice=notice.id, receiver=notice.receiver)
        return Settlement("permanent", f"{type(error).__name__} while sending", Fault.PROTOCOL.value)
    return Settlement("sent", receipt.answer)
