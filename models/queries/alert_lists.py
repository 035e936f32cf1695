"""Alerts in pages, and one of them in full: what it rests on, its steps, and who heard what of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from models.queries.alerts_meant import (
    APP,
    ARE_QUIET,
    HELD,
    HUSHED_TENANTS,
    IS_QUIET,
    MEANT,
    OPEN,
    RANK,
    SEEN,
    STILL,
    TENANTS,
)
from models.quiet import ENDS, QUIET, WHY, muted
from uptake.alert_words import about
from uptake.mutes import Mute
from uptake.policy import AlertKind

# Of more tenants than these, all open alerts are looked through rather than the connections of each.
FEW = 100
State = Literal["firing", "pending", "open", "resolved"]
OpenPlace = tuple[int, datetime, int]  # how severe, since when, id
ResolvedPlace = tuple[datetime, int]


@dataclass(frozen=True, slots=True)
class AlertLine:
    """One alert with what it rests on, and why nobody is told of it now, if so."""

    id: int
    kind: str
    state: str  # pending | firing | resolved
    severity: str | None
    about: str  # in a few words
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
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_until: datetime | None  # None: until it is over or more severe
    snoozed_by: str | None
    snoozed_until: datetime | None
    quiet: str | None  # acknowledged, snoozed, silenced, muted or inhibited
    quiet_until: datetime | None  # when that ends; None: when somebody says so


_OPEN = f"""{OPEN}
AND (cast(:rank AS int4) IS NULL OR ({RANK}, a.since, a.id) > (:rank, cast(:after AS timestamptz), :last))
AND (cast(:quiet AS boolean) IS NULL OR :quiet = {IS_QUIET})"""
# Of those that are over, only what is silenced, muted or dead is quiet.
_RESOLVED = f"""a.resolved_at IS NOT NULL AND (cast(:since AS timestamptz) IS NULL OR a.resolved_at >= :since)
AND (cast(:after AS timestamptz) IS NULL OR (a.resolved_at, a.id) < (:after, :last))
AND (cast(:quiet AS boolean) IS NULL OR :quiet = {ARE_QUIET})"""
_PLACES = {_OPEN: f"{RANK} AS rank, a.since, a.id", _RESOLVED: "a.resolved_at, a.id"}
_ORDERS = {_OPEN: "rank, since, id", _RESOLVED: "resolved_at DESC, id DESC"}
# Each kind of each source or of one app in the order of its index, or all of a tenant's connections.
_EVERYWHERE = f"""
SELECT a.* FROM source s CROSS JOIN unnest(cast(:kinds AS text[])) AS k (kind) CROSS JOIN LATERAL (
    SELECT {{place}} FROM alert a WHERE a.source_id = s.id AND a.kind = k.kind AND {TENANTS} AND {{page}}
) a WHERE cast(:sources AS text[]) IS NULL OR s.name = ANY(cast(:sources AS text[]))
"""  # noqa: S608 - constants only
_OF_APP = f"""
SELECT a.* FROM unnest(cast(:kinds AS text[])) AS k (kind) CROSS JOIN LATERAL (
    SELECT {{place}} FROM alert a WHERE a.app_id = ({APP}) AND a.kind = k.kind AND {SEEN} AND {TENANTS} AND {{page}}
) a
"""  # noqa: S608 - constants only
_OF_TENANTS = f"""
SELECT {{place}} FROM connection c JOIN alert a ON a.app_id = c.app_id AND a.connection_id = c.id
WHERE c.tenant_id = ANY(cast(:tenants AS int8[])) AND a.kind = ANY(cast(:kinds AS text[])) AND {SEEN} AND {{page}}
"""  # noqa: S608 - constants only
_IN_FULL = f"""
SELECT a.id, a.kind, a.state, a.severity, s.name AS source,
    CASE WHEN app.id IS NOT NULL THEN s.name || ':' || app.external_id END AS app, app.name AS app_name,
    t.external_id AS tenant, t.name AS tenant_name, a.environment, a.since, a.opened_at, a.fired_at, a.resolved_at,
    a.reason, a.resolve_reason, a.data, a.acknowledged_at, a.acknowledged_by, a.acknowledged_until, a.snoozed_by,
    a.snoozed_until, {WHY} AS quiet, {ENDS} AS quiet_until, {RANK} AS rank
