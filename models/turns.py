"""Work that one does at a time, whoever it is: what is counted and then added to cannot be by two at once."""

from typing import Literal

from sqlalchemy import text
from sqlalchemy.orm import Session

_TRY = text("SELECT pg_try_advisory_xact_lock(hashtext('uptake.' || cast(:what AS text)))")
_WAIT = text("SELECT pg_advisory_xact_lock(hashtext('uptake.' || cast(:what AS text))) IS NOT NULL")


def alone(session: Session, what: Literal["remind", "flush"], *, waits: bool) -> bool:
    """Whether nobody else does *what* until this transaction ends; it *waits* for who does, or gives up."""
    return bool(session.scalar(_WAIT if waits else _TRY, {"what": what}))
