"""Polls in pages: what was asked, what came back, and why where nothing did."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import text
from sqlalchemy.orm import Session

Outcome = Literal["complete", "partial", "held", "failed"]


@dataclass(frozen=True, slots=True)
class PollLine:
    """One run, of an app or of a source's list of apps."""

    id: int
    source: str
    app: str | None  # None: the list of apps
    app_name: str | None
    started_at: datetime
    duration_seconds: float
    outcome: str
    fault: str | None
    reason: str | None
    pages: int
    rows: int
    changed: int
    vanished: int
    rejected: int


_POLLS = """
SELECT p.id, s.name AS source, CASE WHEN app.id IS NOT NULL THEN s.name || ':' || app.external_id END AS app,
    app.name AS app_name, p.started_at, p.duration_seconds, p.outcome, p.fault, p.reason, p.pages, p.rows, p.changed,
    p.vanished, p.rejected
FROM source s {whose} CROSS JOIN LATERAL (
    SELECT * FROM poll WHERE {which}
      AND (cast(:outcome AS text) IS NULL OR poll.outcome = :outcome)
      AND (cast(:before AS timestamptz) IS NULL OR (poll.started_at, poll.id) < (:before, cast(:last AS int8)))
      -- The index stands by the time alone: with this it begins where the page does.
      AND (cast(:before AS timestamptz) IS NULL OR poll.started_at <= :before)
    ORDER BY poll.started_at DESC, poll.id DESC LIMIT :most
) p LEFT JOIN app ON app.id = p.app_id
WHERE (cast(:sources AS text[]) IS NULL OR s.name = ANY(cast(:sources AS text[]))) {meant}
ORDER BY p.started_at DESC, p.id DESC LIMIT :most
"""
# Each source in the order of its index, or one app.
_EVERYWHERE = text(_POLLS.format(whose="", which="poll.source_id = s.id", meant=""))
_OF_APP = text(
    _POLLS.format(
        whose="JOIN app mine ON mine.source_id = s.id",
        which="poll.source_id = s.id AND poll.app_id = mine.id",
        meant="AND s.name || ':' || mine.external_id = :app",
    )
)


def polls_before(
    session: Session,
    *,
    app: str | None = None,
    outcome: Outcome | None = None,
    sources: Collection[str] | None = None,
    before: tuple[datetime, int] | None = None,
    most: int = 100,
) -> list[PollLine]:
    """The last polls (of the *app*, or of *sources*), those *before* the start and id of the last one."""
    at, last = before or (None, None)
    bound = {
        "app": app,
        "outcome": outcome,
        "sources": None if sources is None else sorted(sources),
        "before": at,
        "last": last,
        "most": most,
    }
    rows = session.execute(_EVERYWHERE if app is None else _OF_APP, bound).mappings()
    return [PollLine(**row) for row in rows]
