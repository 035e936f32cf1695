"""When to speak and when to look: reminders, working hours, notices, polls and retries."""

import enum
import zoneinfo
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Protocol

# Monday to Friday, as `date.weekday` counts.
WORKDAYS = range(5)
# Far enough to leave a weekend and a day that a zone skipped behind.
SEARCH_DAYS = 9

RETRIES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)

Hours = tuple[time, time]


class Ladder(Protocol):
    """The steps of a reminder thread; a policy is one."""

    @property
    def remind_days(self) -> tuple[int, ...]:
        """Days after the opening on which the first reminders are due."""

    @property
    def remind_every(self) -> timedelta:
        """The gap between reminders after those days."""

    @property
    def remind_cap(self) -> int:
        """How many of them are sent in all."""

    @property
    def deadline(self) -> datetime | None:
        """When what is reminded of has to be done."""

    @property
    def deadline_days(self) -> tuple[int, ...]:
        """Days before the deadline on which a reminder is due whatever else was sent."""


class NoticeReason(enum.StrEnum):
    """Why operators are told about a group of alerts now."""

    FIRST = "first"
    NEW_ALERTS = "new_alerts"
    ALL_RESOLVED = "all_resolved"
    ESCALATED = "escalated"
    MUTE_ENDED = "mute_ended"
    NEW_RESOLVED = "new_resolved"
    REPEAT = "repeat"


class Pace(enum.StrEnum):
    """Why an app is polled as often as it is."""

    FRESH = "fresh"  # released within a day
    YOUNG = "young"  # released within three days
    STEADY = "steady"
    QUIET = "quiet"  # nothing moved for a week
    DORMANT = "dormant"  # nothing moved for a month


_FACTOR = {Pace.FRESH: 0.25, Pace.YOUNG: 0.5, Pace.STEADY: 1, Pace.QUIET: 2, Pace.DORMANT: 4}


def reminder_due(ladder: Ladder, opened_at: datetime, sent: int, last_sent_at: datetime | None) -> datetime | None:
    """When the next reminder of a thread is due; None once the cap is reached and no deadline is ahead.

    A reminder that went out late pushes the next one back: the gaps never shrink, but before a deadline.
    """
    steps = [_ladder_due(ladder, opened_at, sent, last_sent_at)]
    if sent:
        steps.append(_deadline_due(ladder, last_sent_at or opened_at))
    return min((at for at in steps if at is not None), default=None)


def in_working_hours(at: datetime, tz: str | None, hours: Hours | None) -> bool:
    """Whether *at* is a working hour, Monday to Friday, on the wall clock of *tz*; without *hours*, always."""
    return hours is None or _is_open(at.astimezone(zone(tz)), hours)


def next_open(at: datetime, tz: str | None, hours: Hours | None) -> datetime:
    """The first moment from *at* on that is inside *hours* on the wall clock of *tz*, in UTC."""
    if hours is None or in_working_hours(at, tz, hours):
        return at.astimezone(UTC)
    return min(opening for opening in _openings(at, zone(tz), hours) if opening >= at)


@lru_cache(maxsize=1024)
def zone(tz: str | None) -> tzinfo:
    """The time zone called *tz*; UTC when there is no such zone."""
    try:
        return zoneinfo.ZoneInfo(tz) if tz else UTC
    except (LookupError, ValueError, OSError):
        # Zone names come from contact lists, and zoneinfo reads them as paths.
        return UTC


def notice_reason(  # noqa: PLR0913 - a decision takes what it rests on
    *,
    firing: int,
    new_firing: int,
    escalated: int,
    unmuted: int,
    new_resolved: int,
    told_before: bool,
    told_firing: int,
    last_at: datetime | None,
    now: datetime,
    group_wait: timedelta,
    group_interval: timedelta,
    repeat_interval: timedelta,
    opened_at: datetime | None,
    send_resolved: bool,
    quiet: int = 0,
) -> NoticeReason | None:
    """What the group has to say to a receiver now, given what it was told before; None: nothing, or not yet.

    *new_firing* and *new_resolved* are alerts whose opening or resolution this receiver has not been told, *unmuted*
    are those that were told, then quiet for a while, and fire still. What fires and is *quiet* now counts nowhere, but
    while there is any, not all is over.
    *opened_at* is when the oldest of the new ones opened. ALL_RESOLVED is said of a receiver without
    *send_resolved* too, so that what it was told is brought up to date: ask `is_sent` before sending.
    """
    reason = _change(
        firing=firing,
        new_firing=new_firing,
        escalated=escalated,
        unmuted=unmuted,
        new_resolved=new_resolved if send_resolved else 0,
        told_firing=told_firing if told_before else None,
        quiet=quiet,
    )
    if reason is None:
        due = told_before and firing and repeat_at(last_at, group_interval, repeat_interval) <= now
        return NoticeReason.REPEAT if due else None
    # Who waited for the end of a mute has waited enough.
    if unmuted:
        return reason
    waits = [last_at + group_interval] if last_at is not None else []
    if reason in {NoticeReason.FIRST, NoticeReason.NEW_ALERTS} and opened_at is not None:
        waits.append(opened_at + group_wait)
    return reason if max(waits, default=now) <= now else None


