"""What to make of a lag: when it becomes an alert, how severe it is, and the named reason why, or why not."""

import enum
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from uptake.facts import Status
from uptake.lag import LagClass, Verdict, age
from uptake.versions import History, latest

# The portal approves weekly; whoever waits longer should ask.
APPROVAL_OVERDUE_AFTER = timedelta(days=7)


class Severity(enum.StrEnum):
    """How much an alert asks of its reader; compares by weight, not by the alphabet as plain strings would."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def weight(self) -> int:
        """The place in the order, for sorting and for columns."""
        return list(Severity).index(self)

    def __lt__(self, other: str) -> bool:
        return self.weight < Severity(other).weight

    def __le__(self, other: str) -> bool:
        return self.weight <= Severity(other).weight

    def __gt__(self, other: str) -> bool:
        return self.weight > Severity(other).weight

    def __ge__(self, other: str) -> bool:
        return self.weight >= Severity(other).weight


class AlertKind(enum.StrEnum):
    """What an alert is about; with app, tenant and environment it is the alert's identity."""

    TENANT_LAGGING = "tenant_lagging"
    TENANT_OVERGRANTED = "tenant_overgranted"
    ROLLOUT_BEHIND_TARGET = "rollout_behind_target"
    ROLLOUT_STALLED = "rollout_stalled"
    VERSION_REGRESSED = "version_regressed"
    TENANT_DISCONNECTED_AFTER_RELEASE = "tenant_disconnected_after_release"
    APPROVAL_OVERDUE = "approval_overdue"
    POLL_FAILING = "poll_failing"
    DATA_STALE = "data_stale"


KIND_OF: dict[LagClass, AlertKind | None] = {
    LagClass.CURRENT: None,
    LagClass.BLOCKING: AlertKind.TENANT_LAGGING,
    LagClass.TRIMMING: AlertKind.TENANT_OVERGRANTED,
    LagClass.EQUIVALENT: None,
}


@dataclass(frozen=True, slots=True)
class Target:
    """How far a rollout is to be: at most the rest of the tenants may have lagged for longer than *by*."""

    share: float
    by: timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What may be chosen about alerts and reminders; the fields are those of `[policy]` in uptake.toml."""

    environments: tuple[str, ...] = ("production",)
    settle: timedelta = timedelta(minutes=60)
    grace_blocking: timedelta = timedelta(days=14)
    grace_trimming: timedelta = timedelta(days=60)
    severity: tuple[tuple[Severity, timedelta], ...] = (
        (Severity.INFO, timedelta()),
        (Severity.WARNING, timedelta(days=7)),
        (Severity.CRITICAL, timedelta(days=21)),
    )
    remind_days: tuple[int, ...] = (0, 3, 7, 14)
    remind_every: timedelta = timedelta(days=30)
    remind_cap: int = 12
    remind_next_contact_after: int = 3  # reminders without an answer; 0: never
    remind_person_every: timedelta = timedelta(days=1)  # at most one message to a person; the rest is in the next
    remind_pace: int = 60  # messages a minute at most by one receiver; 0: all at once
    remind_fresh: timedelta = timedelta(hours=6)  # nobody is written to by what is older
    deadline: datetime | None = None  # when older versions stop to be served
    deadline_days: tuple[int, ...] = (14, 7, 3, 1)  # before it, on which the still lagging are reminded whatever else
    working_hours: tuple[time, time] | None = (time(8), time(18))
    targets: tuple[Target, ...] = (Target(0.95, timedelta(days=21)),)
    min_audience: int = 20  # of fewer tenants, shares say nothing
    stalled_after: timedelta = timedelta(days=14)  # 0: never
    lost_within: timedelta = timedelta(days=7)  # of a release; 0: never
    flap_window: timedelta = timedelta(hours=1)  # what begins again so soon after its end is the same alert
    receivers: tuple[str, ...] = ("log",)
    reminders: str = ""
    fallback: str = "log"  # hears what is for a receiver that cannot be used; empty: it waits
    group_wait: timedelta = timedelta(seconds=30)
    group_interval: timedelta = timedelta(minutes=5)
    repeat_interval: timedelta = timedelta(hours=4)
    place: str = "[policy]"  # which table of uptake.toml it is, for whoever asks

    def __post_init__(self) -> None:
        if not self.severity:
            raise ValueError("a policy needs at least one severity: without it nothing would ever alert")

    def grace(self, lag: LagClass) -> timedelta | None:
        """How long this class may last before it alerts; None for the classes that never do."""
        return {LagClass.BLOCKING: self.grace_blocking, LagClass.TRIMMING: self.grace_trimming}.get(lag)


DEFAULT = Policy()


class Reason(enum.StrEnum):
    """Why an alert about a connection is open now, or why it is not."""

    APP_DELETED = "app_deleted"
    AWAITING_APPROVAL = "awaiting_approval"
    NOT_CONNECTED = "not_connected"
    DISABLED = "disabled"
    DISCONNECTED = "disconnected"
    STATUS_UNKNOWN = "status_unknown"
    NOT_JUDGED = "not_judged"
    CURRENT = "current"
    EQUIVALENT = "equivalent"
    ENVIRONMENT_NOT_WATCHED = "environment_not_watched"
    EXEMPT = "exempt"
    SETTLING = "settling"
    IN_GRACE = "in_grace"
    FIRING = "firing"


# Only a tenant that is connected can be asked to do anything.
_HELD = {
    Status.AWAITING_APPROVAL: Reason.AWAITING_APPROVAL,
    Status.NOT_CONNECTED: Reason.NOT_CONNECTED,
    Status.DISABLED: Reason.DISABLED,
    Status.DISCONNECTED: Reason.DISCONNECTED,
    Status.UNKNOWN: Reason.STATUS_UNKNOWN,
}
_AT_REST = {LagClass.CURRENT: Reason.CURRENT, LagClass.EQUIVALENT: Reason.EQUIVALENT}


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision and what it rests on; *since* is when the lag began, *fires_at* when it alerts or alerted."""

    reason: Reason
    kind: AlertKind | None = None
    severity: Severity | None = None
    since: datetime | None = None
    fires_at: datetime | None = None

    @property
    def is_firing(self) -> bool:
        """Whether the alert is open now."""
        return self.reason is Reason.FIRING


