"""Reminding tenants' admins: threads that are due become notices, in the tenant's own working hours."""

from datetime import datetime, timedelta

import structlog
from celery import shared_task
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session as OrmSession

from config.links import opt_out_url
from models import Notice, Session, db_now
from models.threads import DueReminder, defer, due_reminders, stepped
from tasks.ask import ask_of
from tasks.deliver import deliver
from tasks.doorbell import ring
from tasks.rules import rules
from uptake.cadence import next_open, reminder_due
from uptake.policies import Policies
from uptake.wording import Reminder, reminder

log = structlog.get_logger()

THREADS = 200  # in one transaction; a tick takes as many as are due
LOOK_AGAIN = timedelta(days=1)
LOOK_SOON = timedelta(minutes=15)


@shared_task(name="uptake.remind")
def remind() -> None:
    """Queue the reminders that are due."""
    if remind_now():
        ring(deliver)


def remind_now(*, now: datetime | None = None) -> int:
    """Queue what is due; how many notices. A second run queues none: each thread has moved to its next step."""
    policies = rules().policies
    queued = 0
    while True:
        with Session.begin() as session:
            at = now or db_now(session)
            due = due_reminders(session, now=at, most=THREADS)
            for thread in due:
                queued += step(session, thread, policies, now=at)
        if len(due) < THREADS:
            break
    if queued:
        log.info("reminders.queued", notices=queued)
    return queued


def step(session: OrmSession, thread: DueReminder, policies: Policies, *, now: datetime) -> int:
    """Queue the thread's next reminder, or hold it with the reason; how many were queued."""
    policy = policies.of(thread.who)
    if policies.exemption(thread.who, now) or thread.environment not in policy.environments:
        # The evaluation that ends the thread is on its way.
        defer(session, thread.id, due_at=now + LOOK_SOON, reason="exempt")
        return 0
    if not policy.reminders:
        defer(session, thread.id, due_at=now + LOOK_AGAIN, reason="reminders_off")
        return 0
    if thread.exact_at is None or now - thread.exact_at > rules().stale_after:
        # Who upgraded during an outage of the portal must not be asked to upgrade.
        defer(session, thread.id, due_at=now + LOOK_SOON, reason="data_stale")
        return 0
    if thread.email is None:
        defer(session, thread.id, due_at=now + LOOK_AGAIN, reason="no_contact")
        return 0
    opens_at = next_open(now, thread.time_zone, policy.working_hours)
    if opens_at > now:
        defer(session, thread.id, due_at=opens_at, reason="outside_working_hours")
        return 0
    _queue(session, thread, policy.reminders, now=now)
    stepped(session, thread.id, due_at=reminder_due(policy, thread.opened_at, thread.sent + 1, now), now=now)
    return 1


def _queue(session: OrmSession, thread: DueReminder, receiver: str, *, now: datetime) -> None:
    number = thread.sent + 1
    opt_out = opt_out_url(thread.tenant_id, thread.email) if thread.email is not None else None
    ask = ask_of(thread, rules(), step=number, now=now)
    asked = Reminder(asks=(ask,), language=thread.locale, written_at=now, opt_out_url=opt_out)
    said = reminder(asked, rules().templates.texts)
    turn = insert(Notice).values(
        key=f"reminder:{thread.id}:v{thread.target_version}:{number}:{thread.contact_id}",
        receiver=receiver,
        to=thread.email,
        reason="first" if number == 1 else "ladder",
        source_id=thread.source_id,
        app_id=thread.app_id,
        tenant_id=thread.tenant_id,
        reminder_id=thread.id,
        subject=said.subject,
        body=said.text,
        html=said.html,
        payload=_payload(thread, number, opt_out),
        state="due",
        created_at=now,
        due_at=now,
    )
    # The same turn of the same person once more: they had opted out before it was sent, and changed their mind.
    again = {
        name: turn.excluded[name] for name in ("subject", "body", "html", "payload", "state", "created_at", "due_at")
    }
    session.execute(
        turn.on_conflict_do_update(
            index_elements=["key"],
            set_=again | {"settled_at": None, "settle_reason": None},
            where=Notice.state == "cancelled",
        )
    )


def _payload(thread: DueReminder, number: int, opt_out: str | None) -> dict[str, object]:
    """The same for programs."""
    return {
        "type": "reminder",
        "tenant": thread.tenant,
        "missing": list(thread.missing),
        "step": number,
        "opt_out_url": opt_out,
    }
