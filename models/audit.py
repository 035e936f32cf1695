"""The audit trail: who did what, when and about what."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from models.account import AuditEntry


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and by way of what: page, api, cli or up."""

    who: str
    by_way_of: str


def audited(session: Session, actor: Actor, what: str, about: str, *, now: datetime, **data: Any) -> None:
    """Write it down in the same transaction as what was done: both are there, or neither is.

    From here on others who write something down wait for its end, so it is done last.
    """
    row = {"at": now, "who": actor.who, "by_way_of": actor.by_way_of, "what": what, "about": about, "data": data}
    session.execute(insert(AuditEntry).values(row))
