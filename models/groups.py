"""Ops notices: which alerts make one message to one receiver, and what that receiver has heard already."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from uptake.policy import Policy, Severity

_AROUSE = text("""
INSERT INTO notice_group AS g (receiver, source_id, app_id, kind, opened_at, flush_at)
SELECT r.receiver, a.source_id, a.app_id, a.kind, :now, cast(:now AS timestamptz) + :wait
FROM (SELECT DISTINCT unnest(cast(:receivers AS text[])) AS receiver) r
CROSS JOIN LATERAL (
    SELECT DISTINCT a.source_id, a.app_id, a.kind FROM alert a
    LEFT JOIN told t ON t.alert_id = a.id AND t.receiver = r.receiver
    WHERE (cast(:app AS int8) IS NULL OR a.app_id = :app)
      AND ((a.state = 'firing' AND (t.state IS DISTINCT FROM 'firing' OR t.severity IS DISTINCT FROM a.severity))
       OR (a.state <> 'firing' AND t.state = 'firing'))
) a
WHERE NOT EXISTS (
    SELECT FROM notice_group g WHERE g.flush_at IS NOT NULL AND g.receiver = r.receiver AND g.source_id = a.source_id
        AND g.app_id IS NOT DISTINCT FROM a.app_id AND g.kind = a.kind)
-- In one order, so that two who wake the same groups wait for each other and not in a circle.
ORDER BY r.receiver, a.source_id, a.app_id, a.kind
ON CONFLICT (receiver, source_id, app_id, kind)
    DO UPDATE SET flush_at = excluded.flush_at, opened_at = excluded.opened_at
WHERE g.flush_at IS NULL
""")
_DUE = text("""
SELECT g.id, g.receiver, g.source_id, s.name AS source, g.app_id, app.name AS app,
    s.name || ':' || app.external_id AS app_key, g.kind, g.opened_at, g.last_told_at, g.notices
FROM notice_group g JOIN source s ON s.id = g.source_id LEFT JOIN app ON app.id = g.app_id
WHERE g.flush_at <= :now AND s.enabled AND g.receiver = ANY(cast(:receivers AS text[]))
ORDER BY g.flush_at LIMIT :most FOR NO KEY UPDATE OF g SKIP LOCKED
""")
_COUNTS = text("""
SELECT count(*) FILTER (WHERE a.state = 'firing') AS firing,
    count(*) FILTER (WHERE a.state = 'firing' AND t.state IS DISTINCT FROM 'firing') AS new_firing,
    count(*) FILTER (WHERE a.state = 'firing' AND t.state = 'firing'
                       AND array_position(cast(:ranks AS text[]), a.severity)
                           > coalesce(array_position(cast(:ranks AS text[]), t.severity), 0)) AS escalated,
    count(*) FILTER (WHERE a.state <> 'firing' AND t.state = 'firing') AS new_resolved,
    count(*) FILTER (WHERE t.state = 'firing') AS told_firing,
    (cast(:ranks AS text[]))[max(array_position(cast(:ranks AS text[]), a.severity)) FILTER (WHERE a.state = 'firing')]
        AS worst
FROM alert a LEFT JOIN told t ON t.alert_id = a.id AND t.receiver = :receiver
WHERE a.source_id = :source AND (a.app_id = :app OR cast(:app AS int8) IS NULL AND a.app_id IS NULL) AND a.kind = :kind
  AND (a.state = 'firing' OR t.state = 'firing')
""")
_MEMBERS = text("""
SELECT a.id AS alert_id, a.state, a.severity, a.since, a.environment, a.reason, a.resolve_reason, a.data,
    tenant.external_id AS tenant, tenant.name AS tenant_name, t.state IS DISTINCT FROM a.state AS is_new
FROM alert a LEFT JOIN told t ON t.alert_id = a.id AND t.receiver = :receiver
LEFT JOIN tenant ON tenant.id = a.tenant_id
WHERE a.source_id = :source AND (a.app_id = :app OR cast(:app AS int8) IS NULL AND a.app_id IS NULL) AND a.kind = :kind
  AND (a.state = 'firing' OR t.state = 'firing')
