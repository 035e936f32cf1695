"""When to speak and when to look: reminders, working hours, polls and retries."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptake.cadence import (
    Hours,
    Pace,
    in_working_hours,
    next_open,
    next_poll,
    pace,
    reminder_due,
    retry_after,
    zone,
)
from uptake.policy import DEFAULT

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)  # a Monday
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OFFICE = (time(8), time(18))


@dataclass(frozen=True)
class Steps:
    """A reminder ladder of a test."""

    remind_days: tuple[int, ...] = (0, 3, 7, 14)
    remind_every: timedelta = 30 * DAY
    remind_cap: int = 6
    deadline: datetime | None = None
    deadline_days: tuple[int, ...] = ()


@pytest.mark.parametrize(
    ("sent", "last", "expected"),
    [
        pytest.param(0, None, timedelta(), id="first_at_once"),
        pytest.param(1, timedelta(), 3 * DAY, id="second_on_day_3"),
        pytest.param(2, 3 * DAY, 7 * DAY, id="third_on_day_7"),
        pytest.param(3, 7 * DAY, 14 * DAY, id="fourth_on_day_14"),
        pytest.param(4, 14 * DAY, 44 * DAY, id="then_monthly"),
        pytest.param(5, 44 * DAY, 74 * DAY, id="and_monthly_again"),
        pytest.param(6, 74 * DAY, None, id="cap_reached"),
        pytest.param(99, 74 * DAY, None, id="cap_lowered_meanwhile"),
        pytest.param(1, 20 * DAY, 23 * DAY, id="sent_late_does_not_bring_the_next_one_closer"),
        pytest.param(2, None, 7 * DAY, id="last_unknown"),
    ],
)
def test_reminders_follow_the_ladder(sent: int, last: timedelta | None, expected: timedelta | None) -> None:
    """Reminders come on the ladder's days, then ever so often, up to a cap; their gaps never shrink."""
    due = reminder_due(Steps(), T0, sent, None if last is None else T0 + last)
    assert due == (None if expected is None else T0 + expected)


def test_a_policy_is_a_ladder_and_may_have_no_days() -> None:
    """The policy itself is passed; without days the thread begins after one gap."""
    assert reminder_due(DEFAULT, T0, 1, T0) == T0 + 3 * DAY
    assert reminder_due(replace(DEFAULT, remind_days=()), T0, 0, None) == T0 + 30 * DAY


def at(text: str) -> datetime:
    """An instant written with its offset."""
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("moment", "tz", "hours", "expected"),
    [
        pytest.param("2026-03-02T09:00+00:00", "UTC", OFFICE, "2026-03-02T09:00+00:00", id="inside_stays"),
        pytest.param("2026-03-02T08:00+00:00", "UTC", OFFICE, "2026-03-02T08:00+00:00", id="opening_is_inside"),
        pytest.param("2026-03-02T18:00+00:00", "UTC", OFFICE, "2026-03-03T08:00+00:00", id="closing_is_outside"),
        pytest.param("2026-03-02T03:00+00:00", "UTC", OFFICE, "2026-03-02T08:00+00:00", id="early_waits_for_morning"),
        pytest.param("2026-03-06T18:30+00:00", "UTC", OFFICE, "2026-03-09T08:00+00:00", id="friday_evening_is_monday"),
        pytest.param("2026-03-07T12:00+00:00", "UTC", OFFICE, "2026-03-09T08:00+00:00", id="saturday_is_monday"),
        pytest.param("2026-03-07T12:00+00:00", "UTC", None, "2026-03-07T12:00+00:00", id="no_hours_no_wait"),
        pytest.param(
            "2026-03-02T09:00+00:00",
            "America/Los_Angeles",
            OFFICE,
            "2026-03-02T16:00+00:00",
            id="by_the_tenants_clock",
        ),
        pytest.param(
            "2026-03-06T22:00+00:00",
            "Pacific/Auckland",
            OFFICE,
            "2026-03-08T19:00+00:00",
            id="saturday_there_friday_here",
        ),
        pytest.param(
            "2026-03-28T12:00+00:00",
            "Europe/Berlin",
            OFFICE,
            "2026-03-30T06:00+00:00",
            id="clocks_go_forward_over_the_weekend",
        ),
        pytest.param(
            "2026-10-24T12:00+00:00",
            "Europe/Berlin",
            OFFICE,
            "2026-10-26T07:00+00:00",
            id="clocks_go_back_over_the_weekend",
        ),
        pytest.param(
            "2011-12-29T20:00-10:00",
            "Pacific/Apia",
            OFFICE,
            "2012-01-01T18:00+00:00",
            id="the_zone_skipped_that_friday",
        ),
        pytest.param(
            "2024-04-25T20:00+00:00",
            "Africa/Cairo",
            (time(0), time(6)),
            "2024-04-25T22:00+00:00",
            id="midnight_does_not_exist",
        ),
        pytest.param(
            "2021-09-21T19:40+00:00",
            "Asia/Tehran",
            (time(23, 30), time(23, 59)),
            "2021-09-21T20:00+00:00",
            id="the_hour_that_comes_twice_opens_twice",
        ),
        pytest.param(
            "2026-03-07T12:00+00:00",
            "UTC",
            (time(22), time(6)),
            "2026-03-09T00:00+00:00",
            id="hours_past_midnight_open_with_monday",
        ),
        pytest.param(
            "2026-03-02T12:00+00:00",
            "UTC",
            (time(22), time(6)),
            "2026-03-02T22:00+00:00",
            id="hours_past_midnight_open_at_night",
        ),
        pytest.param("2026-03-02T03:00+00:00", "Mars/Olympus", OFFICE, "2026-03-02T08:00+00:00", id="unknown_zone"),
        pytest.param("2026-03-02T03:00+00:00", None, OFFICE, "2026-03-02T08:00+00:00", id="no_zone"),
    ],
)
def test_next_open(moment: str, tz: str | None, hours: Hours | None, expected: str) -> None:
    """What falls outside the tenant's working hours waits for the next opening, by the tenant's wall clock."""
    opening = next_open(at(moment), tz, hours)
    assert opening == at(expected)
    assert opening.tzinfo is UTC


