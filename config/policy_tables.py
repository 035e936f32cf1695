"""The tables of uptake.toml that say what to make of a lag: [policy], its overrides, and exemptions."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from config.file_values import Duration, Label, LabelName, Name, PositiveDuration, Table, WorkingHours, parse_hours

_Days = Annotated[tuple[Annotated[int, Field(ge=0, le=3650)], ...], Field(strict=False)]
AlertKindName = Literal[
    "tenant_lagging",
    "tenant_overgranted",
    "rollout_behind_target",
    "rollout_stalled",
    "version_regressed",
    "tenant_disconnected_after_release",
    "approval_overdue",
    "poll_failing",
    "data_stale",
]
_SEVERITIES = ("info", "warning", "critical")
_Cap = Annotated[int, Field(ge=0, le=1000)]
_Audience = Annotated[int, Field(ge=1, le=10_000_000)]


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    raise ValueError("is no date; write it without quotes, such as 2027-01-31")


_Instant = Annotated[datetime, BeforeValidator(_instant)]


class TargetTable(Table):
    """How far a rollout is to be, and when."""

    share: Annotated[float, Field(gt=0, le=1)]
    by: PositiveDuration


_Targets = Annotated[tuple[TargetTable, ...], Field(strict=False)]


class GraceTable(Table):
    """How long a tenant may lag before somebody hears of it."""

    blocking: Duration = timedelta(days=14)
    trimming: Duration = timedelta(days=60)


class SeverityTable(Table):
    """The age past grace at which an alert reaches each severity."""

    info: Duration = timedelta(0)
    warning: Duration = timedelta(days=7)
    critical: Duration = timedelta(days=21)

    @property
    def rises(self) -> bool:
        """Whether what is more severe comes later."""
        return self.info <= self.warning <= self.critical

    @model_validator(mode="after")
    def _must_rise(self) -> Self:
        if not self.rises:
            raise ValueError("must rise: info first, then warning, then critical")
        return self


class GraceOverride(Table):
    """What differs of the grace."""

    blocking: Duration | None = None
    trimming: Duration | None = None


class SeverityOverride(Table):
    """What differs of the severities."""

    info: Duration | None = None
    warning: Duration | None = None
    critical: Duration | None = None


class AppTable(Table):
    """Which apps a table is for; what is left out is any."""

    source: Name | None = None
    app: Annotated[str, Field(min_length=1, max_length=200)] | None = None  # its id, or source:id

    @property
    def named_app(self) -> tuple[str | None, str | None]:
        """The source and the app's id there."""
        source, colon, app = (self.app or "").partition(":")
        return (source, app) if colon else (self.source, self.app)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.app is not None and not (self.named_app[1] and self.named_app[0] != ""):
            raise ValueError(f"{self.app!r} names no app; write its id, or source:id")
        if self.source is not None and self.named_app[0] != self.source:
            raise ValueError(f"source and app contradict each other: {self.source} and {self.app}")
        return self


class MatchTable(AppTable):
    """Whom a table is for; what is left out is any."""

    environment: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    labels: dict[LabelName, Label] = {}  # noqa: RUF012 - pydantic copies it

    def covers(self, other: "MatchTable") -> bool:
        """Whether all that *other* is for are among those that this is for."""
        mine, theirs = ((*table.named_app, table.environment) for table in (self, other))
        return (
            all(wanted is None or wanted == found for wanted, found in zip(mine, theirs, strict=True))
            and self.labels.items() <= other.labels.items()
        )


_OVERALL = {"targets", "min_audience", "stalled_after", "lost_within"}


class OverrideTable(MatchTable):
    """What holds instead for some: what is left out is as in [policy]."""

    settle: Duration | None = None
    grace: GraceOverride = GraceOverride()
    severity: SeverityOverride = SeverityOverride()
    # Of all tenants of an app together, so not by label.
    targets: _Targets | None = None
    min_audience: _Audience | None = None
    stalled_after: Duration | None = None
    lost_within: Duration | None = None
    remind_days: _Days | None = None
    remind_every: PositiveDuration | None = None
    remind_cap: _Cap | None = None
    remind_next_contact_after: _Cap | None = None
    deadline: _Instant | None = None
    deadline_days: _Days | None = None
    working_hours: WorkingHours | None = None
    reminders: str | None = None

    @model_validator(mode="after")
    def _is_for_some(self) -> Self:
        if not self.model_fields_set & MatchTable.model_fields.keys():
            raise ValueError("matches everybody; say whom it is for by source, app, environment or labels")
        if not self.model_fields_set - MatchTable.model_fields.keys():
            raise ValueError("changes nothing; say what is different for whom it matches")
        _check_days(self.remind_days or (), self.deadline_days or ())
        if self.labels and (overall := self.model_fields_set & _OVERALL):
            raise ValueError(f"{min(overall)} is about all tenants of an app; match without labels")
        return self

    def over(self, base: "PolicyTable") -> "PolicyTable":
        """*base* with what is said here instead; its severities may not rise any more."""
        own = {name: getattr(self, name) for name in OverrideTable.model_fields.keys() - MatchTable.model_fields.keys()}
        changes = {name: value for name, value in own.items() if value is not None}
        for name in ("grace", "severity"):
            given = {key: value for key, value in getattr(self, name) if value is not None}
            changes[name] = getattr(base, name).model_copy(update=given)
        return base.model_copy(update=changes)


