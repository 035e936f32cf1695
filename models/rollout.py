"""Alerts on how an app's rollout goes, on tenants that went back or away, and on an approval that takes long."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from models.base import as_sets
from models.ruled import RULED, Ruled
from models.wanted import Wanted, open_as_wanted
from uptake.policies import Policies, Who
from uptake.policy import AlertKind, Policy, Severity, approval_overdue_at
from uptake.rollout import Progress, asks, missed, stalls_at
from uptake.versions import History

# What all tenants of an app come to is looked at this often at most, however many upgrade meanwhile.
EVERY = timedelta(minutes=10)
UNSURE = timedelta(minutes=5)  # until a second poll has seen that somebody went back
LOST_FOR = timedelta(days=30)  # whoever stays away for longer is no news any more
NEVER = timedelta(days=36_500)  # without a target the tenants are counted all the same

# Each target counts the same tenants; one that is never due stands for none.
_PROGRESS = text("""
WITH held AS MATERIALIZED (
    SELECT s.environment, s.lag, s.since, s.upgraded_at AS moved_at FROM standing s
    WHERE s.app_id = :app AND s.status = 'connected' AND s.environment = ANY(cast(:environments AS text[]))
)
SELECT h.environment, t.place, count(*) AS connected, count(*) FILTER (WHERE h.lag = 'blocking') AS blocking,
    count(*) FILTER (WHERE h.lag = 'blocking' AND h.since + t.by <= :now) AS late, max(h.moved_at) AS moved_at,
    min(h.since + t.by) FILTER (WHERE h.lag = 'blocking' AND h.since + t.by > :now) AS next_at
FROM unnest(cast(:target_environments AS text[]), cast(:places AS int4[]), cast(:spans AS interval[]))
    AS t (environment, place, by)
JOIN held h ON h.environment = t.environment GROUP BY 1, 2 ORDER BY 1, 2
""")
_WENT_BACK = text(
    "WITH"
    + RULED
    + """
SELECT c.id, c.tenant_id, c.environment, c.version, c.regressed_from, c.version_not_after AS at,
    f.exact_at > c.version_not_after AS is_sure
FROM connection c JOIN freshness f ON f.app_id = c.app_id
WHERE c.app_id = :app AND c.regressed_from IS NOT NULL AND c.version < c.regressed_from
  AND c.status IN ('connected', 'disabled')
  AND c.environment = ANY(cast(:environments AS text[]))
  AND NOT EXISTS (SELECT FROM exempt e WHERE e.tenant_id = c.tenant_id AND e.environment = c.environment)
"""
)
_WENT_AWAY = text(
    "WITH"  # noqa: S608 - constants only
    + RULED
    + """
SELECT c.id, c.tenant_id, c.environment, t.at, r.at AS released_at
FROM connection c CROSS JOIN LATERAL (
    SELECT valid_from AS at FROM tenure WHERE tenure.connection_id = c.id AND valid_to IS NULL
) t
JOIN unnest(cast(:lost_environments AS text[]), cast(:within AS interval[])) AS w (environment, span)
    ON w.environment = c.environment
CROSS JOIN LATERAL (
    SELECT max(at) AS at FROM unnest(cast(:releases AS timestamptz[])) AS r (at)
    WHERE r.at <= t.at AND t.at < r.at + w.span
) r
WHERE c.app_id = :app AND c.status = 'disconnected' AND c.epoch > 0 AND r.at IS NOT NULL
  AND c.observed_at > cast(:now AS timestamptz) - cast(:lost_for AS interval)
  AND t.at > cast(:now AS timestamptz) - cast(:lost_for AS interval)
  AND NOT EXISTS (SELECT FROM exempt e WHERE e.tenant_id = c.tenant_id AND e.environment = c.environment)
"""
)
_ALL_OF_ONE = text("SELECT approval, approval_since, deleted_at FROM app WHERE id = :app")


@dataclass(frozen=True, slots=True)
class Followed:
    """How many alerts on an app's rollout began or ended, when it was looked at, and when to look again by time."""

    changed: int
    at: datetime | None
    next_at: datetime | None


def follow_if_due(
    session: Session,
    app: Row[Any],
    policies: Policies,
    history: History,
    *,
    rules: Ruled,
    only: Sequence[int] | None,
) -> Followed:
    """Follow the rollout of *app* where all of it was judged anew, its time has come, or some changed (*only* these).

    In the last case not more often than EVERY: what all come to is a look at all of them.
    """
    now: datetime = rules.bound["now"]
    is_due = app.follow_at is not None and app.follow_at <= now
    rests_until = app.followed_at + EVERY if app.followed_at is not None else now
    if only is None or is_due or (only and rests_until <= now):
        return follow(session, app, policies, history, rules)
    times = [at for at in (app.follow_at, rests_until if only else None) if at is not None]
    return Followed(0, app.followed_at, min(times, default=None))


