"""Which alerts are open, and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert with what it rests on."""

    id: int
    kind: str
    state: str
    severity: str | None
    source: str
    app: str | None  # None: it is about the source
    app_name: str | None
    tenant: str | None
    tenant_name: str | None
    environment: str | None
    since: datetime
    opened_at: datetime
    fired_at: datetime | None
    resolved_at: datetime | None
    reason: str
    resolve_reason: str | None
    data: dict[str, Any]

    @property
    def error(self) -> str | None:
        """What a poll that failed met, in words."""
        found: str | None = self.data.get("error")
        return found


_ALERTS = text("""
SELECT a.id, a.kind, a.state, a.severity, s.name AS source,
    CASE WHEN app.id IS NOT NULL THEN s.name || ':' || app.external_id END AS app,
    app.name AS app_name, t.external_id AS tenant, t.name AS tenant_name, a.environment, a.since, a.opened_at,
    a.fired_at, a.resolved_at, a.reason, a.resolve_reason, a.data
FROM alert a JOIN source s ON s.id = a.source_id
LEFT JOIN app ON app.id = a.app_id LEFT JOIN tenant t ON t.id = a.tenant_id
WHERE a.state = ANY(cast(:states AS text[]))
  AND (cast(:app AS text) IS NULL OR s.name || ':' || app.external_id = :app)
ORDER BY array_position(ARRAY['critical', 'warning', 'info'], a.severity), a.since, a.id LIMIT :most
""")


def alerts(
    session: Session, *, states: tuple[str, ...] = ("firing",), app: str | None = None, most: int = 1000
) -> list[AlertRow]:
    """Alerts in *states*, the most severe and oldest first."""
    bound = {"states": list(states), "app": app, "most": most}
    return [AlertRow(**row) for row in session.execute(_ALERTS, bound).mappings()]