@pytest.mark.parametrize(
    "tz",
    ["", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "Europe", "a\x00b", "x" * 5000, "\udcff"],
    ids=["empty", "unknown", "traversal", "absolute", "folder", "nul", "endless", "surrogate"],
)
def test_a_bad_zone_is_utc(tz: str) -> None:
    """A zone name comes from a contact list: whatever it holds, the reminder still goes out."""
    assert zone(tz) is UTC


ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Africa/Casablanca",
        "Asia/Tehran",
        "Nowhere/Land",
    ]
)
TIMES = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
OPENINGS = st.tuples(st.times(), st.times())


@given(TIMES, ZONES, OPENINGS)
def test_next_open_is_the_first_moment_inside(moment: datetime, tz: str, hours: Hours) -> None:
    """The opening is inside the hours, never in the past, and asking again changes nothing."""
    opening = next_open(moment, tz, hours)
    assert in_working_hours(opening, tz, hours)
    assert opening >= moment
    assert next_open(opening, tz, hours) == opening
    assert opening.astimezone(zone(tz)).weekday() < 5
    before = opening - timedelta(microseconds=1)
    # Nothing is held that could have gone out at once.
    assert opening == moment or not in_working_hours(before, tz, hours)


@pytest.mark.parametrize(
    ("released", "changed", "expected"),
    [
        pytest.param(None, None, Pace.STEADY, id="nothing_known"),
        pytest.param(timedelta(), None, Pace.FRESH, id="released_now"),
        pytest.param(-HOUR, None, Pace.FRESH, id="released_in_the_future_of_our_clock"),
        pytest.param(DAY, None, Pace.YOUNG, id="released_a_day_ago"),
        pytest.param(3 * DAY, None, Pace.STEADY, id="released_three_days_ago"),
        pytest.param(7 * DAY, None, Pace.QUIET, id="nothing_for_a_week"),
        pytest.param(300 * DAY, 6 * DAY, Pace.STEADY, id="tenants_still_move"),
        pytest.param(300 * DAY, 7 * DAY, Pace.QUIET, id="tenants_hardly_move"),
        pytest.param(300 * DAY, 30 * DAY, Pace.DORMANT, id="nothing_for_a_month"),
    ],
)
def test_pace(released: timedelta | None, changed: timedelta | None, expected: Pace) -> None:
    """A young rollout is looked at more often, and an app where nothing moves less."""
    found = pace(
        newest_release_at=None if released is None else T0 - released,
        last_change_at=None if changed is None else T0 - changed,
        now=T0,
    )
    assert found is expected


@pytest.mark.parametrize(
    ("released", "base", "expected"),
    [
        pytest.param(timedelta(), 16 * MINUTE, 4 * MINUTE, id="fresh_is_four_times_as_often"),
        pytest.param(2 * DAY, 16 * MINUTE, 8 * MINUTE, id="young_is_twice_as_often"),
        pytest.param(4 * DAY, 16 * MINUTE, 16 * MINUTE, id="steady_is_as_set"),
        pytest.param(8 * DAY, 16 * MINUTE, 32 * MINUTE, id="quiet_is_half_as_often"),
        pytest.param(40 * DAY, 16 * MINUTE, 64 * MINUTE, id="dormant_is_a_quarter_as_often"),
        pytest.param(timedelta(), 2 * MINUTE, MINUTE, id="never_below_the_floor"),
        pytest.param(40 * DAY, 5 * HOUR, 6 * HOUR, id="never_above_the_ceiling"),
    ],
)
def test_next_poll(released: timedelta, base: timedelta, expected: timedelta) -> None:
    """The pace stretches the base cadence within its bounds."""
    every = next_poll(MINUTE, 6 * HOUR, base, newest_release_at=T0 - released, last_change_at=None, now=T0)
    assert every == expected


def test_retries_grow_and_end() -> None:
    """Nine growing waits, 75 hours and 35 minutes in all, then it is given up; no number of tries overflows."""
    waits = [retry_after(attempts) for attempts in range(1, 10)]
    known = [wait for wait in waits if wait is not None]
    assert known == sorted(known)
    assert sum(known, timedelta()) == 75 * HOUR + 35 * MINUTE + timedelta(seconds=5)
    assert retry_after(0) == timedelta()
    assert retry_after(10) is None
    assert retry_after(10**9) is None