class PolicyTable(Table):
    """When tenants lag too long, who hears of it and how tenants are reminded."""

    environments: Annotated[tuple[str, ...], Field(min_length=1, strict=False)] = ("production",)
    settle: Duration = timedelta(minutes=60)
    grace: GraceTable = GraceTable()
    severity: SeverityTable = SeverityTable()
    remind_days: _Days = (0, 3, 7, 14)
    remind_every: PositiveDuration = timedelta(days=30)
    remind_cap: _Cap = 12
    remind_next_contact_after: _Cap = 3
    remind_person_every: PositiveDuration = timedelta(days=1)
    remind_pace: Annotated[int, Field(ge=0, le=100_000)] = 60
    remind_fresh: PositiveDuration = timedelta(hours=6)
    deadline: _Instant | None = None
    deadline_days: _Days = (14, 7, 3, 1)
    working_hours: WorkingHours = parse_hours("08:00-18:00")
    targets: _Targets = (TargetTable.model_validate({"share": 0.95, "by": "21d"}),)
    min_audience: _Audience = 20
    stalled_after: Duration = timedelta(days=14)
    lost_within: Duration = timedelta(days=7)
    flap_window: Duration = timedelta(hours=1)
    receivers: Annotated[tuple[str, ...], Field(strict=False)] = ("log",)
    reminders: str = "log"
    fallback: str = "log"
    group_wait: Duration = timedelta(seconds=30)
    group_interval: PositiveDuration = timedelta(minutes=5)
    repeat_interval: PositiveDuration = timedelta(hours=4)
    overrides: Annotated[tuple[OverrideTable, ...], Field(alias="override", strict=False)] = ()

    @model_validator(mode="after")
    def _days_rise(self) -> Self:
        _check_days(self.remind_days, self.deadline_days)
        if len(set(self.environments)) < len(self.environments):
            raise ValueError("environments names one twice; name it once")
        return self


class RouteTable(MatchTable):
    """Which alerts are told to whom; those that no route is for go to the receivers of [policy]."""

    kinds: Annotated[tuple[AlertKindName, ...], Field(min_length=1, strict=False)] | None = None
    at_least: Literal["info", "warning", "critical"] = "info"
    receivers: Annotated[tuple[str, ...], Field(strict=False)]
    goes_on: Annotated[bool, Field(alias="continue")] = False

    def swallows(self, other: "RouteTable") -> bool:
        """Whether nothing that *other* is for ever gets past this one."""
        is_milder = _SEVERITIES.index(self.at_least) <= _SEVERITIES.index(other.at_least)
        has_kinds = self.kinds is None or (other.kinds is not None and set(other.kinds) <= set(self.kinds))
        return not self.goes_on and is_milder and has_kinds and self.covers(other)


class ExemptionTable(MatchTable):
    """Tenants that nobody is told of and who are not reminded, until a day comes; why is asked for, so that it ends."""

    tenant: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    until: _Instant
    reason: Annotated[str, Field(min_length=3, max_length=500)]

    @model_validator(mode="after")
    def _is_for_tenants(self) -> Self:
        if self.tenant is None and not self.labels:
            raise ValueError("exempts whole apps; say which tenants by tenant or labels, or use `uptake silence add`")
        return self


def _check_days(days: tuple[int, ...], before: tuple[int, ...]) -> None:
    if list(days) != sorted(set(days)):
        raise ValueError("remind_days must rise, each day once, such as [0, 3, 7, 14]")
    if list(before) != sorted(set(before), reverse=True):
        raise ValueError("deadline_days must fall, each day once, such as [14, 7, 3, 1]")
