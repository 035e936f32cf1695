"""Workers that share the work: what is due is found, claimed by one of them each, and polled."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Literal

from bench.subjects.uptake import SOURCE, opened, polled
from models import Session, db_now
from models.leases import claim_app, ring_apps
from tasks.edges import source_named

_EVERY = timedelta(minutes=15)


def claiming(*, most: int, how: Literal["ring", "lease"]) -> Callable[[], list[int]]:
    """Ring for whatever is due, *most* at a time, and maybe lease each; which apps this claimer got."""
    opened()
    return lambda: [app for rung in _rung(most) for app in rung if how == "ring" or _is_leased(app)]


def working(*, most: int) -> Callable[[], list[int]]:
    """Ring for whatever is due, *most* at a time, and poll it; which apps this worker polled."""
    opened()
    source_named(SOURCE).apps()
    return lambda: [app for rung in _rung(most) for app in rung if polled([app]) >= 0]


def _rung(most: int) -> Iterator[list[int]]:
    while True:
        with Session.begin() as session:
            found = list(ring_apps(session, now=db_now(session), most=most))
        if not found:
            return
        yield found


def _is_leased(app: int) -> bool:
    with Session.begin() as session:
        return claim_app(session, app, now=db_now(session), every=_EVERY) is not None
