"""Polls that somebody asks for: an app, or a source with all of its apps, as soon as a worker is free."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.leases import want_polls

_APP = text("""
SELECT a.id, a.deleted_at IS NOT NULL AS is_deleted, s.name AS source, s.enabled,
    CASE WHEN s.circuit_open_until > :now THEN s.circuit_open_until END AS rests_until, s.last_error AS error,
    coalesce(a.lease_until > :now, false) AS is_running
FROM app a JOIN source s ON s.id = a.source_id WHERE s.name || ':' || a.external_id = :app
""")
_SOURCE = text("""
SELECT s.id, false AS is_deleted, s.name AS source, s.enabled,
    CASE WHEN s.circuit_open_until > :now THEN s.circuit_open_until END AS rests_until, s.last_error AS error,
    coalesce(s.lease_until > :now, false) AS is_running
FROM source s WHERE s.name = :source
""")
_LIST = text("""
UPDATE source SET next_poll_at = :now WHERE id = :source AND next_poll_at > :now
""")
_APPS = text("SELECT id FROM app WHERE source_id = :source AND deleted_at IS NULL")


@dataclass(frozen=True, slots=True)
class Askable:
    """Whether somebody may be polled, and what is in the way."""

    id: int
    is_deleted: bool
    source: str
    enabled: bool  # false: the source is no longer in uptake.toml
    rests_until: datetime | None  # no request is sent before this
    error: str | None
    is_running: bool  # a poll is on its way, and another one follows it


def askable_app(session: Session, app: str, *, now: datetime) -> Askable | None:
    """How it is with polls of *app* (source:id); None: there is none."""
    row = session.execute(_APP, {"app": app, "now": now}).mappings().one_or_none()
    return Askable(**row) if row else None


def askable_source(session: Session, source: str, *, now: datetime) -> Askable | None:
    """How it is with polls of *source*; None: there is none."""
    row = session.execute(_SOURCE, {"source": source, "now": now}).mappings().one_or_none()
    return Askable(**row) if row else None


def poll_app_soon(session: Session, app_id: int, *, now: datetime) -> None:
    """Let the app be polled with the next tick; whoever polls it now does so once more."""
    want_polls(session, [app_id], now=now)


def poll_source_soon(session: Session, source_id: int, *, now: datetime) -> int:
    """Let the source's list and all of its apps be read, as many at once as it takes; how many apps."""
    session.execute(_LIST, {"source": source_id, "now": now})
    apps = session.scalars(_APPS, {"source": source_id}).all()
    want_polls(session, apps, now=now)
    return len(apps)
