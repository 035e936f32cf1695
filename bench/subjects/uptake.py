"""Uptake as its worker runs it: the tasks' own functions, on what the environment leads to."""

from collections.abc import Callable

from sqlalchemy import text

from config.logs import configure_logging
from config.settings import settings
from models import Session
from tasks import parts
from tasks.edges import source_named
from tasks.poll import list_apps, poll
from worker.lifecycle import adopt_sources, open_database

SOURCE = "acme"


def listing() -> Callable[[], int]:
    """Read the list of apps into an empty database; how many came."""
    opened()
    adopt_sources()
    return lambda: list_apps(1, forced=True) or 0


def polling(*, warm: bool = False, first: int | None = None) -> Callable[[], int]:
    """Poll every app, or the *first* ones, one after another; how many connections changed.

    *warm*: they are polled once before it counts, too.
    """
    opened()
    # A worker at work has its token and its connections.
    source_named(SOURCE).apps()
    known = apps()[:first]
    if warm:
        polled(known)
    return lambda: polled(known)


def apps() -> list[int]:
    """Our ids of all apps."""
    with Session.begin() as session:
        return list(session.scalars(text("SELECT id FROM app ORDER BY id")))


def polled(known: list[int]) -> int:
    """Poll these apps, one after another; how many connections changed. Raises when one was not read whole."""
    changed = 0
    for app in known:
        recorded = poll(app, forced=True)
        if recorded is None or recorded.outcome != "complete":
            raise RuntimeError(f"app {app} was not polled: {recorded}")
        changed += recorded.changed
    return changed


def opened() -> None:
    """Make this process one that can run tasks."""
    # There is no broker here, and each ring would wait for one: who helps with a large app looks by itself.
    vars(parts)["ring"] = lambda *_: False
    configure_logging(settings().log_level, settings().log_format)
    open_database()
