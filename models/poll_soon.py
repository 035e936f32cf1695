"""Polls that somebody asks for: what is due now is read by the next worker that is free."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

# The circuit stays as it is: a portal that is down, or asked us to wait, is not to be pressed by a button.
_APP = text("""
UPDATE app a SET next_poll_at = least(a.next_poll_at, :now) FROM source s
WHERE s.id = a.source_id AND s.enabled AND a.deleted_at IS NULL AND s.name || ':' || a.external_id = :app
RETURNING s.name AS source, s.circuit_open_until, s.last_error
""")
_SOURCE = text("""
WITH wanted AS (
    UPDATE source SET next_poll_at = least(next_poll_at, :now) WHERE enabled AND name = :source
    RETURNING id, name, circuit_open_until, last_error
), apps AS (
    UPDATE app a SET next_poll_at = :now FROM wanted
    WHERE a.source_id = wanted.id AND a.deleted_at IS NULL AND a.next_poll_at > :now
)
SELECT name AS source, circuit_open_until, last_error FROM wanted
""")


@dataclass(frozen=True, slots=True)
class Soon:
    """A poll that was asked for."""

    source: str
    rests_until: datetime | None  # nothing is asked of the portal before this; None: it begins with the next tick
    error: str | None  # why it rests


def poll_app_soon(session: Session, app: str, *, now: datetime) -> Soon | None:
    """Let *app* (source:id) be polled with the next tick; None when there is no such app, or it is not polled."""
    row = session.execute(_APP, {"app": app, "now": now}).one_or_none()
    return _soon(*row, now=now) if row else None


def poll_source_soon(session: Session, source: str, *, now: datetime) -> Soon | None:
    """Let the list of apps and every app of *source* be read with the next tick; None when it is not polled."""
    row = session.execute(_SOURCE, {"source": source, "now": now}).one_or_none()
    return _soon(*row, now=now) if row else None


def _soon(source: str, until: datetime | None, error: str | None, *, now: datetime) -> Soon:
    rests = until if until is not None and until > now else None
    return Soon(source, rests, error if rests else None)
