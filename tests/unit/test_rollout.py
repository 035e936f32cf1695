"""Whether a rollout is behind its target or has stalled, as tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from uptake.policy import DEFAULT, Policy, Target
from uptake.rollout import Progress, asked_at, asks, missed, stalls_at
from uptake.versions import ScopeVersion

NOW, DAY = datetime(2026, 3, 1, tzinfo=UTC), timedelta(days=1)
EARLY, LATE = Target(0.5, 7 * DAY), Target(0.95, 21 * DAY)
POLICY = replace(DEFAULT, targets=(EARLY, LATE), min_audience=10, stalled_after=14 * DAY)
A, B = "tn.crm.customers:r", "tn.jpm.jobs:r"
HISTORY = (ScopeVersion(1, frozenset({A}), NOW - 90 * DAY), ScopeVersion(2, frozenset({A, B}), NOW - 30 * DAY))


@pytest.mark.parametrize(
    ("connected", "late", "target"),
    [
        pytest.param(100, (0, 0), None, id="nobody_late"),
        pytest.param(100, (50, 5), None, id="just_met"),
        pytest.param(100, (51, 5), EARLY, id="one_too_many_for_the_early_one"),
        pytest.param(100, (50, 6), LATE, id="one_too_many_for_the_late_one"),
        pytest.param(100, (60, 60), LATE, id="the_last_due_is_told"),
        pytest.param(10, (10, 10), LATE, id="just_enough_to_tell"),
        pytest.param(9, (9, 9), None, id="too_few_to_tell"),
        pytest.param(0, (0, 0), None, id="nobody_at_all"),
        pytest.param(1, (1, 1), None, id="private_app_of_one_tenant"),
        pytest.param(20, (0, 1), None, id="one_of_twenty_is_five_percent"),
        pytest.param(20, (0, 2), LATE, id="two_of_twenty_are_more"),
    ],
)
def test_missed(connected: int, late: tuple[int, int], target: Target | None) -> None:
    """A target is missed when more are late than it leaves behind."""
    assert missed(POLICY, Progress(connected, late[0], late, None)) == target


def test_no_target_is_never_missed() -> None:
    """Whoever sets none is told of single tenants only."""
    assert missed(replace(POLICY, targets=()), Progress(100, 100, (), None)) is None


@pytest.mark.parametrize(
    ("blocking", "moved_at", "stalls"),
    [
        pytest.param(50, None, NOW - 16 * DAY, id="nobody_ever_moved_since_the_release"),
        pytest.param(50, NOW - 2 * DAY, NOW + 12 * DAY, id="since_the_last_who_moved"),
        pytest.param(50, NOW - 60 * DAY, NOW - 16 * DAY, id="who_moved_before_the_release_does_not_count"),
        pytest.param(5, None, None, id="the_goal_is_reached"),
        pytest.param(6, None, NOW - 16 * DAY, id="the_goal_is_not_reached"),
        pytest.param(0, None, None, id="nobody_lags"),
    ],
)
def test_stalls(blocking: int, moved_at: datetime | None, stalls: datetime | None) -> None:
    """An unfinished rollout stalls when nobody accepts for a while."""
    assert stalls_at(POLICY, Progress(100, blocking, (0, 0), moved_at), HISTORY) == stalls


@pytest.mark.parametrize("policy", [replace(POLICY, stalled_after=timedelta()), replace(POLICY, min_audience=101)])
def test_never_stalls(policy: Policy) -> None:
    """Where that is turned off, or there are too few tenants."""
    assert stalls_at(policy, Progress(100, 50, (0, 0), None), HISTORY) is None


def test_stalls_without_a_target_while_anybody_lags() -> None:
    """The goal is everybody then."""
    policy = replace(POLICY, targets=())
    assert stalls_at(policy, Progress(100, 1, (), None), HISTORY) == NOW - 16 * DAY
    assert stalls_at(policy, Progress(100, 1, (), None), ()) is None


def test_what_asks_for_nothing_new_sets_no_clock() -> None:
    """A version that only withdraws scopes, or has the same, is no release to count from."""
    same = ScopeVersion(3, frozenset({A, B}), NOW - 3 * DAY)
    less = ScopeVersion(4, frozenset({A}), NOW - 2 * DAY)
    again = ScopeVersion(5, frozenset({A, B}), NOW - DAY)
    assert asks((*HISTORY, same, less)) == [NOW - 90 * DAY, NOW - 30 * DAY]
    assert asked_at((*HISTORY, same, less)) == NOW - 30 * DAY
    assert asked_at((*HISTORY, same, less, again)) == NOW - DAY
    assert asked_at(()) is None
