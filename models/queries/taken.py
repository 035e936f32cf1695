"""How the tenants of an app took its versions: after how long they upgraded, wait, or left without."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Literal

from sqlalchemy import text
from sqlalchemy.orm import Session

from uptake.forecast import Rollout
from uptake.survival import Spell

Cohort = Literal["first", "before"]

_WATCHED = """
SELECT a.id, a.latest_version, a.changed_at, f.exact_at AS as_of,
    (SELECT min(t.valid_from) FROM tenure t WHERE t.app_id = a.id) AS since
FROM app a JOIN source s ON s.id = a.source_id JOIN freshness f ON f.app_id = a.id WHERE
"""
_NAMED = text(_WATCHED + "s.name = :source AND a.external_id = :external_id")
_NUMBERED = text(_WATCHED + "a.id = :id")
# A life is one unbroken connection, paused or not. Whoever was there when we first looked began when the portal says,
# or at some time before.
_TAKEN = """
WITH asked AS (
    SELECT number, released_at, number = (SELECT min(number) FROM app_version WHERE app_id = :app) AS is_first
    FROM app_version WHERE app_id = :app AND number = ANY(cast(:versions AS int4[]))
), stretch AS MATERIALIZED (
    SELECT connection_id, epoch, status, coalesce(version, 0) AS version, valid_from, valid_to,
        coalesce(max(coalesce(version, 0)) OVER (PARTITION BY connection_id, epoch ORDER BY valid_from
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS highest_before,
        row_number() OVER (PARTITION BY connection_id, epoch ORDER BY valid_from) = 1 AS begins
    FROM tenure
    WHERE app_id = :app AND environment = :environment AND status IN ('connected', 'disabled')
), life AS MATERIALIZED (
    SELECT connection_id, epoch, min(valid_from) AS seen_at, max(version) FILTER (WHERE begins) AS began_with,
        bool_or(begins AND valid_from = :since) AS was_there,
        coalesce(bool_or(status = 'connected') FILTER (WHERE valid_to IS NULL), false) AS is_connected,
        max(version) FILTER (WHERE valid_to IS NULL) AS version,
        max(coalesce(valid_to, valid_from)) AS paused_or_left_at
    FROM stretch GROUP BY connection_id, epoch
), reached AS (
    SELECT s.connection_id, s.epoch, k.number, s.valid_from AS at
    FROM stretch s JOIN asked k ON k.number > s.highest_before AND k.number <= s.version
), subject AS (
    SELECT k.number, {cohort} AS cohort, l.is_connected, l.is_connected AND l.version >= k.number AS is_on,
        CASE WHEN l.began_with >= k.number AND (k.is_first OR b.at > k.released_at) THEN 'joined'
            WHEN r.at IS NOT NULL THEN 'upgraded' WHEN l.is_connected THEN 'waiting' ELSE 'gone' END AS kind,
        -- Nobody is watched for longer than those who wait: what a walk found was recorded after it began, and next to
        -- that one later upgrade there would be nobody who still waited, so that all would seem to have upgraded.
        least(coalesce(r.at, CASE WHEN NOT l.is_connected THEN l.paused_or_left_at END), :as_of)
            - greatest(k.released_at, b.at) AS took
    FROM life l CROSS JOIN asked k
    LEFT JOIN reached r ON r.connection_id = l.connection_id AND r.epoch = l.epoch AND r.number = k.number
    LEFT JOIN connection c ON c.id = l.connection_id AND c.epoch = l.epoch AND l.was_there
    CROSS JOIN LATERAL (
        SELECT CASE WHEN l.was_there THEN coalesce(c.allowed_at, '-infinity') ELSE l.seen_at END AS at
    ) b
    WHERE l.is_connected OR l.paused_or_left_at > k.released_at
)
SELECT number, cohort, kind, is_connected, is_on, count(*) AS tenants,
    CASE WHEN kind = 'joined' THEN 0 ELSE greatest(0, extract(epoch FROM took)) END AS seconds
FROM subject GROUP BY 1, 2, 3, 4, 5, 7 ORDER BY 1, 2, 7
"""
# The first stretch that was not over then, or that there was.
_HAD = """coalesce((SELECT t.version FROM tenure t WHERE t.connection_id = l.connection_id {then}
            AND t.version IS NOT NULL ORDER BY t.valid_to LIMIT 1), 0)"""
_ALL = text(_TAKEN.format(cohort="0"))
_COHORTS = {
    "first": text(_TAKEN.format(cohort=_HAD.format(then=""))),
    "before": text(
        _TAKEN.format(cohort=_HAD.format(then="AND coalesce(t.valid_to > k.released_at, true)")),
    ),
}
_RELEASES = text("SELECT number, released_at FROM app_version WHERE app_id = :app ORDER BY number DESC")


@dataclass(frozen=True, slots=True)
class Watched:
    """An app as far as it was watched."""

    id: int
    latest_version: int | None
    changed_at: datetime | None
    as_of: datetime | None  # until when our picture of it is exact; None: it was never read to the end
    since: datetime | None  # when we first saw a tenant of it


@dataclass(frozen=True, slots=True)
class Taken:
    """So many tenants that did the same about a version after the same time."""

    kind: str  # upgraded | waiting | gone | joined
    seconds: float
    tenants: int
    is_connected: bool  # now
    is_on: bool  # connected, and with this version or a newer one


@dataclass(frozen=True, slots=True)
class VersionTaken:
    """How the tenants took one version (those of one *cohort* where they were told apart, by version; 0: not told)."""

    version: int
    released_at: datetime
    cohort: int
    taken: Sequence[Taken]

    def spells(self, *kinds: str) -> list[Spell]:
        """The times of those who did any of these."""
        return [(one.seconds, one.tenants) for one in self.taken if one.kind in kinds]

    def count(self, kind: str) -> int:
        """How many did this."""
        return sum(one.tenants for one in self.taken if one.kind == kind)

    def as_present(self, as_of: datetime) -> Rollout:
        """As a rollout to be foreseen: each tenant that is connected now counts once, by where it is now."""
        age = max((as_of - self.released_at).total_seconds(), 0.0)
        is_back = [one for one in self.taken if one.kind in {"upgraded", "joined"} and one.is_connected]
        back = sum(one.tenants for one in is_back if not one.is_on)
        return Rollout(
            version=self.version,
            released_at=self.released_at,
            upgraded=tuple((one.seconds, one.tenants) for one in self.taken if one.kind == "upgraded" and one.is_on),
            waiting=(*self.spells("waiting"), *([(age, back)] if back else [])),
            gone=tuple(self.spells("gone")),
            joined=sum(one.tenants for one in self.taken if one.kind == "joined" and one.is_on),
        )

    def as_past(self) -> Rollout:
        """As a rollout to learn from: whoever upgraded did, wherever it is now, and who came later says nothing."""
        return Rollout(
            self.version,
            self.released_at,
            tuple(self.spells("upgraded")),
            tuple(self.spells("waiting")),
            tuple(self.spells("gone")),
        )


def watched(session: Session, app: str) -> Watched | None:
    """The app called *app* (source:external id); None: there is none."""
    source, _, external_id = app.partition(":")
    row = session.execute(_NAMED, {"source": source, "external_id": external_id}).mappings().one_or_none()
    return Watched(**row) if row else None


def watched_by_id(session: Session, app_id: int) -> Watched:
    """The app that has this id."""
    return Watched(**session.execute(_NUMBERED, {"id": app_id}).mappings().one())


def releases(session: Session, app: Watched) -> dict[int, datetime]:
    """When each version was released, the newest first."""
    return {row.number: row.released_at for row in session.execute(_RELEASES, {"app": app.id})}


def taken(session: Session, app: Watched, versions: Iterable[int], *, environment: str) -> list[VersionTaken]:
    """How the tenants took these versions, the oldest first.

    A tenant counts for each life of its connection that had not ended when the version came: *upgraded* when it was
    first seen with the version or a newer one, *waiting* until our picture ends, *gone* when it left or was paused
    before. The clock starts at the release, or when the life began. *joined* came later and had it from the start. An
    upgrade from before we first looked counts as of then. Looks at every stretch of the app: a tenth of a second.
    """
    return _taken(session, app, versions, environment, None)


def taken_by_cohort(
    session: Session, app: Watched, version: int, *, environment: str, by: Cohort
) -> list[VersionTaken]:
    """The same of one version, by the *first* version that each tenant was ever seen with, or had *before* this one."""
    return _taken(session, app, [version], environment, by)


def _taken(
    session: Session, app: Watched, versions: Iterable[int], environment: str, by: Cohort | None
) -> list[VersionTaken]:
    released = releases(session, app)
    wanted = sorted(set(versions) & released.keys())
    bound = {"app": app.id, "environment": environment, "versions": wanted}
    bound |= {"as_of": app.as_of, "since": app.since}
    rows = session.execute(_COHORTS[by] if by else _ALL, bound).all() if wanted and app.as_of else []
    found = {
        key: [Taken(row.kind, float(row.seconds), row.tenants, row.is_connected, row.is_on) for row in group]
        for key, group in groupby(rows, key=attrgetter("number", "cohort"))
    }
    keys = sorted(found) if by else [(number, 0) for number in wanted]
    return [VersionTaken(number, released[number], cohort, found.get((number, cohort), [])) for number, cohort in keys]


def unseen(app: Watched, released_at: datetime) -> timedelta:
    """For how long after the release nobody looked."""
    return max(app.since - released_at, timedelta()) if app.since else timedelta()
