"""When a lag becomes an alert, how severe it is, and the reason that is shown."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptake.facts import Status
from uptake.lag import LagClass, judge
from uptake.policy import (
    DEFAULT,
    KIND_OF,
    AlertKind,
    Explanation,
    Policy,
    Reason,
    Severity,
    approval_overdue_at,
    explain,
    fires_at,
    opens_at,
    settled,
    settles_at,
    severity,
)
from uptake.versions import History, ScopeVersion

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# No grace, so that the settle window is what decides.
EAGER = replace(DEFAULT, grace_blocking=timedelta(), grace_trimming=timedelta())


def history(*releases: tuple[str, timedelta]) -> History:
    """Versions 1, 2, 3 … with their grants, released so long after T0."""
    return tuple(ScopeVersion(n, frozenset(g), T0 + at) for n, (g, at) in enumerate(releases, start=1))


BLOCKED = history(("A", -99 * DAY), ("AB", timedelta()))
TRIMMED = history(("AB", -99 * DAY), ("A", timedelta()))
RESTORED = history(("A", -99 * DAY), ("AB", -98 * DAY), ("A", timedelta()))


def told(
    versions: History,
    after: timedelta,
    *,
    version: int = 1,
    policy: Policy = DEFAULT,
    status: Status = Status.CONNECTED,
    environment: str = "production",
    app_deleted: bool = False,
) -> Explanation:
    """What is explained of a tenant at *version*, so long after T0."""
    return explain(
        policy,
        versions,
        judge(versions, version=version, grants=None),
        status=status,
        environment=environment,
        now=T0 + after,
        app_deleted=app_deleted,
    )


def test_severity_orders_by_weight() -> None:
    """Critical outweighs warning outweighs info, in every comparison and in sorting."""
    info, warning, critical = Severity
    assert sorted([critical, info, warning]) == [info, warning, critical]
    assert max(info, critical, warning) is critical
    assert info < warning <= critical
    assert critical > warning >= info
    assert not critical < info
    assert [rung.weight for rung in Severity] == [0, 1, 2]


@pytest.mark.parametrize(
    ("lag", "days", "expected"),
    [
        pytest.param(LagClass.BLOCKING, 13, None, id="blocking_in_grace"),
        pytest.param(LagClass.BLOCKING, 14, Severity.INFO, id="blocking_on_the_day_grace_ends"),
        pytest.param(LagClass.BLOCKING, 20, Severity.INFO, id="blocking_before_warning"),
        pytest.param(LagClass.BLOCKING, 21, Severity.WARNING, id="blocking_warning"),
        pytest.param(LagClass.BLOCKING, 35, Severity.CRITICAL, id="blocking_critical"),
        pytest.param(LagClass.BLOCKING, 9999, Severity.CRITICAL, id="blocking_for_ever"),
        pytest.param(LagClass.TRIMMING, 59, None, id="trimming_has_a_longer_grace"),
        pytest.param(LagClass.TRIMMING, 60, Severity.INFO, id="trimming"),
        pytest.param(LagClass.TRIMMING, 9999, Severity.INFO, id="trimming_never_escalates"),
        pytest.param(LagClass.EQUIVALENT, 9999, None, id="equivalent_never_alerts"),
        pytest.param(LagClass.CURRENT, 9999, None, id="current_never_alerts"),
    ],
)
def test_severity_by_age_past_grace(lag: LagClass, days: int, expected: Severity | None) -> None:
    """The rung is the highest one that the age past the grace has reached."""
    assert severity(DEFAULT, lag, days * DAY) is expected


AGES = st.timedeltas(timedelta(), timedelta(days=200))
POLICIES = st.builds(
    Policy,
    settle=st.timedeltas(timedelta(), timedelta(days=2)),
    grace_blocking=AGES,
    grace_trimming=AGES,
    severity=st.lists(st.tuples(st.sampled_from(Severity), AGES), min_size=1, max_size=4).map(tuple),
)


@given(POLICIES, st.sampled_from(LagClass), AGES, AGES)
def test_severity_never_falls_with_age(policy: Policy, lag: LagClass, one: timedelta, other: timedelta) -> None:
    """Waiting never makes a lag less severe, whatever order the ladder is written in."""
    younger, older = (severity(policy, lag, at) for at in sorted((one, other)))
    assert younger is None or (older is not None and older >= younger)


@given(POLICIES, st.sampled_from(LagClass), AGES)
def test_fires_at_is_the_first_severity(policy: Policy, lag: LagClass, lag_age: timedelta) -> None:
    """A lag has a severity exactly from the moment it fires."""
    at = fires_at(policy, lag, T0)
    assert (severity(policy, lag, lag_age) is not None) == (at is not None and at <= T0 + lag_age)


def test_the_ladder_may_be_written_in_any_order() -> None:
    """The most severe rung that was reached counts, not the last one written."""
    falling = replace(EAGER, severity=((Severity.CRITICAL, DAY), (Severity.INFO, 2 * DAY)))
    assert severity(falling, LagClass.BLOCKING, 3 * DAY) is Severity.CRITICAL


def test_a_policy_without_severities_is_refused() -> None:
    """A ladder without rungs would silence every alert."""
    with pytest.raises(ValueError, match="at least one severity"):
        Policy(severity=())


def test_every_class_has_its_kind() -> None:
    """Only the two classes that ask something of somebody have an alert kind."""
    assert KIND_OF == {
        LagClass.CURRENT: None,
        LagClass.BLOCKING: AlertKind.TENANT_LAGGING,
        LagClass.TRIMMING: AlertKind.TENANT_OVERGRANTED,
        LagClass.EQUIVALENT: None,
    }


def test_settle_window() -> None:
    """The newest version settles an hour after its release; an app without versions has nothing to settle."""
    assert settles_at(BLOCKED, DEFAULT) == T0 + HOUR
    assert not settled(BLOCKED, DEFAULT, T0 + HOUR - timedelta(seconds=1))
    assert settled(BLOCKED, DEFAULT, T0 + HOUR)
    assert settles_at((), DEFAULT) is None
    assert settled((), DEFAULT, T0)


MINUTES_50 = timedelta(minutes=50)


@pytest.mark.parametrize(
    ("releases", "expected"),
    [
        pytest.param([("AB", timedelta())], HOUR, id="one_version"),
        pytest.param([("AB", timedelta()), ("ABC", MINUTES_50)], MINUTES_50 + HOUR, id="two_versions_within_an_hour"),
        pytest.param(
            [("AB", timedelta()), ("ABC", MINUTES_50), ("ABCD", 2 * MINUTES_50)],
            2 * MINUTES_50 + HOUR,
            id="three_versions_each_within_an_hour",
        ),
        pytest.param([("AB", timedelta()), ("ABC", DAY)], HOUR, id="a_later_version_gives_no_amnesty"),
        pytest.param([("AB", timedelta()), ("ABC", HOUR)], HOUR, id="a_version_at_that_very_moment_is_too_late"),
    ],
)
def test_opens_at(releases: list[tuple[str, timedelta]], expected: timedelta) -> None:
    """The settle window waits for versions in quick succession, and for nothing once the alert is open."""
    versions = history(("A", -99 * DAY), *releases)
    assert opens_at(versions, EAGER, LagClass.BLOCKING, T0) == T0 + expected


def test_nothing_opens_for_a_class_without_alerts() -> None:
    """An equivalent version never alerts."""
    assert opens_at(RESTORED, EAGER, LagClass.EQUIVALENT, T0) is None


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        pytest.param(
            told(BLOCKED, 99 * DAY, status=Status.AWAITING_APPROVAL),
            Reason.AWAITING_APPROVAL,
            id="public_app_pending_approval",
        ),
        pytest.param(told(BLOCKED, 99 * DAY, status=Status.NOT_CONNECTED), Reason.NOT_CONNECTED, id="never_connected"),
        pytest.param(
            told(BLOCKED, 99 * DAY, status=Status.NOT_CONNECTED, version=2),
            Reason.NOT_CONNECTED,
            id="never_connected_though_the_portal_prints_the_latest_version",
        ),
        pytest.param(told(BLOCKED, 99 * DAY, status=Status.DISABLED), Reason.DISABLED, id="disabled"),
        pytest.param(told(BLOCKED, 99 * DAY, status=Status.DISCONNECTED), Reason.DISCONNECTED, id="disconnected"),
        pytest.param(told(BLOCKED, 99 * DAY, status=Status.UNKNOWN), Reason.STATUS_UNKNOWN, id="status_unknown"),
        pytest.param(told(BLOCKED, 99 * DAY, app_deleted=True), Reason.APP_DELETED, id="app_deleted"),
        pytest.param(told(BLOCKED, 99 * DAY, version=9), Reason.NOT_JUDGED, id="version_above_the_latest"),
        pytest.param(told(BLOCKED, 99 * DAY, version=2), Reason.CURRENT, id="current"),
        pytest.param(told(RESTORED, 99 * DAY), Reason.EQUIVALENT, id="restored_scopes_equivalent"),
        pytest.param(
            told(BLOCKED, 99 * DAY, environment="integration"),
            Reason.ENVIRONMENT_NOT_WATCHED,
            id="integration_is_not_watched",
        ),
        pytest.param(told(BLOCKED, 13 * DAY), Reason.IN_GRACE, id="blocking_in_grace"),
        pytest.param(told(BLOCKED, -DAY), Reason.IN_GRACE, id="released_in_the_future_of_our_clock"),
        pytest.param(told(BLOCKED, HOUR / 2, policy=EAGER), Reason.SETTLING, id="settling"),
        pytest.param(told(BLOCKED, HOUR, policy=EAGER), Reason.FIRING, id="settled"),
        pytest.param(told(TRIMMED, 59 * DAY), Reason.IN_GRACE, id="trimming_in_grace"),
        pytest.param(told(TRIMMED, 60 * DAY), Reason.FIRING, id="trimming_fires"),
    ],
)
def test_explain(found: Explanation, reason: Reason) -> None:
    """Every state of a connection has its named reason, and only firing is firing."""
    assert found.reason is reason
    assert found.is_firing == (reason is Reason.FIRING)
    assert (found.severity is not None) == found.is_firing


def test_explain_says_since_when_until_when_and_how_severe() -> None:
    """A lag in grace says when it will alert; a firing one says since when and how severe it is."""
    opens = T0 + 14 * DAY
    kind = AlertKind.TENANT_LAGGING
    assert told(BLOCKED, DAY) == Explanation(Reason.IN_GRACE, kind, None, T0, opens)
    assert told(BLOCKED, 21 * DAY) == Explanation(Reason.FIRING, kind, Severity.WARNING, T0, opens)


def test_disabled_then_enabled_has_waited_all_along() -> None:
    """While a connection is disabled its clock runs on: enabled again, it alerts at its full age."""
    assert told(BLOCKED, 40 * DAY, status=Status.DISABLED).severity is None
    assert told(BLOCKED, 40 * DAY, status=Status.CONNECTED).severity is Severity.CRITICAL


def test_approval_overdue_after_a_week() -> None:
    """The portal approves weekly, so the developer is told after seven days."""
    assert approval_overdue_at(T0) == T0 + 7 * DAY


@given(POLICIES, st.lists(st.timedeltas(timedelta(), timedelta(days=40)), max_size=4), AGES, AGES)
def test_a_firing_alert_outlives_releases_and_time(
    policy: Policy, gaps: list[timedelta], at: timedelta, later: timedelta
) -> None:
    """What fires goes on firing, at no lower severity: as time passes, and after any further release."""
    versions, released_at = list(BLOCKED), T0
    for number, gap in enumerate(gaps, start=3):
        released_at += gap
        versions.append(ScopeVersion(number, frozenset("AB"), released_at))
    known = tuple(version for version in versions if version.released_at <= T0 + at)
    before = told(known, at, policy=policy)
    after = told(tuple(versions), at + later, policy=policy)
    if before.is_firing:
        assert after.is_firing
        assert after.since == before.since
        assert after.fires_at == before.fires_at
        assert after.severity is not None
        assert before.severity is not None
        assert after.severity >= before.severity
