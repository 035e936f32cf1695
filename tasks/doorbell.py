"""Doorbells: messages that carry ids only, rung after commit, and may get lost, doubled or late."""

from typing import Any

import structlog
from celery import Task, signals
from kombu.exceptions import OperationalError

log = structlog.get_logger()

# Rings older than this, or than their task says, are thrown away unread: the next tick rings again.
EXPIRES_SECONDS = 30
_REFUSED = ("eta", "countdown", "retries")


def ring(task: Task[..., Any], *ids: int) -> bool:
    """Ring for *task*; False when the broker is not there, which only delays the work until a tick finds it."""
    try:
        task.apply_async(ids, expires=task.expires or EXPIRES_SECONDS, retry=False)
    except OperationalError as error:
        log.warning("doorbell.unheard", task=task.name, error=str(error))
        return False
    return True


@signals.before_task_publish.connect
def _refuse_times_ahead(headers: dict[str, Any] | None = None, **_: object) -> None:
    """Times ahead are columns: with Redis, a message held back runs again past the visibility timeout."""
    held = [name for name in _REFUSED if headers and headers.get(name)]
    if held:
        raise ValueError(f"a doorbell cannot wait ({', '.join(held)}): write a due_at column instead")
