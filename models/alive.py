"""Signs of life, written by the work that a process does."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

# By a clock that goes back nobody is younger.
_ALIVE = text("""
INSERT INTO heartbeat (process, at, version) VALUES ('tick', :now, :version), (:worker, :now, :version)
ON CONFLICT (process) DO UPDATE SET at = greatest(heartbeat.at, excluded.at), version = excluded.version
""")
_FORGET = text("""
DELETE FROM heartbeat WHERE process <> 'tick' AND at < cast(:now AS timestamptz) - interval '1 hour'
""")


def alive(session: Session, worker: str, version: str, *, now: datetime) -> None:
    """Write down that somebody looked for due work, that it was this *worker*, and which version of Uptake it is."""
    session.execute(_ALIVE, {"worker": worker, "version": version, "now": now})


def forget_silent(session: Session, *, now: datetime) -> None:
    """Forget workers of which nothing was heard for an hour; that there was one is kept."""
    session.execute(_FORGET, {"now": now})