FROM page a JOIN source s ON s.id = a.source_id
LEFT JOIN app ON app.id = a.app_id LEFT JOIN tenant t ON t.id = a.tenant_id
"""  # noqa: S608 - constants only


def _paged(whence: str, which: str) -> str:
    page = f"{MEANT} AND {which} ORDER BY {_ORDERS[which]} LIMIT :most"
    places = whence.format(place=_PLACES[which], page=page)
    return f"""
WITH {QUIET}, {HELD}, {HUSHED_TENANTS}, {STILL}, page AS (
    SELECT a.* FROM (SELECT id FROM ({places}) p ORDER BY {_ORDERS[which]} LIMIT :most) p JOIN alert a ON a.id = p.id
) {_IN_FULL} ORDER BY {_ORDERS[which]}"""  # noqa: S608 - constants only


_PAGES = {
    (whence, which): text(_paged(whence, which))
    for whence in (_EVERYWHERE, _OF_APP, _OF_TENANTS)
    for which in (_OPEN, _RESOLVED)
}
_RANKS: dict[State, tuple[int, int]] = {"firing": (1, 3), "pending": (4, 4), "open": (1, 4), "resolved": (1, 4)}
_SEVERE = {"critical": 1, "warning": 2, "info": 3}


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedAlerts:
    """Which alerts are meant; None: whichever."""

    state: State = "firing"
    kind: str | None = None
    severity: str | None = None
    app: str | None = None  # as source:id, one that the caller sees
    tenants: Sequence[int] | None = None  # by id
    environment: str | None = None
    since: datetime | None = None  # opened then, or later
    acknowledged: bool | None = None
    of_source: str | None = None  # about the source of this name and no app of it
    quiet: bool | None = None  # that nobody is told of now, or somebody is

    @property
    def bound(self) -> dict[str, Any]:
        """The parameters of what is meant."""
        most_severe, least_severe = _RANKS[self.state]
        severe = _SEVERE[self.severity] if self.severity else None
        return {
            "kinds": [self.kind] if self.kind else [kind.value for kind in AlertKind],
            "severity": self.severity,
            "environment": self.environment,
            "app_key": self.app,
            "tenants": self.tenants,
            "since": self.since,
            "acknowledged": self.acknowledged,
            "of_source": self.of_source,
            "quiet": self.quiet,
            "most_severe": max(most_severe, severe or most_severe),
            "least_severe": min(least_severe, severe or least_severe),
        }


def alerts_after(
    session: Session,
    wanted: WantedAlerts,
    *,
    now: datetime,
    mutes: Sequence[Mute] = (),
    sources: Collection[str] | None = None,
    after: OpenPlace | ResolvedPlace | None = None,
    most: int = 100,
) -> list[tuple[OpenPlace | ResolvedPlace, AlertLine]]:
    """The next alerts (of *sources*) *after* the place of the last one, each with its own.

    Open ones by how severe they are and the oldest first, resolved ones from the last on.
    """
    which = _RESOLVED if wanted.state == "resolved" else _OPEN
    of_tenants = wanted.tenants is not None and (which is _RESOLVED or len(wanted.tenants) <= FEW)
    whence = _OF_TENANTS if of_tenants else _OF_APP if wanted.app is not None else _EVERYWHERE
    rank, at, last = (None, *(after or (None, None))) if which is _RESOLVED else (after or (None, None, None))
    bound = wanted.bound | {
        "sources": None if sources is None else sorted(sources),
        "now": now,
        "rank": rank,
        "after": at,
        "last": last,
        "most": most,
    }
    rows = session.execute(_PAGES[whence, which], quieted(bound, mutes, now=now)).mappings()
    return [
        ((row["resolved_at"], row["id"]) if which is _RESOLVED else (row["rank"], row["since"], row["id"]), _line(row))
        for row in rows
    ]


_ONE = text(f"WITH {QUIET}, page AS (SELECT * FROM alert WHERE id = :alert) {_IN_FULL}")  # noqa: S608 - constants only


def one_alert(session: Session, alert_id: int, *, now: datetime, mutes: Sequence[Mute] = ()) -> AlertLine | None:
    """The alert with this id; None: there is none."""
    row = session.execute(_ONE, quieted({"alert": alert_id, "now": now}, mutes, now=now)).mappings().one_or_none()
    return _line(row) if row else None


def quieted(bound: dict[str, Any], mutes: Sequence[Mute], *, now: datetime) -> dict[str, Any]:
    """*bound* with what WHY and QUIET ask for, too; what is dead is looked for in all apps."""
    return {**muted(mutes, now=now), **bound, "app": None}


def _line(row: RowMapping) -> AlertLine:
    known = {name: row[name] for name in AlertLine.__dataclass_fields__ if name != "about"}
    return AlertLine(**known, about=about(row["kind"], row["data"], row["reason"]))


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step in an alert's life, why, and by whom where somebody did it."""

    at: datetime
    step: str  # pending | firing | escalated | eased | acknowledged | snoozed | unheld | resolved
    reason: str
    severity: str | None
    author: str | None
    comment: str | None


