"""Studies: what takes long to say about rollouts is worked out ahead, by and by, in the way of nobody."""

from datetime import datetime, timedelta
from time import monotonic

import structlog
from celery import shared_task

from models import Session, db_now
from models.queries.studies import study
from models.queries.taken import watched_by_id
from models.study import claim_study, keep_studies
from tasks.parts import LIMIT, SOFT_LIMIT
from tasks.stopping import is_stopping

log = structlog.get_logger()

SPAN = timedelta(seconds=20)  # a process does nothing else for so long, out of every minute


# A very large app takes minutes.
@shared_task(name="uptake.study", soft_time_limit=SOFT_LIMIT, time_limit=LIMIT)
def study_apps() -> None:
    """Work out what is due, one app after the other, until it is all done or others have waited long enough.

    An app that cannot be studied is not tried again within the hour unless it changes, so it keeps no other waiting.
    """
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
