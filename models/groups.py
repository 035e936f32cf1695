"""Ops notices: which alerts make one message to one receiver, and what that receiver has heard already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.quiet import QUIET, UNTIL, WHY, muted
from models.routed import ROUTED, routed
from uptake.policies import Policies
from uptake.policy import Severity

# News is what a receiver has not heard, or hears of again after a while of quiet; whether it may hear of it now is seen
# when its group is looked at, which knows when to look again.
_AROUSE = text(
    """
WITH news AS (
    SELECT DISTINCT r.receiver, a.source_id, a.app_id, a.kind
    FROM (SELECT DISTINCT unnest(cast(:receivers AS text[])) AS receiver) r
    CROSS JOIN alert a LEFT JOIN told t ON t.alert_id = a.id AND t.receiver = r.receiver
    WHERE (:all OR a.app_id = ANY(cast(:apps AS int8[])) OR :alone AND a.app_id IS NULL)
      AND """  # noqa: S608
    + ROUTED.format("r.receiver")
    + """
      AND ((a.state = 'firing' AND (t.state IS DISTINCT FROM 'firing' OR t.severity IS DISTINCT FROM a.severity
                                    OR t.is_quiet))
           OR (a.state <> 'firing' AND t.state = 'firing'))
)
INSERT INTO notice_group AS g (receiver, source_id, app_id, kind, opened_at, flush_at)
SELECT n.receiver, n.source_id, n.app_id, n.kind, :now, cast(:now AS timestamptz) + :wait FROM news n
LEFT JOIN notice_group g ON g.receiver = n.receiver AND g.source_id = n.source_id
    AND g.app_id IS NOT DISTINCT FROM n.app_id AND g.kind = n.kind
-- What is looked at soon enough is left alone; what somebody may be looking at now is waited for.
WHERE g.id IS NULL OR g.flush_at IS NULL OR g.flush_at <= :now
   OR g.flush_at > greatest(cast(:now AS timestamptz) + :wait, g.last_told_at + cast(:interval AS interval))
-- In one order, so that two who wake the same groups wait for each other and not in a circle.
ORDER BY n.receiver, n.source_id, n.app_id, n.kind
ON CONFLICT (receiver, source_id, app_id, kind)
    DO UPDATE SET opened_at = CASE WHEN g.flush_at IS NULL THEN excluded.opened_at ELSE g.opened_at END,
        flush_at = least(g.flush_at, greatest(excluded.flush_at, g.last_told_at + cast(:interval AS interval)))
"""
)
_DUE = text("""
SELECT g.id, g.receiver, g.source_id, s.name AS source, g.app_id, app.name AS app,
    s.name || ':' || app.external_id AS app_key, g.kind, g.opened_at, g.flush_at, g.last_told_at, g.notices,
    g.acknowledged_at
FROM notice_group g JOIN source s ON s.id = g.source_id LEFT JOIN app ON app.id = g.app_id
WHERE g.flush_at <= :now AND s.enabled AND g.receiver = ANY(cast(:receivers AS text[]))
  AND (cast(:app AS int8) IS NULL OR g.app_id = :app)
ORDER BY g.flush_at LIMIT :most FOR NO KEY UPDATE OF g SKIP LOCKED
""")
_MEMBER = (
    "WITH"  # noqa: S608
    + QUIET
    + f"""
, member AS (
    SELECT a.*, t.state AS told_state, t.severity AS told_severity, coalesce(t.is_quiet, false) AS was_quiet,
        {WHY} AS quiet, {UNTIL} AS quiet_until,
        array_position(cast(:ranks AS text[]), a.severity) AS rank,
        coalesce(array_position(cast(:ranks AS text[]), t.severity), 0) AS told_rank
    FROM alert a LEFT JOIN told t ON t.alert_id = a.id AND t.receiver = :receiver
    WHERE a.source_id = :source AND (a.app_id = :app OR cast(:app AS int8) IS NULL AND a.app_id IS NULL)
      AND a.kind = :kind AND {ROUTED.format(":receiver")}
)
"""  # noqa: S608
)
# Who is quiet counts as little as if it were not there.
_COUNTS = text(
    _MEMBER
    + """