_STEPS = text("""
SELECT at, step, reason, severity, author, comment FROM alert_step WHERE alert_id = :alert ORDER BY id LIMIT :most
""")


def steps_of(session: Session, alert_id: int, *, most: int = 1000) -> list[StepRow]:
    """Every step of the alert, in order."""
    return [StepRow(**row) for row in session.execute(_STEPS, {"alert": alert_id, "most": most}).mappings()]


@dataclass(frozen=True, slots=True)
class HeardRow:
    """What a receiver heard last of an alert."""

    receiver: str
    state: str  # firing | resolved
    severity: str | None
    told_at: datetime


_HEARD = text("SELECT receiver, state, severity, told_at FROM told WHERE alert_id = :alert ORDER BY receiver")


def heard_of(session: Session, alert_id: int) -> list[HeardRow]:
    """Who heard of the alert; it is forgotten a month after its end."""
    return [HeardRow(**row) for row in session.execute(_HEARD, {"alert": alert_id}).mappings()]


@dataclass(frozen=True, slots=True)
class MessageAbout:
    """A message of a group that an alert belongs to, and what became of it."""

    id: int
    created_at: datetime
    receiver: str
    to: str | None  # None: not told
    reason: str
    subject: str
    state: str  # due | sending | sent | failed | cancelled
    settled_at: datetime | None
    settle_reason: str | None


_MESSAGES = text("""
SELECT n.* FROM alert a JOIN notice_group g ON g.source_id = a.source_id AND g.kind = a.kind
    AND g.app_id IS NOT DISTINCT FROM a.app_id
CROSS JOIN LATERAL (
    SELECT n.id, n.created_at, n.receiver, n."to", n.reason, n.subject, n.state, n.settled_at, n.settle_reason
    FROM notice n WHERE n.receiver = g.receiver AND n.group_id = g.id AND n.created_at >= a.fired_at
      AND (a.resolved_at IS NULL OR n.created_at <= a.resolved_at + interval '1 day')
    ORDER BY n.created_at DESC LIMIT :most
) n WHERE a.id = :alert ORDER BY n.created_at DESC, n.id DESC LIMIT :most
""")


def messages_about(session: Session, alert_id: int, *, most: int = 50) -> list[MessageAbout]:
    """The last messages of the groups that the alert belongs to, from when it fired to a day after its end."""
    return [MessageAbout(**row) for row in session.execute(_MESSAGES, {"alert": alert_id, "most": most}).mappings()]