ORDER BY a.state = 'firing' DESC, is_new DESC, a.since, a.id LIMIT :most
""")
# What became less severe is no news, but the next rise is one.
_EASE = text("""
UPDATE told t SET severity = a.severity FROM alert a
WHERE t.receiver = :receiver AND t.alert_id = a.id AND t.state = 'firing' AND a.state = 'firing'
  AND a.source_id = :source AND (a.app_id = :app OR cast(:app AS int8) IS NULL AND a.app_id IS NULL) AND a.kind = :kind
  AND array_position(cast(:ranks AS text[]), a.severity) < array_position(cast(:ranks AS text[]), t.severity)
""")
_TELL = text("""
INSERT INTO told (receiver, alert_id, state, severity, told_at)
SELECT :receiver, a.id, CASE WHEN a.state = 'firing' THEN 'firing' ELSE 'resolved' END, a.severity, :now
FROM alert a LEFT JOIN told t ON t.alert_id = a.id AND t.receiver = :receiver
WHERE a.source_id = :source AND (a.app_id = :app OR cast(:app AS int8) IS NULL AND a.app_id IS NULL) AND a.kind = :kind
  AND (a.state = 'firing' OR t.state = 'firing')
ON CONFLICT (receiver, alert_id) DO UPDATE SET state = excluded.state, severity = excluded.severity,
    told_at = excluded.told_at
""")


@dataclass(frozen=True, slots=True)
class DueGroup:
    """A group whose turn it is, locked for this transaction."""

    id: int
    receiver: str
    source_id: int
    source: str
    app_id: int | None
    app: str | None
    app_key: str | None
    kind: str
    opened_at: datetime
    last_told_at: datetime | None
    notices: int


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """A group's alerts against what its receiver has heard."""

    firing: int
    new_firing: int
    escalated: int
    new_resolved: int
    told_firing: int
    worst: str | None  # the highest severity of those that fire


@dataclass(frozen=True, slots=True)
class Member:
    """One alert of a group, with what a message says of it."""

    alert_id: int
    state: str
    severity: str | None
    since: datetime
    environment: str | None
    reason: str
    resolve_reason: str | None
    data: dict[str, Any]
    tenant: str | None
    tenant_name: str | None
    is_new: bool


def arouse(
    session: Session, policy: Policy, receivers: Sequence[str], *, now: datetime, app_id: int | None = None
) -> None:
    """Give every group with news, or those of one app, a time to flush: `group_wait` from now, unless it has one."""
    bound = {"receivers": list(receivers), "now": now, "wait": policy.group_wait, "app": app_id}
    session.execute(_AROUSE, bound)


def due_groups(session: Session, receivers: Sequence[str], *, now: datetime, most: int) -> list[DueGroup]:
    """The groups of these *receivers* to look at now; another worker gets others. Sources not watched are silent."""
    bound = {"receivers": list(receivers), "now": now, "most": most}
    return [DueGroup(**row) for row in session.execute(_DUE, bound).mappings()]


def counts(session: Session, group: DueGroup) -> GroupCounts:
    """How the group stands against what its receiver has heard."""
    session.execute(_EASE, _bound(group))
    return GroupCounts(**session.execute(_COUNTS, _bound(group)).mappings().one())


def members(session: Session, group: DueGroup, *, most: int) -> list[Member]:
    """The first alerts of the group: firing before resolved, new before old."""
    return [Member(**row) for row in session.execute(_MEMBERS, _bound(group) | {"most": most}).mappings()]


def told(session: Session, group: DueGroup, *, now: datetime) -> None:
    """Remember that the receiver heard of the group as it is now."""
    session.execute(_TELL, _bound(group) | {"now": now})


def rest(session: Session, group: DueGroup, *, flush_at: datetime | None, told_at: datetime | None) -> None:
    """Set the group's next turn (None: it has nothing left to tell), and when it was last told."""
    session.execute(
        text("""UPDATE notice_group SET flush_at = :flush_at, last_told_at = coalesce(:told_at, last_told_at),
                    notices = notices + cast(cast(:told_at AS timestamptz) IS NOT NULL AS int) WHERE id = :group"""),
        {"group": group.id, "flush_at": flush_at, "told_at": told_at},
    )


def _bound(group: DueGroup) -> dict[str, object]:
    return {"receiver": group.receiver, "source": group.source_id, "app": group.app_id, "kind": group.kind} | {
        "ranks": [severity.value for severity in sorted(Severity)]
    }
