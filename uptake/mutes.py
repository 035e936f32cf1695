"""Hours that come again every week, in which nobody is told of some alerts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from uptake.cadence import Hours, zone
from uptake.policy import AlertKind
from uptake.wildcards import fits

# Windows that join to more than this have no end worth waiting for: they are looked at again.
LONGEST = timedelta(days=8)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mute:
    """When it is quiet, by the wall clock of *time_zone*, and about what; in each text, * stands for anything.

    A window begins on one of *days* (0 is Monday) and has *hours*, which may go past midnight; None: all of the day.
    """

    name: str
    days: tuple[int, ...] = tuple(range(7))
    hours: Hours | None = None
    time_zone: str | None = None
    source: str = "*"
    app: str = "*"  # as source:id
    tenant: str = "*"
    environment: str = "*"
    kind: str = "*"
    labels: tuple[tuple[str, str], ...] = ()

    def is_about(self, *, labels: Mapping[str, str], **names: str) -> bool:
        """Whether it is about an alert of a tenant with these *labels*; *names* are its source, app and so on."""
        return all(fits(getattr(self, key), name) for key, name in names.items()) and all(
            labels.get(key) == value for key, value in self.labels
        )


@dataclass(frozen=True, slots=True)
class Muted:
    """That nobody is told now, by which mute, and until when."""

    by: str
    until: datetime


def strange_kind(kind: str) -> str | None:
    """What to say of a *kind*, in which * stands for anything, that no alert has; None: some have it."""
    if any(fits(kind, one) for one in AlertKind):
        return None
    return f"No alert is of kind {kind}: they are of {', '.join(AlertKind)}."


def muted_until(mute: Mute, now: datetime) -> datetime | None:
    """When the quiet ends in which *now* is, in UTC; None: it is not quiet. Windows without a gap are one."""
    windows = sorted(_windows(mute, now))
    end = max((closes for opens, closes in windows if opens <= now < closes), default=None)
    if end is None:
        return None
    for opens, closes in windows:
        if opens <= end < closes and end < now + LONGEST:
            end = closes
    return end


def turns_at(mute: Mute, after: datetime) -> datetime | None:
    """When one of its windows opens or closes next *after* then, in UTC; None: not within a week."""
    return min((turn for window in _windows(mute, after) for turn in window if turn > after), default=None)


def _windows(mute: Mute, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Every window of the days around *now*, as [opens, closes) in UTC."""
    tz = zone(mute.time_zone)
    today = now.astimezone(tz).date()
    opens, closes = mute.hours or (time(), time())
    for ahead in range(-2, LONGEST.days + 2):
        day = today + timedelta(days=ahead)
        if day.weekday() in mute.days:
            last = day if opens < closes else day + timedelta(days=1)
            yield _reached(datetime.combine(day, opens, tz)), _reached(datetime.combine(last, closes, tz))


def _reached(wall: datetime) -> datetime:
    """When the clock on the wall shows *wall* or later, in UTC: of two such moments the later one.

    A time that comes twice has passed when it has for the second time; one that is skipped has at the jump.
    """
    first, second = (wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if first <= second:
        return second
    # Skipped: read by the offset before the jump it lies behind it, by the one after it, before.
    return next(
        moment
        for minutes in range(int((first - second) / timedelta(minutes=1)) + 1)
        if (moment := second + timedelta(minutes=minutes)).astimezone(wall.tzinfo).replace(tzinfo=None)
        >= wall.replace(tzinfo=None)
    )
