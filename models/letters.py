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
    bool_or(state IN ('due', 'sending')) AS is_unsent, max(due_at) FILTER (WHERE state = 'cancelled') AS place_at
FROM notice WHERE "to" = ANY(cast(:emails AS text[])) AND reminder_id IS NOT NULL
  AND (state IN ('due', 'sending') OR state = 'sent' AND coalesce(settled_at, created_at) > :since
    OR state = 'cancelled' AND due_at > cast(:now AS timestamptz) - interval '15 minutes')
GROUP BY receiver, source_id, "to"
""")
_WAITING = text("""
SELECT receiver, count(*) AS waiting FROM notice
WHERE state = 'due' AND reminder_id IS NOT NULL AND failures = 0 AND due_at >= :now GROUP BY receiver
""")
# The same turn of the same person once more: it was taken back before it was sent, or refused.
_AGAIN = (
    *("receiver", "reason", "source_id", "app_id", "tenant_id", "reminder_id"),
    *("subject", "body", "html", "payload", "state", "created_at", "due_at"),
)
# Of a notice n: whether somebody may have it, for whoever sent it died, or waited for an answer in vain.
MAY_HAVE_ARRIVED = """
EXISTS (SELECT FROM attempt x WHERE x.notice_id = n.id AND (x.outcome IS NULL OR x.fault = 'deadline'))
"""
# Messages are locked in their order: one may speak for threads of two apps, which two look at.
_TAKE_BACK = text(f"""
WITH queued AS MATERIALIZED (
    SELECT n.id FROM notice n WHERE n.state = 'due' AND n.id IN (
        SELECT notice_id FROM notice_reminder WHERE reminder_id = ANY(cast(:threads AS int8[])))
      -- What somebody asked for by hand goes out, but to nobody who does not want it.
      AND CASE WHEN cast(:email AS text) IS NULL THEN n.payload ->> 'anyway' IS NULL ELSE n."to" = :email END
    ORDER BY n.id FOR NO KEY UPDATE
)
UPDATE notice n SET state = 'cancelled', settled_at = :now, gives_back = NOT {MAY_HAVE_ARRIVED},
    settle_reason = coalesce(cast(:reason AS text), (
        SELECT min(r.stop_reason) FROM notice_reminder p JOIN reminder r ON r.id = p.reminder_id
        WHERE p.notice_id = n.id AND r.id = ANY(cast(:threads AS int8[]))))
FROM queued WHERE n.id = queued.id
""")  # noqa: S608 - constants only


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
    place_at: datetime | None  # when one was to go out that was taken back: not long ago, or later


@dataclass(frozen=True, slots=True)
class Said:
    """A turn of a thread, counted from 1, and the version that it asks for."""

    thread: int
    number: int
    target_version: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to queue: the columns of a notice, and the turns of threads that it speaks for."""

    columns: dict[str, Any]
    says: Sequence[Said]


def written(session: Session, emails: Iterable[str], *, since: datetime, now: datetime) -> dict[Addressee, Written]:
    """Who of these has got a reminder *since* then, has one on its way, or had a place in the queue."""
    rows = session.execute(_WRITTEN, {"emails": sorted(set(emails)), "since": since, "now": now})
    return {
        Addressee(row.receiver, row.source_id, row.to): Written(row.sent_at, row.is_unsent, row.place_at)
        for row in rows
    }


def waiting(session: Session, *, now: datetime) -> dict[str, int]:
    """How many reminders of each receiver have a time ahead, and were not tried yet."""
    return {row.receiver: row.waiting for row in session.execute(_WAITING, {"now": now})}


def queue(session: Session, letters: Sequence[Letter]) -> None:
    """Let them be sent, each by its key: that of one which nobody got is used again, one that somebody got stays."""
    if not letters:
        return
    ids = _made(session, letters)
    # A turn that was given back after a later one went out has the number, and so the key, of that one.
    others = [letter for letter in letters if letter.columns["key"] not in ids]
    for letter in others:
        letter.columns["key"] += f":{letter.columns['created_at']:%Y%m%dT%H%M%S%f}"
    if others:
        ids |= _made(session, others)
    turns = insert(NoticeReminder)
    turns = turns.on_conflict_do_update(
        index_elements=["notice_id", "reminder_id"], set_={"target_version": turns.excluded.target_version}
    )
    parts = [
        {
            "notice_id": ids[letter.columns["key"]],
            "reminder_id": said.thread,
            "number": said.number,
            "target_version": said.target_version,
        }
        for letter in letters
        for said in letter.says
    ]
    session.execute(turns, parts)


def _made(session: Session, letters: Sequence[Letter]) -> dict[str, int]:
    """The ids of the messages that were queued, by key."""
    made = insert(Notice)
    made = made.on_conflict_do_update(
        index_elements=["key"],
        set_={name: made.excluded[name] for name in _AGAIN}
        | {"settled_at": None, "settle_reason": None, "gives_back": False, "failures": 0},
        where=(Notice.state == "cancelled") | (Notice.state == "failed"),
    )
    kept = session.execute(made.returning(Notice.key, Notice.id), [letter.columns for letter in letters])
    return {row.key: row.id for row in kept}


def take_back(
    session: Session, threads: Sequence[int], *, now: datetime, email: str | None = None, reason: str | None = None
) -> None:
    """Cancel what waits and speaks for these threads (to this *email*), why they stopped or for the *reason*.

    Whatever else such a message speaks for has its turn again.
    """
    bound = {"threads": sorted(threads), "email": email, "reason": reason, "now": now}
    session.execute(_TAKE_BACK, bound)
