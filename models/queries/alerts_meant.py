"""Which alerts are meant, and of which of them nobody is told now: so that an index answers without the alerts."""

from models.queries.app_names import APP_ID
from models.quiet import HUSHED, INHIBITED

RANK = "coalesce(array_position('{critical,warning,info}', a.severity), 4)"
APP = APP_ID.replace(":app", ":app_key")
SEEN = """a.source_id = ANY(ARRAY(
    SELECT id FROM source WHERE cast(:sources AS text[]) IS NULL OR name = ANY(cast(:sources AS text[]))))"""
TENANTS = "(cast(:tenants AS int8[]) IS NULL OR a.tenant_id = ANY(cast(:tenants AS int8[])))"
MEANT = f"""
(cast(:severity AS text) IS NULL OR a.severity = :severity)
AND (cast(:environment AS text) IS NULL OR a.environment = :environment)
AND (cast(:app_key AS text) IS NULL OR a.app_id = ({APP}))
AND (cast(:since AS timestamptz) IS NULL OR a.opened_at >= :since)
AND (cast(:acknowledged AS boolean) IS NOT TRUE
    OR a.acknowledged_at IS NOT NULL AND coalesce(a.acknowledged_until > :now, true))
AND (cast(:acknowledged AS boolean) IS NOT FALSE
    OR a.acknowledged_at IS NULL OR NOT coalesce(a.acknowledged_until > :now, true))
AND (cast(:of_source AS text) IS NULL OR a.app_id IS NULL AND a.source_id = (
    SELECT src.id FROM source src WHERE src.name = :of_source))
"""  # noqa: S608 - constants only
OPEN = f"a.resolved_at IS NULL AND {RANK} BETWEEN :most_severe AND :least_severe"
# Those that somebody holds: a few, with an index of their own.
HELD = """
held AS MATERIALIZED (
    SELECT id FROM alert WHERE resolved_at IS NULL AND (acknowledged_at IS NOT NULL OR snoozed_until IS NOT NULL)
      AND source_id = ANY(ARRAY(SELECT id FROM source)) AND state = 'firing' AND (snoozed_until > :now
        OR acknowledged_at IS NOT NULL AND coalesce(acknowledged_until > :now, true))
)
"""
# What is silenced or muted for some tenants only.
_IS_CHOSEN = "(h.tenant <> '%' OR h.labels <> '{}')"
# Whom it is for, found once and not for each of very many alerts; wholly: whichever alert on them it is. An id that
# stands for itself is found by its index; for others all those are looked through that open alerts are about, in the
# order of their ids (an array), which costs half of looking each up. Labels are compared once for each set of them,
# which stands beside each open alert.
HUSHED_TENANTS = rf"""
chosen AS MATERIALIZED (
    SELECT h.tenant, h.labels, strpos(h.tenant, '%') = 0 AS is_id, h.tenant = '%' AS is_any, s.id AS source_id,
        h.kind = '%' AND h.environment = '%' AND h.app = '%' AS wholly
    FROM hush h JOIN source s ON s.name LIKE h.source WHERE {_IS_CHOSEN}
), hushed_sets AS MATERIALIZED (
    SELECT m.source_id, l.id, bool_or(m.wholly) AS wholly FROM chosen m JOIN label_set l ON l.labels @> m.labels
    WHERE m.is_any GROUP BY m.source_id, l.id
), concerned AS MATERIALIZED (
    SELECT t.id, t.source_id, t.external_id, t.label_set_id FROM tenant t WHERE t.id = ANY(ARRAY(
        SELECT DISTINCT a.tenant_id FROM alert a
        WHERE {OPEN} AND {SEEN} AND a.kind = ANY(cast(:kinds AS text[])) AND {TENANTS}
          AND EXISTS (SELECT FROM chosen WHERE NOT is_id AND NOT is_any)
    ))
), hushed AS MATERIALIZED (
    SELECT x.id, bool_or(x.wholly) AS wholly FROM (
        SELECT t.id, m.wholly FROM chosen m JOIN tenant t ON t.source_id = m.source_id
            AND t.external_id = replace(replace(m.tenant, '\_', '_'), '\\', '\')
        LEFT JOIN label_set l ON l.id = t.label_set_id
        WHERE m.is_id AND coalesce(l.labels, '{{}}') @> m.labels
        UNION ALL
        SELECT t.id, m.wholly FROM chosen m JOIN concerned t ON t.source_id = m.source_id
        WHERE NOT m.is_id AND m.labels = '{{}}' AND t.external_id LIKE m.tenant
        UNION ALL
        SELECT t.id, m.wholly FROM (
            SELECT m.*, l.id AS label_set_id FROM chosen m JOIN label_set l ON l.labels @> m.labels
            WHERE NOT m.is_id AND NOT m.is_any AND m.labels <> '{{}}' OFFSET 0
        ) m JOIN concerned t ON t.source_id = m.source_id AND t.label_set_id = m.label_set_id
        WHERE t.external_id LIKE m.tenant
    ) x GROUP BY x.id
)
"""  # noqa: S608 - constants only
_HUSHED = """(a.tenant_id IN (SELECT id FROM hushed {which})
    OR (a.source_id, a.label_set_id) IN (SELECT source_id, id FROM hushed_sets {which})) IS TRUE"""
# Whether an open alert a is quiet by itself; it is looked at singly where its tenant is hushed in part only.
IS_QUIET_ALONE = f"""(a.id IN (SELECT id FROM held)
    OR CASE WHEN NOT EXISTS (SELECT FROM hush h WHERE {_IS_CHOSEN}) THEN false
        WHEN {_HUSHED.format(which="")} THEN {_HUSHED.format(which="WHERE wholly")} OR EXISTS (SELECT {HUSHED})
        ELSE false END)"""  # noqa: S608 - constants only
_IS_ANY = "EXISTS (SELECT FROM hush) OR EXISTS (SELECT FROM dead)"
# Whether all alerts that are alike in source, app, kind and environment are quiet, whoever they are about.
ARE_QUIET = f"CASE WHEN {_IS_ANY} THEN EXISTS (SELECT {HUSHED}) OR {INHIBITED} ELSE false END"
# Looked into once for all that are alike, of which there are few, and not for each of very many alerts.
STILL = f"""
still AS MATERIALIZED (
    SELECT source_id, coalesce(app_id, 0) AS app_id, kind, coalesce(environment, '') AS environment FROM (
        SELECT DISTINCT a.source_id, a.app_id, a.kind, a.environment, cast(NULL AS int8) AS tenant_id
        FROM alert a WHERE {OPEN} AND {SEEN} AND a.kind = ANY(cast(:kinds AS text[]))
          AND (cast(:app_key AS text) IS NULL OR a.app_id = ({APP}))
    ) a WHERE {ARE_QUIET}
)
"""  # noqa: S608 - constants only
IS_QUIET = f"""({IS_QUIET_ALONE} OR CASE WHEN {_IS_ANY} THEN
    (a.source_id, coalesce(a.app_id, 0), a.kind, coalesce(a.environment, ''))
        IN (SELECT source_id, app_id, kind, environment FROM still) ELSE false END)"""  # noqa: S608 - constants only