def repeat_at(last_at: datetime | None, every: timedelta, repeat: timedelta) -> datetime:
    """When a group that stays as it is may be told of again: a repeat waits for a whole number of intervals."""
    if last_at is None:
        # Told, but nobody knows when: say it again rather than never.
        return datetime.min.replace(tzinfo=UTC)
    return last_at + (every * -(-repeat // every) if every else repeat)


def is_looked_after(*, firing: int, quiet: int, acknowledged: int) -> bool:
    """Whether all of a group that fires is acknowledged, and all of that was told of."""
    return not firing and 0 < acknowledged == quiet


def is_sent(reason: NoticeReason, *, send_resolved: bool) -> bool:
    """Whether a notice goes out, or is only noted as told: nobody is sent a resolution they did not ask for."""
    return send_resolved or reason not in {NoticeReason.ALL_RESOLVED, NoticeReason.NEW_RESOLVED}


def pace(*, newest_release_at: datetime | None, last_change_at: datetime | None, now: datetime) -> Pace:
    """How busy an app is: a young rollout moves, an old one hardly."""
    if newest_release_at is not None and now - newest_release_at < timedelta(days=3):
        return Pace.FRESH if now - newest_release_at < timedelta(days=1) else Pace.YOUNG
    moved = [at for at in (newest_release_at, last_change_at) if at is not None]
    if not moved or now - max(moved) < timedelta(days=7):
        return Pace.STEADY
    return Pace.QUIET if now - max(moved) < timedelta(days=30) else Pace.DORMANT


def next_poll(
    floor: timedelta,
    ceiling: timedelta,
    base: timedelta,
    *,
    newest_release_at: datetime | None,
    last_change_at: datetime | None,
    now: datetime,
) -> timedelta:
    """How long until the next poll: *base* at the app's pace, never outside *floor* and *ceiling*."""
    busy = pace(newest_release_at=newest_release_at, last_change_at=last_change_at, now=now)
    return max(floor, min(ceiling, base * _FACTOR[busy]))


def retry_after(attempts: int) -> timedelta | None:
    """How long to wait after so many failed *attempts*, 75 hours in all; None when it is time to give up."""
    if attempts < 1:
        return timedelta()
    return RETRIES[attempts - 1] if attempts <= len(RETRIES) else None


def _ladder_due(ladder: Ladder, opened_at: datetime, sent: int, last_sent_at: datetime | None) -> datetime | None:
    if sent >= ladder.remind_cap:
        return None
    due = opened_at + _step(ladder, sent)
    if sent == 0 or last_sent_at is None:
        return due
    return max(due, last_sent_at + _step(ladder, sent) - _step(ladder, sent - 1))


def _deadline_due(ladder: Ladder, last_sent_at: datetime) -> datetime | None:
    """The next of the days before the deadline, counted from the last reminder."""
    if ladder.deadline is None:
        return None
    days = (ladder.deadline - timedelta(days=days) for days in ladder.deadline_days)
    return min((day for day in days if day > last_sent_at), default=None)


def _step(ladder: Ladder, step: int) -> timedelta:
    """How long after the opening the step is due, counted from 0."""
    days = ladder.remind_days
    if step < len(days):
        return timedelta(days=days[step])
    last = timedelta(days=days[-1]) if days else timedelta()
    return last + ladder.remind_every * (step - len(days) + 1)


def _is_open(local: datetime, hours: Hours) -> bool:
    start, end = hours
    clock = local.time()
    # An end at or before the start means past midnight; the day that counts is the one on the wall.
    inside = start <= clock < end if start < end else (clock >= start or clock < end)
    return inside and local.weekday() in WORKDAYS


def _openings(at: datetime, tz: tzinfo, hours: Hours) -> list[datetime]:
    """Every moment of the days after *at* at which the hours may begin, in UTC.

    Both readings of a wall time are tried: on the night the clocks go back it comes twice, and on the night
    they go forward it may not come at all. What is not open by the wall clock is dropped.
    """
    today = at.astimezone(tz).date()
    days = [today + timedelta(days=ahead) for ahead in range(SEARCH_DAYS)]
    walls = [datetime.combine(day, clock, tz) for day in days for clock in (time(), hours[0])]
    moments = [wall.replace(fold=fold).astimezone(UTC) for wall in walls for fold in (0, 1)]
    return [moment for moment in moments if _is_open(moment.astimezone(tz), hours)]


def _change(
    *,
    firing: int,
    new_firing: int,
    escalated: int,
    unmuted: int,
    new_resolved: int,
    told_firing: int | None,
    quiet: int,
) -> NoticeReason | None:
    """What changed since the receiver was told; *told_firing* is None when it never was."""
    if not told_firing and new_firing and firing:
        return NoticeReason.FIRST
    if told_firing is None:
        return NoticeReason.FIRST if firing else None
    if new_firing:
        return NoticeReason.NEW_ALERTS
    if not firing and not quiet:
        # Opened and resolved unheard: whoever was told of nothing need not hear that it is over.
        return NoticeReason.ALL_RESOLVED if told_firing else None
    changes = (
        (escalated, NoticeReason.ESCALATED),
        (unmuted, NoticeReason.MUTE_ENDED),
        (new_resolved, NoticeReason.NEW_RESOLVED),
    )
    return next((reason for count, reason in changes if count), None)
