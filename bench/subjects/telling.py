"""Telling people: what is to be said is queued, and what is queued is sent, as the tasks do it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bench.subjects.uptake import apps, opened
from models import Session, db_now
from tasks.deliver import deliver_now
from tasks.edges import channel_named
from tasks.evaluate import evaluate_now
from tasks.flush import flush_now
from tasks.remind import remind_now
from uptake.channels import Message

_FIRST_WORKING_HOUR = 9


def queueing() -> Callable[[], list[int]]:
    """Judge every app, and queue what operators and tenants' people are to be told; how many of each.

    Tenants are written to in working hours, so all of it is done as if on the next Monday morning.
    """
    opened()
    known = apps()
    with Session() as session:
        now = _monday(db_now(session))

    def queue() -> list[int]:
        raised = sum(found.raised for app in known if (found := evaluate_now(app, now=now)))
        return [raised, flush_now(now=now + timedelta(minutes=1)), remind_now(now=now)]

    return queue


def _monday(now: datetime) -> datetime:
    ahead = now + timedelta(days=7 - now.weekday())
    return datetime(ahead.year, ahead.month, ahead.day, _FIRST_WORKING_HOUR, tzinfo=UTC)


def draining() -> Callable[[], int]:
    """Send everything that is due; how many were tried."""
    opened()
    return deliver_now


def posting(*, count: int, receiver: str) -> Callable[[], int]:
    """Hand so many messages like these to the same channel, one after another, and remember nothing of it."""
    opened()
    channel = channel_named(receiver)

    def post() -> int:
        for number in range(count):
            channel.send(Message(key=f"k{number}", to="", subject="A subject", text="A text " * 40, payload={"n": 1}))
        return count

    return post
