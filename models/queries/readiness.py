"""What an app can rely on now: for each scope, who grants it."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

_READY = text("""
WITH wanted AS (
    SELECT a.id, unnest(g.grants) AS scope FROM app a JOIN source s ON s.id = a.source_id
    JOIN app_version v ON v.app_id = a.id AND v.number = a.latest_version JOIN scope_set g ON g.id = v.scope_set_id
    WHERE s.name || ':' || a.external_id = :app
    UNION
    SELECT a.id, cast(:scope AS text) FROM app a JOIN source s ON s.id = a.source_id
    WHERE s.name || ':' || a.external_id = :app AND cast(:scope AS text) IS NOT NULL
), held AS (
    SELECT t.app_id, t.tenants, g.grants FROM tally t LEFT JOIN scope_set g ON g.id = t.scope_set_id
    WHERE t.environment = :environment AND t.status = 'connected' AND t.app_id IN (SELECT id FROM wanted)
)
SELECT w.scope, coalesce(sum(h.tenants), 0) AS connected,
    coalesce(sum(h.tenants) FILTER (WHERE h.grants @> ARRAY[w.scope]), 0) AS granted,
    coalesce(sum(h.tenants) FILTER (WHERE h.grants IS NULL), 0) AS unknown
FROM wanted w LEFT JOIN held h ON h.app_id = w.id
WHERE cast(:scope AS text) IS NULL OR w.scope = :scope GROUP BY w.scope ORDER BY w.scope
""")


@dataclass(frozen=True, slots=True)
class Readiness:
    """How many connected tenants grant one scope; of *unknown* nobody has said what they grant."""

    scope: str
    connected: int
    granted: int
    unknown: int

    @property
    def share(self) -> float | None:
        """The part of the connected tenants that is known to grant it; None: nobody is connected."""
        return self.granted / self.connected if self.connected else None


def readiness(
    session: Session, app: str, *, environment: str = "production", scope: str | None = None
) -> list[Readiness]:
    """Each scope that the latest version of *app* asks for, or *scope*, whoever asks for it."""
    bound = {"app": app, "environment": environment, "scope": scope}
    return [Readiness(**row) for row in session.execute(_READY, bound).mappings()]
