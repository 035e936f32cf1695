"""Another worker that helps with the walk of a large app."""

import time
from collections.abc import Callable

from sqlalchemy import text

from bench.subjects.uptake import SOURCE, opened
from models import Session
from tasks.edges import source_named
from tasks.parts import read_parts

_LONGEST = 60.0  # seconds to wait for a walk that needs help


def helping() -> Callable[[], int]:
    """Read parts of the first app's walk once there are any, until none is left; how many were read."""
    opened()
    source_named(SOURCE).apps()
    return _help


def _help() -> int:
    deadline = time.monotonic() + _LONGEST
    while time.monotonic() < deadline:
        with Session.begin() as session:
            is_planned = session.scalar(text("SELECT EXISTS (SELECT FROM walk_part)"))
        if is_planned:
            return read_parts(1)
        # As long as a message takes to a worker that is free.
        time.sleep(0.005)
    return 0
