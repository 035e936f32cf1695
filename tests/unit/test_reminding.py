"""Whether a thread's reminder goes out now, to whom, and if not, why and until when: one row for each case."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from uptake.policy import Policy
from uptake.reminding import Contact, Held, Hold, Thread, Turn, due, turn

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
FIRST, SECOND, THIRD = (Contact(number, f"{number}@b.example") for number in (1, 2, 3))
POLICY = Policy(reminders="tenants", remind_next_contact_after=2)
THREAD = Thread(
    opened_at=NOON,
    sent=0,
    last_sent_at=None,
    not_before=None,
    exact_at=NOON,
    time_zone=None,
    contacts=(FIRST, SECOND, THIRD),
)


@pytest.mark.parametrize(
    ("thread", "policy", "expected"),
    [
        pytest.param({}, {}, Turn(FIRST, False), id="R1_first"),
        pytest.param({}, {"reminders": ""}, Hold(Held.REMINDERS_OFF, NOON + DAY), id="R2_off"),
        pytest.param({"opened_at": NOON + HOUR}, {}, Hold(Held.NOT_DUE, NOON + HOUR), id="R3_not_yet"),
        pytest.param({"not_before": NOON + HOUR}, {}, Hold(Held.NOT_DUE, NOON + HOUR), id="R4_settling"),
        pytest.param({"sent": 12, "last_sent_at": NOON - 9 * DAY}, {}, Hold(Held.ENOUGH, None), id="R5_cap"),
        pytest.param({"exact_at": None}, {}, Hold(Held.DATA_STALE, NOON + HOUR / 4), id="R6_never_read"),
        pytest.param({"exact_at": NOON - 7 * HOUR}, {}, Hold(Held.DATA_STALE, NOON + HOUR / 4), id="R7_old"),
        pytest.param({"exact_at": NOON - 6 * HOUR}, {}, Turn(FIRST, False), id="R8_just_fresh"),
        pytest.param({"contacts": ()}, {}, Hold(Held.NO_CONTACT, NOON + DAY), id="R9_nobody"),
        pytest.param(
            {"time_zone": "Asia/Tokyo"},
            {"working_hours": (time(8), time(18))},
            Hold(Held.OUTSIDE_WORKING_HOURS, datetime(2026, 3, 2, 23, tzinfo=UTC)),
            id="R10_evening_there",
        ),
    ],
)
def test_turn(thread: dict[str, object], policy: dict[str, object], expected: Turn | Hold) -> None:
    """Each reason holds by itself, with the moment to look again."""
    given, chosen = replace(THREAD, **thread), replace(POLICY, **policy)  # type: ignore[arg-type]  # of this table
    assert turn(given, chosen, now=NOON, is_exempt=False) == expected


def test_exempt_before_all_else() -> None:
    """Who is exempt is not reminded, whatever else holds."""
    assert turn(THREAD, POLICY, now=NOON, is_exempt=True) == Hold(Held.EXEMPT, NOON + HOUR / 4)


@pytest.mark.parametrize(
    ("sent", "every", "expected"),
    [
        pytest.param(1, 2, Turn(FIRST, False), id="R11_second_time"),
        pytest.param(2, 2, Turn(SECOND, True), id="R12_nobody_answered"),
        pytest.param(4, 2, Turn(THIRD, True), id="R13_nor_did_the_second"),
        pytest.param(8, 2, Turn(THIRD, True), id="R14_the_last_goes_on"),
        pytest.param(8, 0, Turn(FIRST, False), id="R15_never_another"),
    ],
)
def test_next_contact(sent: int, every: int, expected: Turn) -> None:
    """After so many reminders without an answer somebody else is written to."""
    thread = replace(THREAD, opened_at=NOON - 400 * DAY, sent=sent, last_sent_at=NOON - 99 * DAY)
    policy = replace(POLICY, remind_next_contact_after=every)
    assert turn(thread, policy, now=NOON, is_exempt=False) == expected


@pytest.mark.parametrize(
    ("sent", "ago", "ahead", "expected"),
    [
        pytest.param(2, 2, 30, 2, id="D1_far_off_the_ladder_goes_on"),
        pytest.param(4, 1, 15, 1, id="D2_two_weeks_before"),
        pytest.param(4, 1, 10, 3, id="D3_a_week_before"),
        pytest.param(12, 1, 4, 1, id="D4_beyond_the_cap"),
        pytest.param(12, 1, 0, None, id="D5_past_it"),
        pytest.param(4, 1, -5, 29, id="D6_then_the_ladder"),
    ],
)
def test_deadline(sent: int, ago: int, ahead: int, expected: int | None) -> None:
    """Towards a deadline reminders come 14, 7, 3 and 1 day before it, whatever the ladder says; days from now."""
    policy = replace(POLICY, deadline=NOON + ahead * DAY)
    thread = replace(THREAD, opened_at=NOON - 15 * DAY, sent=sent, last_sent_at=NOON - ago * DAY)
    if sent == 2:
        thread = replace(thread, opened_at=NOON - 5 * DAY)
    found = due(thread, policy)
    assert found == (None if expected is None else NOON + expected * DAY)
