"""When operators are told about a group of alerts: Alertmanager's decisions, in its order, and one of ours."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptake.cadence import NoticeReason, is_sent, notice_reason

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True)
class Group:
    """A group of alerts and what its receiver was told; the last notice and the oldest news are long ago."""

    firing: int = 0
    new_firing: int = 0
    escalated: int = 0
    unmuted: int = 0
    new_resolved: int = 0
    told_before: bool = False
    told_firing: int = 0
    last_at: datetime | None = None
    now: datetime = T0
    group_wait: timedelta = 30 * SECOND
    group_interval: timedelta = 5 * MINUTE
    repeat_interval: timedelta = 4 * HOUR
    opened_at: datetime | None = None
    send_resolved: bool = True
    quiet: int = 0


def told(
    told_firing: int,
    *,
    ago: timedelta = HOUR,
    firing: int = 0,
    new_firing: int = 0,
    escalated: int = 0,
    unmuted: int = 0,
    new_resolved: int = 0,
    opened: timedelta = HOUR,
    send_resolved: bool = True,
    group_interval: timedelta = 5 * MINUTE,
    repeat_interval: timedelta = 4 * HOUR,
    quiet: int = 0,
) -> Group:
    """A group whose receiver was told *ago* that *told_firing* alerts fire."""
    return Group(
        firing=firing,
        new_firing=new_firing,
        escalated=escalated,
        unmuted=unmuted,
        new_resolved=new_resolved,
        told_before=True,
        told_firing=told_firing,
        last_at=T0 - ago,
        opened_at=T0 - opened if new_firing else None,
        send_resolved=send_resolved,
        group_interval=group_interval,
        repeat_interval=repeat_interval,
        quiet=quiet,
    )


def unheard(*, firing: int = 0, new_resolved: int = 0, opened: timedelta = HOUR) -> Group:
    """A group whose receiver was never told anything."""
    return Group(firing=firing, new_firing=firing, new_resolved=new_resolved, opened_at=T0 - opened)


FIRST, NEW_ALERTS, ALL_RESOLVED, ESCALATED, MUTE_ENDED, NEW_RESOLVED, REPEAT = NoticeReason

ROWS = {
    # The nine rows of Alertmanager's DedupStageNeedsUpdate table (reliability.md L6).
    "no_entry_and_firing_is_first": (unheard(firing=2), FIRST),
    "no_entry_and_only_resolved_is_silent": (unheard(new_resolved=1), None),
    "another_firing_set_is_new_alerts": (told(2, firing=3, new_firing=1), NEW_ALERTS),
    "no_time_on_record_is_sent": (Group(firing=1, told_before=True, told_firing=1), REPEAT),
    "same_set_before_repeat_is_silent": (told(2, firing=2, ago=4 * HOUR - SECOND), None),
    "same_set_after_repeat_is_repeat": (told(2, firing=2, ago=4 * HOUR), REPEAT),
    "only_resolved_changed_and_nothing_firing_is_silent": (told(0, new_resolved=1), None),
    "new_resolved_and_wanted": (told(3, firing=2, new_resolved=1), NEW_RESOLVED),
    "all_resolved_even_if_resolutions_are_not_wanted": (told(2, send_resolved=False), ALL_RESOLVED),
    # The order of the reasons.
    "entry_without_firing_is_first_again": (told(0, firing=1, new_firing=1), FIRST),
    "new_alerts_before_escalated": (told(1, firing=2, new_firing=1, escalated=1), NEW_ALERTS),
    "new_alerts_before_new_resolved": (told(2, firing=2, new_firing=1, new_resolved=1), NEW_ALERTS),
    "escalated_before_new_resolved": (told(3, firing=2, escalated=1, new_resolved=1), ESCALATED),
    "escalated_before_mute_ended": (told(2, firing=2, escalated=1, unmuted=1), ESCALATED),
    "mute_ended_before_new_resolved": (told(3, firing=2, unmuted=1, new_resolved=1), MUTE_ENDED),
    "mute_ended_waits_for_nothing": (told(1, firing=1, unmuted=1, ago=SECOND), MUTE_ENDED),
    "nothing_told_waits_when_a_mute_ended": (
        told(1, firing=2, new_firing=1, unmuted=1, ago=SECOND, opened=SECOND),
        NEW_ALERTS,
    ),
    "all_resolved_before_new_resolved": (told(2, new_resolved=2), ALL_RESOLVED),
    "not_all_is_over_while_some_are_quiet": (told(2, new_resolved=1, quiet=3), NEW_RESOLVED),
    "nothing_is_said_of_who_is_quiet": (told(0, quiet=3), None),
    "new_resolved_not_wanted_is_silent": (told(3, firing=2, new_resolved=1, send_resolved=False), None),
    "new_resolved_not_wanted_still_repeats": (
        told(3, firing=2, new_resolved=1, send_resolved=False, ago=5 * HOUR),
        REPEAT,
    ),
    "nothing_firing_never_repeats": (told(0, ago=99 * HOUR), None),
    "empty_group_is_silent": (Group(), None),
    # The clocks.
    "first_waits_for_company": (unheard(firing=1, opened=29 * SECOND), None),
    "first_when_group_wait_is_over": (unheard(firing=1, opened=30 * SECOND), FIRST),
    "new_alerts_wait_for_the_interval": (
        told(1, firing=2, new_firing=1, ago=5 * MINUTE - SECOND, opened=2 * MINUTE),
        None,
    ),
    "new_alerts_at_the_interval": (
        told(1, firing=2, new_firing=1, ago=5 * MINUTE, opened=2 * MINUTE),
        NEW_ALERTS,
    ),
    "new_alerts_long_after_the_last_notice_wait_for_company": (
        told(1, firing=2, new_firing=1, opened=10 * SECOND),
        None,
    ),
    "escalation_waits_for_the_interval": (told(1, firing=1, escalated=1, ago=MINUTE), None),
    "escalation_at_the_interval": (told(1, firing=1, escalated=1, ago=5 * MINUTE), ESCALATED),
    "resolution_waits_for_the_interval": (told(1, ago=MINUTE), None),
    "repeat_is_rounded_up_to_whole_intervals": (
        told(1, firing=1, ago=14 * MINUTE, repeat_interval=12 * MINUTE),
        None,
    ),
    "repeat_on_the_rounded_interval": (
        told(1, firing=1, ago=15 * MINUTE, repeat_interval=12 * MINUTE),
        REPEAT,
    ),
    "repeat_without_an_interval": (
        told(1, firing=1, ago=12 * MINUTE, repeat_interval=12 * MINUTE, group_interval=timedelta()),
        REPEAT,
    ),
}


def decide(group: Group) -> NoticeReason | None:
    """What is decided about a group."""
    return notice_reason(**asdict(group))


@pytest.mark.parametrize(("group", "expected"), [pytest.param(*row, id=name) for name, row in ROWS.items()])
def test_notice_reason(group: Group, expected: NoticeReason | None) -> None:
    """Each situation has one reason, taken in Alertmanager's order, or none."""
    assert decide(group) is expected


