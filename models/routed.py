"""Which alerts are for which receivers: decided by the core once for all that a route cannot tell apart."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from uptake.policies import Policies, Who
from uptake.policy import AlertKind, Severity

# Of an alert a, of which the receiver {0} was told t: whether it is to hear of it. Who was told hears how it goes on.
ROUTED = """
(t.state = 'firing' OR a.state = 'firing' AND (:is_one_for_all OR EXISTS (
    SELECT FROM unnest(cast(:to_receivers AS text[]), cast(:to_sources AS int8[]), cast(:to_apps AS int8[]),
        cast(:to_kinds AS text[]), cast(:to_severities AS text[]), cast(:to_environments AS text[]),
        cast(:to_label_sets AS int8[])) AS o (receiver, source_id, app_id, kind, severity, environment, label_set_id)
    WHERE o.receiver = {0} AND o.source_id = a.source_id AND o.app_id IS NOT DISTINCT FROM a.app_id
      AND o.kind = a.kind AND o.severity = a.severity AND o.environment IS NOT DISTINCT FROM a.environment
      AND o.label_set_id IS NOT DISTINCT FROM CASE WHEN :asks_labels THEN
          (SELECT label_set_id FROM tenant WHERE tenant.id = a.tenant_id) END)))
"""
_KINDS = text("""
SELECT DISTINCT a.source_id, s.name AS source, a.app_id, app.external_id AS app, a.kind, a.severity, a.environment,
    l.id AS label_set_id, l.labels
FROM alert a JOIN source s ON s.id = a.source_id LEFT JOIN app ON app.id = a.app_id
LEFT JOIN tenant t ON :asks_labels AND t.id = a.tenant_id LEFT JOIN label_set l ON l.id = t.label_set_id
WHERE a.state = 'firing' AND (:all OR a.app_id = :app OR cast(:app AS int8) IS NULL AND a.app_id IS NULL)
""")
_COLUMNS = ("receivers", "sources", "apps", "kinds", "severities", "environments", "label_sets")


def routed(session: Session, policies: Policies, *, app_id: int | None, every: bool = False) -> dict[str, Any]:
    """The parameters of ROUTED for the alerts of one app, of none (those about sources alone), or of *every* one."""
    bound: Mapping[str, Any] = {
        "asks_labels": any(route.match.labels for route in policies.routes),
        "app": app_id,
        "all": every,
    }
    rows = [
        (receiver, row.source_id, row.app_id, row.kind, row.severity, row.environment, row.label_set_id)
        for row in (session.execute(_KINDS, bound) if policies.routes else ())
        for receiver in policies.heard_by(
            Who(source=row.source, app=row.app or "", environment=row.environment or "", labels=row.labels or {}),
            AlertKind(row.kind),
            Severity(row.severity),
        )
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in _COLUMNS]
    return {
        **{f"to_{name}": column for name, column in zip(_COLUMNS, columns, strict=True)},
        "is_one_for_all": not policies.routes,
        "asks_labels": bound["asks_labels"],
    }
