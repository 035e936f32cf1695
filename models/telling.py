"""What operators are told: queued once for each address of a receiver."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.groups import DueGroup
from models.notice import Notice
from uptake.letter import Parts

_HURRY = text("""
UPDATE notice SET due_at = :now
WHERE group_id = :group AND state = 'due' AND due_at > cast(:now AS timestamptz) + interval '1 hour'
""")


@dataclass(frozen=True, slots=True)
class Telling:
    """What one receiver of the operators is to be told: what was queued by its *key* before is not queued again."""

    key: str
    receiver: str
    reason: str
    said: Parts
    payload: Mapping[str, Any]
    group: DueGroup | None = None  # whose alerts it tells of; none: it is about Uptake itself


def tell_operators(session: Session, telling: Telling, addresses: Sequence[str], *, now: datetime) -> int:
    """Queue it for each address; how many messages that made."""
    one = insert(Notice).values(
        receiver=telling.receiver,
        reason=telling.reason,
        subject=telling.said.subject,
        body=telling.said.text,
        html=telling.said.html,
        payload=telling.payload,
        state="due",
        created_at=now,
        due_at=now,
    )
    if group := telling.group:
        one = one.values(group_id=group.id, source_id=group.source_id, app_id=group.app_id)
        # What waits for a try hours from now comes before this one, and the receiver may be well again.
        session.execute(_HURRY, {"group": group.id, "now": now})
    each = [
        one.values(key=f"{telling.key}:{to}", to=to).on_conflict_do_nothing().returning(Notice.id) for to in addresses
    ]
    return sum(session.execute(row).one_or_none() is not None for row in each)
