"""Keeping house: months of events and polls are made ahead, and dropped when nobody has to keep them.

What walks left that nobody ended is thrown away, too.
"""

from datetime import datetime

import structlog
from celery import shared_task
from sqlalchemy import text

from models import Session, db_now
from models.partitions import drop_partitions, make_partitions
from models.parts import forget_parts_left_behind
from tasks.rules import rules

log = structlog.get_logger()


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
    return made, dropped
