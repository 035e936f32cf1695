"""Receivers with a rate: how much of it all senders together have used, counted by one of them at a time."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import DateTime, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base
from uptake.rates import Rate, next_free


class PacedReceiver(Base):
    """When the last messages to one with a rate went out, or are to: as many as may count."""

    __tablename__ = "paced_receiver"

    name: Mapped[str] = mapped_column(primary_key=True)
    used_at: Mapped[list[datetime]] = mapped_column(ARRAY(DateTime(timezone=True)))
    free_at: Mapped[datetime]  # one more may go out then


# Of a notice n: whether its receiver has room now, by its rate.
HAS_ROOM = "NOT EXISTS (SELECT FROM paced_receiver z WHERE z.name = n.receiver AND z.free_at > :now)"
# Whoever waits here for another sender sees what that one has used. In one order, or two could wait in a circle.
_HOLD = text("""
INSERT INTO paced_receiver AS z (name, used_at, free_at)
SELECT r.name, '{}', cast(:now AS timestamptz) FROM unnest(cast(:names AS text[])) AS r (name)
WHERE EXISTS (SELECT FROM notice n WHERE n.receiver = r.name AND n.due_at <= :now AND n.state IN ('due', 'sending'))
ORDER BY r.name
ON CONFLICT (name) DO UPDATE SET name = excluded.name WHERE z.free_at <= :now
RETURNING name, used_at
""")
_USE = text("UPDATE paced_receiver SET used_at = :used_at, free_at = :free_at WHERE name = :name")
_FORGET = text("""
WITH chosen AS MATERIALIZED (SELECT name FROM paced_receiver WHERE free_at > :now ORDER BY name FOR NO KEY UPDATE)
UPDATE paced_receiver p SET free_at = :now FROM chosen WHERE p.name = chosen.name
""")


def held(session: Session, rates: Mapping[str, Rate], *, now: datetime) -> dict[str, list[datetime]]:
    """Which receivers have room now and something to send, and what they have used; nobody else counts until the end.

    The end is that of the transaction.
    """
    if not rates:
        return {}
    found = session.execute(_HOLD, {"names": sorted(rates), "now": now})
    return {row.name: row.used_at for row in sorted(found)}


def use(
    session: Session, name: str, rate: Rate, *, used: Sequence[datetime], taken: Sequence[datetime], now: datetime
) -> None:
    """Remember that messages go out to the receiver at the moments *taken*, beside those *used* before."""
    all_used = [*used, *taken][-rate.most :]
    free_at = next_free(rate, all_used, now=now)
    session.execute(_USE, {"name": name, "used_at": all_used, "free_at": free_at})


def reckon(session: Session, *, now: datetime) -> None:
    """Let what receivers have room for be counted anew, by rates that may have changed."""
    session.execute(_FORGET, {"now": now})
