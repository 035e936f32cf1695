"""Which alerts are for which receivers: decided by the core once for all that a route cannot tell apart."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from uptake.policies import Policies, Who
from uptake.policy import AlertKind, Severity

# Of an alert a, of which the receiver {0} was told t: whether it is to hear of it. Who was told hears how it goes on.
ROUTED = """
(t.state = 'firing' OR a.state = 'firing' AND (:is_one_for_all
    OR ({0}, a.source_id, coalesce(a.app_id, 0), a.kind, a.severity, coalesce(a.environment, ''), coalesce(
        CASE WHEN :asks_labels THEN (SELECT label_set_id FROM tenant WHERE tenant.id = a.tenant_id) END, 0))
    IN (SELECT * FROM unnest(cast(:to_receivers AS text[]), cast(:to_sources AS int8[]), cast(:to_apps AS int8[]),
        cast(:to_kinds AS text[]), cast(:to_severities AS text[]), cast(:to_environments AS text[]),
        cast(:to_label_sets AS int8[])))))
"""
_KINDS = text("""
SELECT DISTINCT a.source_id, s.name AS source, a.app_id, app.external_id AS app, a.kind, a.severity, a.environment,
    l.id AS label_set_id, l.labels
FROM alert a JOIN source s ON s.id = a.source_id LEFT JOIN app ON app.id = a.app_id
LEFT JOIN tenant t ON :asks_labels AND t.id = a.tenant_id LEFT JOIN label_set l ON l.id = t.label_set_id
WHERE a.state = 'firing' AND (:all OR a.app_id = ANY(cast(:apps AS int8[])) OR :alone AND a.app_id IS NULL)
""")
_COLUMNS = ("receivers", "sources", "apps", "kinds", "severities", "environments", "label_sets")


def routed(session: Session, policies: Policies, *, apps: Sequence[int], every: bool = False) -> dict[str, Any]:
    """The parameters of ROUTED for the alerts of these apps, of none (those about sources alone), or of *every* one."""
    bound: Mapping[str, Any] = {
        "asks_labels": any(route.match.labels for route in policies.routes),
        "apps": list(apps),
        "alone": not apps,
        "all": every,
    }
    rows = [
        (receiver, row.source_id, row.app_id or 0, row.kind, row.severity, row.environment or "", row.label_set_id or 0)
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
