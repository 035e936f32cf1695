"""Keeping house: months of events and polls are made ahead, and dropped when nobody has to keep them.

What walks left that nobody ended is thrown away, too, and what was said long ago.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from celery import shared_task
from sqlalchemy import text
from sqlalchemy.orm import Session as OrmSession

from models import Session, db_now
from models.forgetting import forget_messages, forget_told
from models.partitions import drop_partitions, make_partitions
from models.parts import forget_parts_left_behind
from tasks.rules import rules

log = structlog.get_logger()

TOLD = timedelta(days=30)  # after the end of an alert nobody asks any more who heard of that


@shared_task(name="uptake.sweep")
def sweep() -> None:
    """Make the months to come, and drop those that are over and done with."""
    sweep_now()


def sweep_now(*, now: datetime | None = None) -> tuple[list[str], list[str]]:
    """The partitions made and those dropped; a second run does nothing.

    Whoever writes waits for this only for an instant; when it would have to wait itself it fails, and the next one
    tries again.
    """
    retention = rules().file.retention
    with Session.begin() as session:
        at = now or db_now(session)
        session.execute(text("SET LOCAL lock_timeout = '2s'"))
        forget_parts_left_behind(session)
        made = make_partitions(session, now=at)
        dropped = drop_partitions(session, {"event": retention.events, "poll": retention.polls}, now=at)
    if made or dropped:
        log.info("months.swept", made=made, dropped=dropped)
    _forget(lambda session: forget_messages(session, before=at - retention.messages))
    _forget(lambda session: forget_told(session, before=at - max(TOLD, rules().policy.flap_window)))
    return made, dropped


def _forget(some: Callable[[OrmSession], int]) -> None:
    """Forget what is to be, in transactions that hold nobody up."""
    while True:
        with Session.begin() as session:
            if not some(session):
                return
