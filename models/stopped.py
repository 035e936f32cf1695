"""Receivers that cannot be used: what waits for them rests, and what operators have to hear goes elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from models.groups import DueGroup

TRIED_EVERY = timedelta(hours=1)


class StoppedReceiver(Base):
    """One that refused us for good; it is tried again now and then, and at once when a worker starts."""

    __tablename__ = "stopped_receiver"

    name: Mapped[str] = mapped_column(primary_key=True)
    stopped_at: Mapped[datetime]
    tried_at: Mapped[datetime]
    reason: Mapped[str]


# Of a notice n: whether its receiver rests now.
RESTING = """
EXISTS (SELECT FROM stopped_receiver x WHERE x.name = n.receiver
    AND x.tried_at > cast(:now AS timestamptz) - interval '1 hour')
"""
_STOP = text("""
INSERT INTO stopped_receiver (name, stopped_at, tried_at, reason)
VALUES (:name, :now, :now, :reason)
ON CONFLICT (name) DO UPDATE SET tried_at = excluded.tried_at, reason = excluded.reason
RETURNING xmax = 0 AS is_news
""")
# Its groups count what was told by their own keys: ops:<group>:<number>:<address>.
_ELSEWHERE = text("""
WITH unheard AS (
    SELECT n.id, x.reason FROM notice n JOIN stopped_receiver x ON x.name = n.receiver
    -- Whose time has come to be tried again is tried with what comes first.
    WHERE n.state = 'due' AND n.reminder_id IS NULL AND x.tried_at > cast(:now AS timestamptz) - interval '1 hour'
    UNION ALL
    SELECT id, settle_reason FROM notice
    WHERE state = 'failed' AND group_id IS NOT NULL AND settled_at > cast(:now AS timestamptz) - interval '3 days'
      AND NOT starts_with(settle_reason, 'told to ')
), moved AS (
    UPDATE notice n SET state = 'failed', settled_at = :now,
        settle_reason = 'told to ' || :fallback || ' instead: ' || u.reason
    FROM unheard u WHERE n.id = u.id AND n.receiver <> :fallback AND n.state IN ('due', 'failed')
    RETURNING n.*, u.reason AS refused, coalesce(n.group_id || ':' || split_part(n.key, ':', 3), n.key) AS said
)
INSERT INTO notice (key, receiver, "to", reason, source_id, app_id, tenant_id, group_id, subject, body, payload, state,
    created_at, due_at)
SELECT DISTINCT ON (m.receiver, m.said, t.address) 'fallback:' || m.receiver || ':' || m.said || ':' || t.address,
    :fallback, t.address, m.reason, m.source_id, m.app_id, m.tenant_id, m.group_id, m.subject,
    'This was for ' || m.receiver || ', which could not be told: ' || m.refused || E'\n\n' || m.body,
    m.payload || jsonb_build_object('instead_of', m.receiver), 'due', :now, :now
FROM moved m CROSS JOIN unnest(cast(:addresses AS text[])) AS t (address)
ORDER BY m.receiver, m.said, t.address, m.id
ON CONFLICT DO NOTHING RETURNING id
""")
_HEARS = text("""
SELECT payload ->> 'firing' <> '0' FROM notice
WHERE receiver = :fallback AND group_id = :group AND created_at >= :began AND payload ->> 'instead_of' IS NOT NULL
ORDER BY created_at DESC, id DESC LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class Stopped:
    """A receiver that cannot be used, since when, why, and how much waits for it."""

    name: str
    stopped_at: datetime
    reason: str
    waiting: int


def stop(session: Session, name: str, *, reason: str, now: datetime) -> bool:
    """Let what is for the receiver rest: it refused us for good. Whether that is news."""
    return bool(session.scalar(_STOP, {"name": name, "reason": reason, "now": now}))


def tried(session: Session, name: str, *, now: datetime) -> None:
    """It was tried again, without an answer: it rests for another while."""
    session.execute(text("UPDATE stopped_receiver SET tried_at = :now WHERE name = :name"), {"name": name, "now": now})


def resume(session: Session, name: str | None = None) -> None:
    """The receiver (all, if none is named) can be used, as far as is known."""
    query = text("DELETE FROM stopped_receiver WHERE cast(:name AS text) IS NULL OR name = :name")
    session.execute(query, {"name": name})


def resting(session: Session, *, now: datetime) -> Sequence[str]:
    """The receivers that are not tried again yet."""
    query = text("SELECT name FROM stopped_receiver WHERE tried_at > cast(:now AS timestamptz) - interval '1 hour'")
    return session.scalars(query, {"now": now}).all()


def tell_elsewhere(session: Session, fallback: str, addresses: Sequence[str], *, now: datetime) -> int:
    """Let what operators should hear, and will not by its receiver, go to the *fallback*; how many messages.

    That is what waits for a receiver that cannot be used, and what was given up within three days.
    """
    bound = {"fallback": fallback, "addresses": list(addresses), "now": now}
    return len(session.scalars(_ELSEWHERE, bound).all())


def hears_instead(session: Session, group: DueGroup, fallback: str) -> bool:
    """Whether the last that the fallback was told of the group, since that began, is that something fires."""
    bound = {"fallback": fallback, "group": group.id, "began": group.opened_at}
    return bool(session.scalar(_HEARS, bound))


def stopped(session: Session) -> list[Stopped]:
    """Every receiver that cannot be used."""
    query = text("""
        SELECT x.name, x.stopped_at, x.reason, (
            SELECT count(*) FROM notice n WHERE n.receiver = x.name AND n.state = 'due') AS waiting
        FROM stopped_receiver x ORDER BY x.name
    """)
    return [Stopped(**row) for row in session.execute(query).mappings()]