SELECT count(*) FILTER (WHERE state = 'firing' AND quiet IS NULL) AS firing,
    count(*) FILTER (WHERE state = 'firing' AND quiet IS NULL AND told_state IS DISTINCT FROM 'firing') AS new_firing,
    count(*) FILTER (WHERE state = 'firing' AND quiet IS NULL AND told_state = 'firing' AND rank > told_rank)
        AS escalated,
    count(*) FILTER (WHERE state = 'firing' AND quiet IS NULL AND told_state = 'firing' AND was_quiet) AS unmuted,
    count(*) FILTER (WHERE state <> 'firing' AND quiet IS NULL AND told_state = 'firing') AS new_resolved,
    count(*) FILTER (WHERE told_state = 'firing' AND quiet IS NULL) AS told_firing,
    count(*) FILTER (WHERE state = 'firing' AND quiet IS NOT NULL) AS quiet,
    count(*) FILTER (WHERE quiet = 'acknowledged' AND told_state = 'firing') AS acknowledged,
    min(quiet_until) AS quiet_until,
    (cast(:ranks AS text[]))[max(rank) FILTER (WHERE state = 'firing' AND quiet IS NULL)] AS worst,
    coalesce(array_agg(id) FILTER (WHERE quiet IS NULL), '{}') AS ids,
    coalesce(array_agg(state) FILTER (WHERE quiet IS NULL), '{}') AS states,
    coalesce(array_agg(severity) FILTER (WHERE quiet IS NULL), '{}') AS severities
FROM member
"""
)
_MEMBERS = text(
    _MEMBER
    + """
SELECT m.id AS alert_id, m.state, m.severity, m.since, m.environment, m.reason, m.resolve_reason, m.data,
    tenant.external_id AS tenant, tenant.name AS tenant_name, m.told_state IS DISTINCT FROM m.state AS is_new
FROM member m LEFT JOIN tenant ON tenant.id = m.tenant_id WHERE m.quiet IS NULL
ORDER BY m.state = 'firing' DESC, is_new DESC, m.since, m.id LIMIT :most
"""
)
# What became less severe is no news, but the next rise is one. What has become quiet is told of when it no longer is.
_NOTE = text(
    _MEMBER
    + """
UPDATE told t SET severity = CASE WHEN m.quiet IS NULL AND m.rank < m.told_rank THEN m.severity ELSE t.severity END,
    is_quiet = t.is_quiet OR m.quiet IS NOT NULL
FROM member m
WHERE t.receiver = :receiver AND t.alert_id = m.id AND m.told_state = 'firing' AND m.state = 'firing'
  AND (m.quiet IS NULL AND m.rank < m.told_rank OR m.quiet IS NOT NULL AND NOT t.is_quiet)
"""
)
# As they were counted: whoever has come or gone since is told of the next time.
_TELL = text("""
INSERT INTO told (receiver, alert_id, state, severity, told_at)
SELECT :receiver, id, CASE WHEN state = 'firing' THEN 'firing' ELSE 'resolved' END, severity, :now
FROM unnest(cast(:ids AS int8[]), cast(:states AS text[]), cast(:severities AS text[])) AS c (id, state, severity)
ON CONFLICT (receiver, alert_id) DO UPDATE SET state = excluded.state, severity = excluded.severity,
    told_at = excluded.told_at, is_quiet = false
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
    flush_at: datetime
    last_told_at: datetime | None
    notices: int
    acknowledged_at: datetime | None


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """A group's alerts against what its receiver has heard."""

    firing: int
    new_firing: int
    escalated: int
    unmuted: int  # that were told of, then quiet, and may be told of again
    new_resolved: int
    told_firing: int
    quiet: int  # that fire, and are acknowledged, snoozed, silenced or rest on a source that cannot be read
    acknowledged: int  # of those, that were told of and somebody looks after
    quiet_until: datetime | None  # when that ends for the first of them
    worst: str | None  # the highest severity of those that fire
    ids: Sequence[int]  # of all that may be told of, as they were then
    states: Sequence[str]
    severities: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Seen:
    """A group as it was found, and by which alerts: those that are for its receiver now."""

    counts: GroupCounts
    bound: Mapping[str, object]


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


