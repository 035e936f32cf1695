"""What fires, app by app: how many are concerned and since when, rather than each of them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """The firing alerts of one kind about one app, or about a source."""

    source: str
    app: str | None  # None: they are about the source
    app_name: str | None
    kind: str
    severity: str  # the highest
    firing: int
    looked_after: int  # of these, acknowledged or snoozed
    since: datetime  # the oldest


_GROUPS = text("""
WITH firing AS (
    SELECT source_id, app_id, kind, min(array_position(ARRAY['critical', 'warning', 'info'], severity)) AS worst,
        count(*) AS firing, min(since) AS since,
        count(*) FILTER (WHERE acknowledged_at IS NOT NULL OR snoozed_until > :now) AS looked_after
    FROM alert WHERE state = 'firing' AND resolved_at IS NULL GROUP BY source_id, app_id, kind
)
SELECT s.name AS source, CASE WHEN a.id IS NOT NULL THEN s.name || ':' || a.external_id END AS app,
    a.name AS app_name, f.kind, (ARRAY['critical', 'warning', 'info'])[f.worst] AS severity, f.firing, f.looked_after,
    f.since
FROM firing f JOIN source s ON s.id = f.source_id LEFT JOIN app a ON a.id = f.app_id
WHERE (cast(:sources AS text[]) IS NULL OR s.name = ANY(cast(:sources AS text[])))
ORDER BY f.worst, f.firing DESC, f.since, s.name, a.external_id, f.kind LIMIT :most
""")


def alert_groups(
    session: Session, *, now: datetime, sources: Collection[str] | None = None, most: int = 100
) -> list[AlertGroup]:
    """Everything that fires (at *sources*), the most severe and largest group first."""
    bound = {"now": now, "sources": None if sources is None else sorted(sources), "most": most}
    return [AlertGroup(**row) for row in session.execute(_GROUPS, bound).mappings()]