def severity(policy: Policy, lag: LagClass, lag_age: timedelta) -> Severity | None:
    """The highest rung that *lag_age* has reached past the grace; None before the first. Never falls with age."""
    grace = policy.grace(lag)
    if grace is None:
        return None
    reached = [rung for rung, past in policy.severity if lag_age >= grace + past]
    if not reached:
        return None
    # A tenant that grants too much works: nobody is to be woken for it, however long it lasts.
    return Severity.INFO if lag is LagClass.TRIMMING else max(reached)


def severities(policy: Policy) -> dict[AlertKind, tuple[Severity, ...]]:
    """Which severities an alert of each kind that rests on a lag may reach, the mildest first."""
    found: dict[AlertKind, tuple[Severity, ...]] = {}
    for lag, kind in KIND_OF.items():
        grace = policy.grace(lag)
        if kind is not None and grace is not None:
            rungs = [severity(policy, lag, grace + past) for _, past in policy.severity]
            found[kind] = tuple(sorted({rung for rung in rungs if rung is not None}))
    return found


def fires_at(policy: Policy, lag: LagClass, since: datetime) -> datetime | None:
    """When a lag that began at *since* has a severity for the first time; None for a class that never has."""
    grace = policy.grace(lag)
    if grace is None:
        return None
    return since + grace + min(past for _, past in policy.severity)


def settles_at(history: History, policy: Policy) -> datetime | None:
    """When the newest version counts as meant: another one may follow within the hour."""
    newest = latest(history)
    return newest.released_at + policy.settle if newest else None


def settled(history: History, policy: Policy, now: datetime) -> bool:
    """Whether new alerts and reminders may go out; open ones do not wait again for a newer version."""
    at = settles_at(history, policy)
    return at is None or at <= now


def opens_at(history: History, policy: Policy, lag: LagClass, since: datetime) -> datetime | None:
    """When a lag that began at *since* alerts, the settle windows included.

    A version released before that moment pushes it back by its own window; one released later finds the
    alert open and changes nothing.
    """
    at = fires_at(policy, lag, since)
    if at is None:
        return None
    for version in history:
        if version.released_at < at or version.released_at <= since:
            at = max(at, version.released_at + policy.settle)
    return at


def approval_overdue_at(waiting_since: datetime) -> datetime:
    """When the developer of an app that waits for approval is told that it takes longer than usual."""
    return waiting_since + APPROVAL_OVERDUE_AFTER


def explain(  # noqa: PLR0913 - a decision takes what it rests on
    policy: Policy,
    history: History,
    verdict: Verdict | None,
    *,
    status: Status,
    environment: str,
    now: datetime,
    app_deleted: bool = False,
    exempt: bool = False,
    has_fired: bool = True,
) -> Explanation:
    """Why a connection has an open alert at *now*, or has none.

    *verdict* is already bounded by the connection's epoch; *exempt*: nobody is told of this one for a while. A
    firing alert goes on firing until the class changes or the connection is held, whatever is released meanwhile;
    one that has not fired in time (*has_fired*), as nobody looked then, waits until the newest version settled.
    """
    if app_deleted:
        return Explanation(Reason.APP_DELETED)
    if status in _HELD:
        return Explanation(_HELD[status])
    if verdict is None:
        return Explanation(Reason.NOT_JUDGED)
    if verdict.lag in _AT_REST or verdict.since is None:
        return Explanation(_AT_REST[verdict.lag])
    if exempt or environment not in policy.environments:
        reason = Reason.EXEMPT if environment in policy.environments else Reason.ENVIRONMENT_NOT_WATCHED
        return Explanation(reason, KIND_OF[verdict.lag], since=verdict.since)
    opens = opens_at(history, policy, verdict.lag, verdict.since)
    settles = settles_at(history, policy)
    if opens is not None and settles is not None and not has_fired:
        opens = max(opens, settles)
    return _timing(policy, verdict.lag, verdict.since, opens, now)


def _timing(policy: Policy, lag: LagClass, since: datetime, opens: datetime | None, now: datetime) -> Explanation:
    grace_ends = fires_at(policy, lag, since)
    if opens is not None and opens <= now:
        rung = severity(policy, lag, age(since, now))
        return Explanation(Reason.FIRING, KIND_OF[lag], rung, since, opens)
    in_grace = grace_ends is not None and now < grace_ends
    return Explanation(Reason.IN_GRACE if in_grace else Reason.SETTLING, KIND_OF[lag], None, since, opens)
