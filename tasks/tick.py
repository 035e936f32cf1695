"""The clock: every schedule fires once per due time, whoever ticks, and rings for what is due."""

import math
import os
import socket
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import structlog
from celery import Task, shared_task
from sqlalchemy import text
from sqlalchemy.orm import Session as OrmSession

from models import Session, db_now
from models.alive import alive, forget_silent
from models.failures import workers_fell_silent
from models.groups import arouse
from models.leases import ring_apps, ring_sources
from models.outbox import waiting
from models.stale import stale
from tasks.audit import audit
from tasks.deliver import BATCH, deliver
from tasks.doorbell import ring
from tasks.evaluate import due_apps, evaluate_app
from tasks.flush import flush
from tasks.poll import poll_app, poll_source
from tasks.remind import remind
from tasks.rules import rules
from tasks.study import study_apps
from tasks.sweep import sweep

log = structlog.get_logger()

# How often each thing is looked for; a tick in between does nothing.
SCHEDULES = {
    "poll": timedelta(seconds=5),
    "evaluate": timedelta(seconds=5),
    "flush": timedelta(seconds=5),
    "remind": timedelta(seconds=30),
    "deliver": timedelta(seconds=5),
    "stale": timedelta(minutes=1),
    "audit": timedelta(minutes=1),
    "tidy": timedelta(minutes=5),
    "sweep": timedelta(hours=6),
    "study": timedelta(seconds=30),
}
BELLS = 8  # for deliveries in one tick
MOST = 500  # rings per schedule and tick; the rest waits for the next one
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

_FIRE = text("INSERT INTO fire (schedule, due_at) VALUES (:schedule, :due_at) ON CONFLICT DO NOTHING RETURNING due_at")
_TIDY = text("DELETE FROM fire WHERE due_at < cast(:now AS timestamptz) - interval '1 day'")


@shared_task(name="uptake.tick")
def tick() -> None:
    """Ring for what is due; two ticks at once, or a hundred late ones, do it once."""
    for task, ids in due_work():
        ring(task, *ids)


def due_work(*, now: datetime | None = None) -> list[tuple[Task[..., None], tuple[int, ...]]]:
    """Fire the schedules whose time has come, and say what to ring for, with which ids."""
    work: list[tuple[Task[..., None], tuple[int, ...]]] = []
    with Session.begin() as session:
        at = now or db_now(session)
        alive(session, _myself(), version("uptake"), now=at)
        if fires(session, "poll", now=at):
            for source, app in workers_fell_silent(session, now=at):
                log.warning("poll.abandoned", source=source, app=app)
            work += [(poll_source, (row,)) for row in ring_sources(session, now=at, most=MOST)]
            work += [(poll_app, (row,)) for row in ring_apps(session, now=at, most=MOST)]
        if fires(session, "evaluate", now=at):
            work += [(evaluate_app, (row,)) for row in due_apps(now=at, most=MOST)]
        work += [(task, ()) for name, task in (("flush", flush), ("remind", remind)) if fires(session, name, now=at)]
        if fires(session, "deliver", now=at):
            # Each sends what there is, so many that none has more than a batch.
            work += [(deliver, ())] * math.ceil(waiting(session, now=at, most=BELLS * BATCH) / BATCH)
        if fires(session, "stale", now=at):
            _tell_stale(session, now=at)
        if fires(session, "tidy", now=at):
            session.execute(_TIDY, {"now": at})
            forget_silent(session, now=at)
        keeping = (("audit", audit), ("sweep", sweep), ("study", study_apps))
        work += [(task, ()) for name, task in keeping if fires(session, name, now=at)]
    if work:
        log.debug("tick.rang", rings=len(work))
    return work


def _myself() -> str:
    """The worker whose child this is, by its machine and process."""
    return f"{socket.gethostname()} {os.getppid()}"


def _tell_stale(session: OrmSession, *, now: datetime) -> None:
    """Alert on apps that are not read, wherever that comes from; whoever hears of it is woken."""
    if changed := stale(session, older_than=rules().stale_after, now=now):
        arouse(session, rules().policies, now=now, apps=changed)


def fires(session: OrmSession, schedule: str, *, now: datetime) -> bool:
    """Whether this caller is the one to do the schedule's work for the slot that *now* is in."""
    every = SCHEDULES[schedule]
    due_at = now - (now - _EPOCH) % every
    return session.execute(_FIRE, {"schedule": schedule, "due_at": due_at}).one_or_none() is not None
