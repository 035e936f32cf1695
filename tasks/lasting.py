"""Writes that must not be lost because Postgres is restarted under them: what was read or sent already."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session as OrmSession

from models import Session

log = structlog.get_logger()

# Well within a notice's lease and a task's time; an app's lease is shorter, but fenced by its token.
PATIENCE_SECONDS = 120.0
_PAUSE_SECONDS = 0.5
T = TypeVar("T")


def lasting(write: Callable[[OrmSession], T], *, is_last: bool = False) -> T:
    """Commit *write* in a transaction, again while the database is away.

    Whether a COMMIT without an answer took place cannot be known, so *write* must bear to run twice: it is fenced
    by a lease token, and finds the lease given back. A task whose time is over has one more try, and is told so
    after it: raises SoftTimeLimitExceeded then, unless this *is_last*, after which the task ends anyway.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    is_over = False
    while True:
        try:
            with Session.begin() as session:
                done = write(session)
        except SoftTimeLimitExceeded:
            if is_over or time.monotonic() > deadline:
                raise
            is_over, deadline = True, time.monotonic()
        except DBAPIError as error:
            away = isinstance(error, OperationalError) or error.connection_invalidated
            if not away or time.monotonic() > deadline:
                raise
            log.warning("write.delayed", error=str(error.orig).strip().partition("\n")[0])
            time.sleep(_PAUSE_SECONDS)
        else:
            # Nobody says it twice.
            if is_over and not is_last:
                raise SoftTimeLimitExceeded
            return done


def now_and_then(write: Callable[[OrmSession], object], *, every: float) -> Callable[[], None]:
    """What to call often, for *write* to be committed every so many seconds, as a lease has to be extended."""
    done_at = time.monotonic()

    def call() -> None:
        nonlocal done_at
        if time.monotonic() - done_at > every:
            lasting(write)
            done_at = time.monotonic()

    return call
