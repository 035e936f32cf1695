"""Open alerts by app and kind: how many there are and since when, before each of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.queries.alert_lists import WantedAlerts, quieted
from models.queries.alerts_meant import (
    ARE_QUIET,
    HELD,
    HUSHED_TENANTS,
    IS_QUIET_ALONE,
    MEANT,
    OPEN,
    RANK,
    SEEN,
    TENANTS,
)
from models.quiet import QUIET
from uptake.mutes import Mute


@dataclass(frozen=True, slots=True)
class AlertsAlike:
    """The open alerts of one kind about one app, or about a source."""

    source: str
    app: str | None  # None: they are about the source
    app_name: str | None
    kind: str
    severity: str | None  # the highest; None: all are pending
    alerts: int
    critical: int
    quiet: int  # nobody is told of these now
    since: datetime  # the oldest

    @property
    def key(self) -> str:
        """What it is asked for by."""
        return f"{self.app or self.source}/{self.kind}"


_ALIKE = text(f"""
WITH {QUIET}, {HELD}, {HUSHED_TENANTS}, meant AS (
    SELECT a.source_id, a.app_id, a.kind, a.environment, cast(NULL AS int8) AS tenant_id, {RANK} AS rank,
        {IS_QUIET_ALONE} AS is_quiet, count(*) AS alerts, min(a.since) AS since
    FROM alert a WHERE {OPEN} AND {SEEN} AND a.kind = ANY(cast(:kinds AS text[])) AND {TENANTS} AND {MEANT}
    GROUP BY a.source_id, a.app_id, a.kind, a.environment, rank, is_quiet
), split AS (
    SELECT source_id, app_id, kind, rank, alerts, since, is_quiet OR ({ARE_QUIET}) AS is_quiet FROM meant a
), alike AS (
    SELECT source_id, app_id, kind, min(rank) AS worst, cast(sum(alerts) AS int8) AS alerts, min(since) AS since,
        cast(coalesce(sum(alerts) FILTER (WHERE rank = 1), 0) AS int8) AS critical,
        cast(coalesce(sum(alerts) FILTER (WHERE is_quiet), 0) AS int8) AS quiet
    FROM split WHERE cast(:quiet AS boolean) IS NULL OR is_quiet = :quiet GROUP BY source_id, app_id, kind
)
SELECT s.name AS source, CASE WHEN app.id IS NOT NULL THEN s.name || ':' || app.external_id END AS app,
    app.name AS app_name, x.kind, ('{{critical,warning,info}}'::text[])[x.worst] AS severity, x.alerts, x.critical,
    x.quiet, x.since
FROM alike x JOIN source s ON s.id = x.source_id LEFT JOIN app ON app.id = x.app_id
ORDER BY x.worst, x.alerts DESC, x.since, s.name, app.external_id, x.kind LIMIT :most
""")  # noqa: S608 - constants only


def alerts_alike(
    session: Session,
    wanted: WantedAlerts,
    *,
    now: datetime,
    mutes: Sequence[Mute] = (),
    sources: Collection[str] | None = None,
    most: int = 100,
) -> list[AlertsAlike]:
    """The open alerts that are meant (of *sources*), by app and kind, the most severe and largest group first."""
    bound = wanted.bound | {"sources": None if sources is None else sorted(sources), "now": now, "most": most}
    return [AlertsAlike(**row) for row in session.execute(_ALIKE, quieted(bound, mutes, now=now)).mappings()]


_FIRING = text("""
SELECT a.id, a.app_id FROM alert a JOIN source s ON s.id = a.source_id
WHERE a.id = ANY(cast(:alerts AS int8[])) AND a.state = 'firing'
  AND (cast(:sources AS text[]) IS NULL OR s.name = ANY(cast(:sources AS text[])))
ORDER BY a.id
""")


def firing(session: Session, alerts: Sequence[int], *, sources: Collection[str] | None = None) -> dict[int, int | None]:
    """Which of these *alerts* (of *sources*) fire, each with the app that it is about; None: it is about a source."""
    bound = {"alerts": list(alerts), "sources": None if sources is None else sorted(sources)}
    return {row.id: row.app_id for row in session.execute(_FIRING, bound)}
