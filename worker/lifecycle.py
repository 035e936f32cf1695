"""What a worker process does when it starts, before each task, and when it ends."""

import os
import signal
import threading
import time
from typing import Any

import structlog
from celery import current_app, signals
from celery.worker import state
from sqlalchemy import Engine
from structlog.contextvars import bind_contextvars, clear_contextvars

from config import traces
from config.settings import settings
from models import Session, db_now
from models.alerts import adopt
from models.base import engine_for
from models.groups import arouse_all
from models.listing import sync_sources
from models.paced import reckon
from models.stopped import resume
from tasks.doorbell import ring
from tasks.rules import rules
from tasks.stopping import stop
from tasks.templates import tell_broken
from tasks.tick import tick
from tasks.traced import Traced, begin
from worker.addresses import database_url
from worker.obstacles import obstacle, refuse

log = structlog.get_logger()

TICK_SECONDS = 10.0
_stopping = threading.Event()
_traced: Traced | None = None


def open_database() -> Engine:
    """Bind this process's sessions; after a fork, for a connection must never cross one."""
    engine = engine_for(database_url())
    Session.configure(bind=engine)
    return engine


def adopt_sources(*, others_rest: bool = True) -> None:
    """Make the source table say what uptake.toml says; a command turns off nothing that the daemon has on."""
    with Session.begin() as session:
        sources = [(source.name, source.kind) for source in rules().file.sources]
        at_once = {source.name: source.at_once for source in rules().file.sources}
        sync_sources(session, sources, now=db_now(session), at_once=at_once, others_rest=others_rest)


def adopt_policies() -> None:
    """Let receivers that are new in uptake.toml hear of what fires, and apps be judged by the policies it has now."""
    policies = rules().policies
    # Whoever starts a worker may just have mended what refused us. Senders wait for neither, nor for what comes next.
    with Session.begin() as session:
        resume(session)
    with Session.begin() as session:
        reckon(session, now=db_now(session))
    with Session.begin() as session:
        now = db_now(session)
        if apps := adopt(session, policies, now=now):
            log.info("policies.adopted", apps=apps)
    # The apps are free again: this looks at all alerts.
    with Session.begin() as session:
        arouse_all(session, policies, now=now)


@signals.worker_init.connect
def _main_process(**_: object) -> None:
    # Celery logs what a receiver raises and starts all the same, to fail at every task.
    try:
        traces.check()
        open_database()
        adopt_sources()
        adopt_policies()
        tell_broken()
    except Exception as error:
        if (sentence := obstacle(error)) is None:
            raise
        refuse(sentence)
    # The children bind their own.
    Session.kw["bind"].dispose()


@signals.worker_process_init.connect
def _child_process(**_: object) -> None:
    global _traced  # noqa: PLW0603 - made once, after the fork: the thread that sends spans would not cross it
    engine = open_database()
    _traced = begin("uptake-worker")
    if _traced:
        _traced.watch(engine)


@signals.worker_process_shutdown.connect
def _child_ends(**_: object) -> None:
    # However it ends: told to, or replaced after so many tasks.
    if _traced:
        _traced.end()


@signals.worker_ready.connect
def _tick_by_itself(**_: object) -> None:
    # Beat is not the clock: with beat dead, doubled or shifted, every worker still looks for what is due.
    threading.Thread(target=_ticking, name="tick", daemon=True).start()


@signals.worker_shutting_down.connect
def _end_in_time(**_: object) -> None:
    stop()
    _stopping.set()
    threading.Thread(target=_interrupt_late_tasks, name="end", daemon=True).start()


def _interrupt_late_tasks() -> None:
    """Break off what has not ended by itself in time, as at a time limit: its rows say how far it came.

    Celery bounds only a cold shutdown by this setting; a warm one would wait for as long as a portal dribbles.
    """
    time.sleep(current_app.conf.worker_soft_shutdown_timeout)
    for request in tuple(state.active_requests):
        pid: int | None = request.worker_pid
        if pid and pid != os.getpid():
            log.warning("task.interrupted", task=request.name)
            os.kill(pid, signal.SIGUSR1)


def _ticking() -> None:
    # The first one at once: whoever starts a worker wants to see it work.
    while not _stopping.is_set():
        try:
            ring(tick)
        except Exception:
            # Whatever the broker does, the next tick finds it better or not; without ticks there would be no work.
            log.exception("tick.unheard")
        _stopping.wait(TICK_SECONDS)


@signals.task_prerun.connect
def _bind_context(task_id: str, task: Any, **_: object) -> None:
    clear_contextvars()
    bind_contextvars(task=task.name, task_id=task_id)


@signals.task_postrun.connect
def _clear_context(**_: object) -> None:
    clear_contextvars()


def configure_logs(**_: object) -> None:
    """Celery's own records take the same road as ours."""
    from config.logs import configure_logging  # noqa: PLC0415 - only a process that logs needs it

    configure_logging(settings().log_level, settings().log_format)
