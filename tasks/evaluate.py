"""Evaluation: judge an app's connections and bring its alerts and reminder threads in line."""

import logging
from datetime import datetime, timedelta
from functools import partial

import structlog
from celery import shared_task
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session as OrmSession

from models import Session, db_now
from models.alerts import Evaluated, evaluate, postpone
from models.groups import arouse
from models.reminders import thread
from tasks.lasting import lasting
from tasks.parts import LIMIT, SOFT_LIMIT
from tasks.rules import rules
from tasks.stopping import is_stopping
from uptake.policies import Policies

log = structlog.get_logger()

WAIT = timedelta(minutes=15)  # after an evaluation that broke off
_DUE = text("SELECT id FROM app WHERE evaluate_at <= :now ORDER BY evaluate_at LIMIT :most")


# Millions of new alerts take minutes.
@shared_task(name="uptake.evaluate_app", soft_time_limit=SOFT_LIMIT, time_limit=LIMIT)
def evaluate_app(app_id: int) -> None:
    """Evaluate one app; a second run changes nothing, and one beside another does nothing.

    An app that cannot be evaluated is tried again later, so that it keeps no other one waiting.
    """
    try:
        evaluate_now(app_id, waits=False)
    except OperationalError:
        # The database's doing, not the app's: the next tick rings again.
        raise
    except Exception:
        # Nor is a worker that ends a reason to wait.
        if not is_stopping():
            lasting(partial(postpone, app_id=app_id, wait=WAIT), is_last=True)
        raise


def due_apps(*, now: datetime | None = None, most: int = 500) -> list[int]:
    """The apps whose alerts may have changed by now, the longest overdue first."""
    with Session.begin() as session:
        return due_in(session, now=now or db_now(session), most=most)


def due_in(session: OrmSession, *, now: datetime, most: int) -> list[int]:
    """The same in the caller's transaction."""
    return list(session.scalars(_DUE, {"now": now, "most": most}))


def evaluate_now(app_id: int, *, now: datetime | None = None, waits: bool = True) -> Evaluated | None:
    """Alerts, reminder threads and what receivers have to be told, in one transaction.

    None without such an app, or when somebody else writes about it and this one *waits* for nobody.
    """
    with Session.begin() as session:
        done = evaluate_in(session, app_id, rules().policies, now=now or db_now(session), waits=waits)
    if done is None:
        return None
    evaluated, opened, stopped = done
    notable = evaluated.raised or evaluated.escalated or evaluated.resolved or opened or stopped
    log.log(
        logging.INFO if notable else logging.DEBUG,
        "app.evaluated",
        app=app_id,
        raised=evaluated.raised,
        escalated=evaluated.escalated,
        resolved=evaluated.resolved,
        reminders_opened=opened,
        reminders_stopped=stopped,
    )
    return evaluated


def evaluate_in(
    session: OrmSession, app_id: int, policies: Policies, *, now: datetime, waits: bool = True
) -> tuple[Evaluated, int, int] | None:
    """The same in the caller's transaction; with how many reminder threads were opened and stopped."""
    evaluated = evaluate(session, app_id, policies, now=now, waits=waits)
    if evaluated is None:
        return None
    opened = stopped = 0
    if evaluated.only is None or evaluated.only:
        opened, stopped = thread(session, evaluated.rules, only=evaluated.only)
    if evaluated.only is None or evaluated.only or evaluated.is_turned:
        arouse(session, policies, now=now, apps=[app_id])
    return evaluated, opened, stopped