@pytest.mark.parametrize("reason", NoticeReason)
def test_nobody_is_sent_a_resolution_they_did_not_ask_for(reason: NoticeReason) -> None:
    """A resolution is noted as told even where it is not sent, so that the next firing is news again (L5)."""
    assert is_sent(reason, send_resolved=True)
    assert is_sent(reason, send_resolved=False) == (reason not in {ALL_RESOLVED, NEW_RESOLVED})


def test_batches_in_the_order_of_the_clock() -> None:
    """One message for what opens together, one for what follows, then nothing until the repeat (G1)."""
    opened = [T0, T0 + 10 * SECOND, T0 + 70 * SECOND]
    told_at: datetime | None = None
    heard, notices = 0, []
    for seconds in range(0, 5 * 3600, 10):
        now = T0 + seconds * SECOND
        firing = [at for at in opened if at <= now]
        news = firing[heard:]
        reason = notice_reason(
            firing=len(firing),
            new_firing=len(news),
            escalated=0,
            unmuted=0,
            new_resolved=0,
            told_before=told_at is not None,
            told_firing=heard,
            last_at=told_at,
            now=now,
            group_wait=30 * SECOND,
            group_interval=5 * MINUTE,
            repeat_interval=4 * HOUR,
            opened_at=min(news, default=None),
            send_resolved=True,
        )
        if reason:
            notices.append((reason, seconds, len(firing)))
            told_at, heard = now, len(firing)
    assert notices == [(FIRST, 30, 2), (NEW_ALERTS, 330, 3), (REPEAT, 330 + 4 * 3600, 3)]


SPANS = st.timedeltas(timedelta(), 6 * HOUR)
COUNTS = st.integers(0, 3)


@given(COUNTS, SPANS, SPANS, SPANS, st.booleans())
def test_silent_when_nothing_changed(
    firing: int, ago: timedelta, interval: timedelta, repeat: timedelta, wanted: bool
) -> None:
    """With nothing new there is no notice but the repeat, and that one never before its time."""
    group = told(
        firing,
        firing=firing,
        ago=ago,
        group_interval=interval,
        repeat_interval=repeat,
        send_resolved=wanted,
    )
    reason = decide(group)
    assert reason in {None, REPEAT}
    assert reason is None or (firing > 0 and ago >= repeat)


@given(told_firing=COUNTS, firing=COUNTS, new=COUNTS, escalated=COUNTS, over=COUNTS, ago=SPANS, interval=SPANS)
def test_no_two_notices_within_an_interval(
    *, told_firing: int, firing: int, new: int, escalated: int, over: int, ago: timedelta, interval: timedelta
) -> None:
    """However much happens, a receiver that was told just now is left alone for one group interval."""
    group = told(
        told_firing,
        ago=ago,
        firing=firing,
        new_firing=min(new, firing),
        escalated=min(escalated, firing),
        new_resolved=over,
        group_interval=interval,
        repeat_interval=interval,
    )
    if decide(group):
        assert ago >= interval
