"""Recurring quiet: inside or not, and until when, on the wall clock of a place."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptake.mutes import LONGEST, Mute, muted_until, turns_at

BERLIN = "Europe/Berlin"
NIGHT = Mute(name="night", hours=(time(22), time(6)), time_zone=BERLIN)
WEEKEND = Mute(name="weekend", days=(5, 6), time_zone=BERLIN)
FRIDAY_NIGHT = Mute(name="friday", days=(4,), hours=(time(22), time(6)), time_zone=BERLIN)

EARLY = Mute(name="early", hours=(time(2, 30), time(4)), time_zone=BERLIN)
LATE = Mute(name="late", hours=(time(1), time(2, 30)), time_zone=BERLIN)


def at(text: str) -> datetime:
    """A moment by the wall clock in Berlin."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN)).astimezone(UTC)


@pytest.mark.parametrize(
    ("mute", "now", "until"),
    [
        pytest.param(NIGHT, "2026-03-02T21:59", None, id="M1_before_it"),
        pytest.param(NIGHT, "2026-03-02T22:00", "2026-03-03T06:00", id="M2_it_begins"),
        pytest.param(NIGHT, "2026-03-03T05:59", "2026-03-03T06:00", id="M3_past_midnight"),
        pytest.param(NIGHT, "2026-03-03T06:00", None, id="M4_it_is_over"),
        pytest.param(WEEKEND, "2026-03-07T00:00", "2026-03-09T00:00", id="M5_two_days_are_one"),
        pytest.param(WEEKEND, "2026-03-06T23:59", None, id="M6_friday"),
        pytest.param(FRIDAY_NIGHT, "2026-03-07T05:00", "2026-03-07T06:00", id="M7_belongs_to_the_day_it_begins"),
        pytest.param(FRIDAY_NIGHT, "2026-03-06T05:00", None, id="M8_not_the_morning_of_that_day"),
        pytest.param(NIGHT, "2026-03-29T01:30", "2026-03-29T06:00", id="M9_the_clocks_go_forward"),
        pytest.param(NIGHT, "2026-10-25T01:30", "2026-10-25T06:00", id="M10_the_clocks_go_back"),
        pytest.param(WEEKEND, "2026-03-28T12:00", "2026-03-30T00:00", id="M11_a_weekend_of_47_hours"),
        pytest.param(EARLY, "2026-03-29T03:30", "2026-03-29T04:00", id="M12_begins_within_what_is_skipped"),
        pytest.param(EARLY, "2026-03-29T03:00", "2026-03-29T04:00", id="M13_begins_at_the_jump"),
        pytest.param(LATE, "2026-03-29T01:59", "2026-03-29T03:00", id="M14_ends_within_what_is_skipped"),
        pytest.param(LATE, "2026-03-29T03:00", None, id="M15_is_over_at_the_jump"),
    ],
)
def test_muted(mute: Mute, now: str, until: str | None) -> None:
    """Each by the wall clock there."""
    assert muted_until(mute, at(now)) == (at(until) if until else None)


@pytest.mark.parametrize(
    ("mute", "after", "turn"),
    [
        pytest.param(NIGHT, "2026-03-02T12:00", "2026-03-02T22:00", id="M20_it_opens"),
        pytest.param(NIGHT, "2026-03-02T22:00", "2026-03-03T06:00", id="M21_it_closes"),
        pytest.param(WEEKEND, "2026-03-02T12:00", "2026-03-07T00:00", id="M22_days_ahead"),
        pytest.param(FRIDAY_NIGHT, "2026-03-07T06:00", "2026-03-13T22:00", id="M23_a_week_later"),
        pytest.param(Mute(name="never", days=()), "2026-03-02T12:00", None, id="M24_on_no_day"),
    ],
)
def test_turns(mute: Mute, after: str, turn: str | None) -> None:
    """When a window opens or closes next."""
    assert turns_at(mute, at(after)) == (at(turn) if turn else None)


def test_what_comes_twice_is_over_the_second_time() -> None:
    """On the night the clocks go back a quiet until half past two lasts until the second half past two."""
    for hour in (0, 1):
        now = datetime(2026, 10, 25, hour, 15, tzinfo=UTC)
        assert muted_until(LATE, now) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert muted_until(LATE, datetime(2026, 10, 25, 1, 30, tzinfo=UTC)) is None


def test_always_quiet_is_looked_at_again() -> None:
    """What never ends says a day on which to look again."""
    now = at("2026-03-02T12:00")
    until = muted_until(Mute(name="always"), now)
    assert until is not None
    assert now + LONGEST <= until <= now + LONGEST + timedelta(days=1)


@given(
    st.sets(st.integers(0, 6), min_size=1, max_size=6),
    st.none() | st.tuples(st.times(), st.times()).filter(lambda hours: hours[0] != hours[1]),
    st.sampled_from([None, BERLIN, "America/Chicago", "Asia/Kolkata", "Australia/Lord_Howe"]),
    st.timedeltas(timedelta(), timedelta(days=730)).map(lambda ahead: datetime(2026, 1, 1, tzinfo=UTC) + ahead),
)
def test_it_is_quiet_until_it_is_not(
    days: set[int], hours: tuple[time, time] | None, zone: str | None, now: datetime
) -> None:
    """Up to the end all is quiet, and at the end it is not, unless the quiet is as long as is looked ahead."""
    mute = Mute(name="any", days=tuple(sorted(days)), hours=hours, time_zone=zone)
    until = muted_until(mute, now)
    if until is None:
        return
    assert now < until
    assert muted_until(mute, until - timedelta(microseconds=1)) == until
    assert muted_until(mute, until) is None or until >= now + LONGEST
