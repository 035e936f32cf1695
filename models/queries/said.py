"""What single messages said, and to whom."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Said:
    """One message to one address."""

    id: int
    receiver: str
    to: str | None
    subject: str
    state: str  # due | sending | sent | failed | cancelled
    settle_reason: str | None


_SAID = text("""
SELECT id, receiver, "to", subject, state, settle_reason FROM notice WHERE id = ANY(cast(:notices AS int8[]))
""")


def said(session: Session, notices: Sequence[int]) -> dict[int, Said]:
    """The messages with these ids, those that are still kept."""
    if not notices:
        return {}
    found = [Said(**row) for row in session.execute(_SAID, {"notices": list(notices)}).mappings()]
    return {one.id: one for one in found}