def follow(session: Session, app: Row[Any], policies: Policies, history: History, rules: Ruled) -> Followed:
    """Open and close the alerts on the rollout of *app* (its id, source_id, source, external_id), as it is now.

    In the caller's transaction, with the app locked; a second run changes nothing.
    """
    now: datetime = rules.bound["now"]
    times: list[datetime] = []
    wanted: list[Wanted] = []
    one = session.execute(_ALL_OF_ONE, {"app": app.id}).one()
    if one.deleted_at is None:
        own = {
            environment: policies.of(Who(source=app.source, app=app.external_id, environment=environment))
            for environment in policies.base.environments
        }
        found = (
            [_waiting(one, now=now)]
            if one.approval == "pending"
            else [
                *_progress(session, app.id, own, history, now=now),
                *_went_back(session, own, rules),
                *_went_away(session, own, history, rules),
            ]
        )
        for alert, at in found:
            times += [at] if at is not None else []
            wanted += [alert] if alert is not None else []
    changed = open_as_wanted(session, app, wanted, flap=policies.base.flap_window, now=now)
    return Followed(changed, now, min((at for at in times if at > now), default=None))


# An alert that is to be open, or none, and when that may be otherwise by time alone.
_Found = Iterator[tuple[Wanted | None, datetime | None]]


def _waiting(app: Row[Any], *, now: datetime) -> tuple[Wanted | None, datetime | None]:
    """Whether the app waits for the portal's approval longer than that usually takes."""
    overdue_at = approval_overdue_at(app.approval_since)
    alert = Wanted(AlertKind.APPROVAL_OVERDUE, Severity.WARNING, app.approval_since, "waits_for_approval")
    return (alert if overdue_at <= now else None), overdue_at


def _progress(session: Session, app_id: int, rules: Mapping[str, Policy], history: History, *, now: datetime) -> _Found:
    """Rollouts behind their target, and stalled ones, by environment."""
    targets = [
        (environment, place, span)
        for environment, policy in rules.items()
        for place, span in enumerate([target.by for target in policy.targets] or [NEVER])
    ]
    columns = zip(("target_environments", "places", "spans"), zip(*targets, strict=True), strict=True)
    bound = {name: list(column) for name, column in columns}
    with as_sets(session):
        rows = session.execute(_PROGRESS, {"app": app_id, "now": now, "environments": list(rules), **bound}).all()
    for environment, policy in rules.items():
        own = [row for row in rows if row.environment == environment]
        if not own:
            continue
        late = tuple(row.late for row in own[: len(policy.targets)])
        progress = Progress(own[0].connected, own[0].blocking, late, own[0].moved_at)
        for row in own:
            yield None, row.next_at
        yield _behind(environment, policy, progress, history, now=now), None
        stops_at = stalls_at(policy, progress, history)
        yield (_stalled(environment, policy, progress, stops_at) if stops_at and stops_at <= now else None), stops_at


def _behind(environment: str, policy: Policy, progress: Progress, history: History, *, now: datetime) -> Wanted | None:
    target = missed(policy, progress)
    if target is None:
        return None
    late = progress.late[policy.targets.index(target)]
    data = {"latest": history[-1].number if history else None, "connected": progress.connected, "late": late}
    return Wanted(
        AlertKind.ROLLOUT_BEHIND_TARGET,
        Severity.WARNING,
        now,
        "target_missed",
        environment,
        data=data | {"share": target.share, "by_seconds": target.by.total_seconds()},
    )


def _stalled(environment: str, policy: Policy, progress: Progress, stops_at: datetime) -> Wanted:
    data = {"connected": progress.connected, "blocking": progress.blocking}
    since = stops_at - policy.stalled_after
    return Wanted(AlertKind.ROLLOUT_STALLED, Severity.WARNING, since, "nobody_upgrades", environment, data=data)


def _went_back(session: Session, own: Mapping[str, Policy], rules: Ruled) -> _Found:
    """Whoever runs an older version than before; portals can be wrong once, so a second look has to see it."""
    for row in session.execute(_WENT_BACK, {**rules.bound, "environments": list(own)}):
        data = {"version": row.version, "from_version": row.regressed_from}
        alert = Wanted(
            AlertKind.VERSION_REGRESSED,
            Severity.WARNING,
            row.at,
            "went_back",
            row.environment,
            row.id,
            row.tenant_id,
            data,
        )
        yield (alert, None) if row.is_sure else (None, rules.bound["now"] + UNSURE)


def _went_away(session: Session, own: Mapping[str, Policy], history: History, rules: Ruled) -> _Found:
    """Whoever disconnected within days of a version that asks for more."""
    spans = {environment: policy.lost_within for environment, policy in own.items() if policy.lost_within}
    bound = {"lost_environments": list(spans), "within": list(spans.values()), "releases": asks(history)}
    rows = session.execute(_WENT_AWAY, {**rules.bound, "lost_for": LOST_FOR, **bound})
    for row in rows:
        alert = Wanted(
            AlertKind.TENANT_DISCONNECTED_AFTER_RELEASE,
            Severity.INFO,
            row.at,
            "left_after_release",
            row.environment,
            row.id,
            row.tenant_id,
            {"released_at": row.released_at.isoformat()},
        )
        yield alert, row.at + LOST_FOR
