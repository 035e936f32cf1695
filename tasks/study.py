"""Studies: what takes long to say about rollouts is worked out ahead, by and by, in the way of nobody."""

import math
from datetime import datetime, timedelta
from time import monotonic

import structlog
from celery import shared_task

from models import Session, db_now
from models.alive import workers_alive
from models.queries.studies import study
from models.queries.taken import watched_by_id
from models.study import claim_study, due_studies, keep_studies
from tasks.doorbell import ring
from tasks.parts import LIMIT, SOFT_LIMIT
from tasks.stopping import is_stopping

log = structlog.get_logger()

# Out of every half a minute, a process begins nothing else for so long; an app that was begun is ended.
SPAN = timedelta(seconds=10)
EACH = 4  # apps of 10,000 tenants that a process does within the span
HELPERS = 16  # processes beside the first, at most
_IDLE_SECONDS = 5  # whoever does not come within them has other work


# A very large app takes minutes.
@shared_task(name="uptake.study", soft_time_limit=SOFT_LIMIT, time_limit=LIMIT)
def study_apps() -> None:
    """Work out what is due, with the help of whoever is idle, until it is done or other work has waited long enough.

    There are no more at it than there are workers, so each has another process for other work, if it has two. An app
    that cannot be studied is not tried again within the hour unless it changes, so it keeps no other waiting.
    """
    with Session() as session:
        now = db_now(session)
        due = due_studies(session, now=now, most=EACH * (HELPERS + 1))
        others = workers_alive(session, now=now) - 1
    for _ in range(min(math.ceil(due / EACH) - 1, others)):
        if not ring(help_to_study):
            break
    _study()


@shared_task(name="uptake.help_to_study", expires=_IDLE_SECONDS, soft_time_limit=SOFT_LIMIT, time_limit=LIMIT)
def help_to_study() -> None:
    """Work out some of what is due."""
    _study()


def _study() -> None:
    began = monotonic()
    while monotonic() - began < SPAN.total_seconds() and not is_stopping() and study_next() is not None:
        pass


def study_next(*, now: datetime | None = None) -> int | None:
    """Work out the answers about the app that is due for the longest; None: none is. Nobody else does it meanwhile."""
    with Session.begin() as session:
        at = now or db_now(session)
        app_id = claim_study(session, now=at)
    if app_id is None:
        return None
    with Session() as session:
        app = watched_by_id(session, app_id)
        found = list(study(session, app, now=at))
    with Session.begin() as session:
        for one in found:
            keep_studies(
                session,
                app_id,
                one.answers,
                environment=one.environment,
                as_of=app.as_of,
                rests_on=app.changed_at,
                now=at,
            )
    log.debug("app.studied", app=app_id, answers=sum(len(one.answers) for one in found))
    return app_id
