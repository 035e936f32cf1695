"""Telling operators that a template is broken: messages go on, in the built-in words."""

import hashlib
from datetime import datetime

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session as OrmSession

from models import Notice, Session, db_now
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
    queued = 0
    for receiver in rules().policies.base.receivers:
        for to in addresses_of(rules().receivers.get(receiver)):
            row = insert(Notice).values(
                key=f"template:{mark}:{receiver}:{to}",
                receiver=receiver,
                to=to,
                reason="template_broken",
                subject=said.subject,
                body=said.text,
                html=said.html,
                payload={"type": "template.broken", "file": broken.path.name, "mistakes": broken.lines},
                state="due",
                created_at=now,
                due_at=now,
            )
            done = session.execute(row.on_conflict_do_nothing().returning(Notice.id))
            queued += done.one_or_none() is not None
    return queued
