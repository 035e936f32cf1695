"""Telling operators that a template is broken: messages go on, in the built-in words."""

import hashlib
from datetime import datetime

import structlog
from sqlalchemy.orm import Session as OrmSession

from models import Session, db_now
from models.telling import Telling, tell_operators
from tasks.edges import addresses_of
from tasks.rules import rules
from tasks.template_folder import Broken
from uptake.wording import broken_template

log = structlog.get_logger()


def tell_broken(*, now: datetime | None = None) -> int:
    """Log each template that cannot be used and queue what operators are told of it; how many notices.

    Once for each content of a file: a second run, another process, or a later start queue none.
    """
    queued = 0
    with Session.begin() as session:
        at = now or db_now(session)
        for one in rules().templates.broken:
            log.error("template.broken", path=str(one.path), mistakes=one.lines)
            queued += _queue(session, one, now=at) if one.content else 0
    return queued


def _queue(session: OrmSession, broken: Broken, *, now: datetime) -> int:
    said = broken_template(broken.path.name, broken.lines)
    mark = hashlib.sha256(f"{broken.path.name}\n{broken.content}".encode()).hexdigest()[:32]
    payload = {"type": "template.broken", "file": broken.path.name, "mistakes": broken.lines}
    queued = 0
    for name in rules().policies.base.receivers:
        telling = Telling(f"template:{mark}:{name}", name, "template_broken", said, payload)
        queued += tell_operators(session, telling, addresses_of(rules().receivers.get(name)), now=now)
    return queued