def arouse(session: Session, policies: Policies, *, now: datetime, apps: Sequence[int] = ()) -> None:
    """Give every group of these apps with news a time to flush: `group_wait` from now, unless it has a sooner one.

    Without any, the groups that are about sources alone.
    """
    _arouse(session, policies, now=now, apps=apps)


def arouse_all(session: Session, policies: Policies, *, now: datetime) -> None:
    """The same for every group there is: it looks at all alerts, so it is for what no evaluation can know."""
    _arouse(session, policies, now=now, every=True)


def _arouse(
    session: Session, policies: Policies, *, now: datetime, apps: Sequence[int] = (), every: bool = False
) -> None:
    bound = routed(session, policies, apps=apps, every=every) | {
        "receivers": list(policies.receivers),
        "now": now,
        "wait": policies.base.group_wait,
        "interval": policies.base.group_interval,
        "apps": list(apps),
        "alone": not apps,
        "all": every,
    }
    session.execute(_AROUSE, bound)


def due_groups(
    session: Session, receivers: Sequence[str], *, now: datetime, most: int, app_id: int | None = None
) -> list[DueGroup]:
    """The groups of these *receivers* (and this app) to look at now; another worker gets others.

    Sources that are not watched are silent.
    """
    bound = {"receivers": list(receivers), "now": now, "most": most, "app": app_id}
    return [DueGroup(**row) for row in session.execute(_DUE, bound).mappings()]


def seen(session: Session, group: DueGroup, policies: Policies, *, now: datetime) -> Seen:
    """Look at a group whose turn it is."""
    apps = [] if group.app_id is None else [group.app_id]
    bound = (
        routed(session, policies, apps=apps)
        | muted(policies.mutes, now=now)
        | {
            "receiver": group.receiver,
            "source": group.source_id,
            "app": group.app_id,
            "kind": group.kind,
            "ranks": [severity.value for severity in sorted(Severity)],
            "now": now,
        }
    )
    session.execute(_NOTE, bound)
    return Seen(GroupCounts(**session.execute(_COUNTS, bound).mappings().one()), bound)


def members(session: Session, group: Seen, *, most: int) -> list[Member]:
    """The first alerts of the group: firing before resolved, new before old."""
    return [Member(**row) for row in session.execute(_MEMBERS, {**group.bound, "most": most}).mappings()]


def told(session: Session, group: Seen) -> None:
    """Remember that the receiver heard of the group as it is now."""
    counts = group.counts
    own = {"ids": list(counts.ids), "states": list(counts.states), "severities": list(counts.severities)}
    session.execute(_TELL, {**group.bound, **own})


def rest(session: Session, group: DueGroup, *, flush_at: datetime | None, told_at: datetime | None) -> None:
    """Set the group's next turn (None: it has nothing left to tell), and when it was last told."""
    session.execute(
        text("""UPDATE notice_group SET flush_at = :flush_at, last_told_at = coalesce(:told_at, last_told_at),
                    notices = notices + cast(cast(:told_at AS timestamptz) IS NOT NULL AS int) WHERE id = :group"""),
        {"group": group.id, "flush_at": flush_at, "told_at": told_at},
    )


def note_acknowledged(session: Session, group: DueGroup, *, at: datetime | None) -> None:
    """Remember when the receiver was told that somebody looks after all of the group; None: nobody does any more."""
    if at != group.acknowledged_at:
        query = text("UPDATE notice_group SET acknowledged_at = :at WHERE id = :group")
        session.execute(query, {"at": at, "group": group.id})


def heard_lately(session: Session, receiver: str, *, since: datetime) -> Sequence[datetime]:
    """When the receiver was told of a group of alerts since then, in order; to how many addresses does not count."""
    query = text("""SELECT DISTINCT created_at, group_id FROM notice
                    WHERE receiver = :receiver AND group_id IS NOT NULL AND created_at > :since ORDER BY created_at""")
    return session.scalars(query, {"receiver": receiver, "since": since}).all()


def groups_waiting(session: Session, receiver: str, *, until: datetime) -> int:
    """How many groups of the receiver are looked at by then."""
    query = text("SELECT count(*) FROM notice_group WHERE receiver = :receiver AND flush_at <= :until")
    waiting: int = session.scalars(query, {"receiver": receiver, "until": until}).one()
    return waiting
