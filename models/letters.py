"""Messages to tenants' people: when each of them was written to last, and what is queued for them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.notice import Notice, NoticeReminder

_WRITTEN = text("""
SELECT receiver, source_id, "to",
    max(coalesce(settled_at, created_at)) FILTER (WHERE state = 'sent') AS sent_at,
    bool_or(state <> 'sent') AS is_unsent
FROM notice WHERE "to" = ANY(cast(:emails AS text[])) AND reminder_id IS NOT NULL
  AND (state IN ('due', 'sending') OR state = 'sent' AND coalesce(settled_at, created_at) > :since)
GROUP BY receiver, source_id, "to"
""")
_WAITING = text("""
SELECT receiver, count(*) AS waiting FROM notice
WHERE state = 'due' AND reminder_id IS NOT NULL AND attempts = 0 AND due_at >= :now GROUP BY receiver
""")
# The same turn of the same person once more: it was taken back before it was sent, or refused.
_AGAIN = ("subject", "body", "html", "payload", "state", "created_at", "due_at")


@dataclass(frozen=True, slots=True)
class Addressee:
    """One person as a receiver reaches them, in the name of one source."""

    receiver: str
    source_id: int
    email: str


@dataclass(frozen=True, slots=True)
class Written:
    """When somebody got a message last (of late), and whether another one is still on its way."""

    sent_at: datetime | None
    is_unsent: bool


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to queue: the columns of a notice, and the threads that it speaks for with the number of each turn."""

    columns: dict[str, Any]
    speaks_for: Sequence[tuple[int, int]]


def written(session: Session, emails: Iterable[str], *, since: datetime) -> dict[Addressee, Written]:
    """Who of these has got a reminder *since* then, or has one on its way."""
    rows = session.execute(_WRITTEN, {"emails": sorted(set(emails)), "since": since})
    return {Addressee(row.receiver, row.source_id, row.to): Written(row.sent_at, row.is_unsent) for row in rows}


def waiting(session: Session, *, now: datetime) -> dict[str, int]:
    """How many reminders of each receiver have a time ahead, and were not tried yet."""
    return {row.receiver: row.waiting for row in session.execute(_WAITING, {"now": now})}


def queue(session: Session, letters: Sequence[Letter]) -> None:
    """Let them be sent, each once: what was queued before by the same key is not, unless nobody got it."""
    if not letters:
        return
    made = insert(Notice)
    made = made.on_conflict_do_update(
        index_elements=["key"],
        set_={name: made.excluded[name] for name in _AGAIN}
        | {"settled_at": None, "settle_reason": None, "gives_back": False},
        where=(Notice.state == "cancelled") | (Notice.state == "failed"),
    )
    kept = session.execute(made.returning(Notice.key, Notice.id), [letter.columns for letter in letters])
    ids = {row.key: row.id for row in kept}
    parts = [
        {"notice_id": ids[letter.columns["key"]], "reminder_id": thread, "number": number}
        for letter in letters
        if letter.columns["key"] in ids
        for thread, number in letter.speaks_for
    ]
    if parts:
        session.execute(insert(NoticeReminder).on_conflict_do_nothing(), parts)
