"""The audit: whether all work that was due is done; while it is, a heartbeat goes out to whoever watches Uptake."""

from datetime import datetime
from functools import cache

import structlog
from celery import shared_task

from models import Session, db_now
from models.queries.overdue import Overdue, overdue
from tasks.rules import rules
from uptake.errors import EdgeError
from uptake.http import Client

log = structlog.get_logger()


@shared_task(name="uptake.audit")
def audit() -> None:
    """Say what is overdue; with nothing overdue, say outside that all is well."""
    if not audit_now():
        beat()


def audit_now(*, now: datetime | None = None) -> list[Overdue]:
    """What is overdue, each kind once in the log."""
    with Session() as session:
        found = overdue(session, rules().policies.receivers, now=now or db_now(session))
    for one in found:
        log.warning("work.overdue", what=one.what, count=one.count, since=one.since.isoformat())
    return found


def beat() -> bool:
    """Send the heartbeat that somebody outside waits for, if uptake.toml names where; whether it arrived."""
    table = rules().file.heartbeat
    if table is None:
        return False
    try:
        answer = _client().post(table.url.get_secret_value(), body=b"", headers={})
        refusal = answer.refusal()
    except EdgeError as error:
        refusal = error
    if refusal:
        # The watcher notices by itself.
        log.warning("heartbeat.unheard", error=str(refusal))
    return refusal is None


@cache
def _client() -> Client:
    return Client()
