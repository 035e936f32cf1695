"""Figures as static/charts.js draws them, each with the words and the table that say the same. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from dashboard.words import percent
from models.queries.readings import Hour
from models.queries.rollouts import Uptake, Version
from models.queries.upgrades import Expected, TimeToUpgrade
from uptake.forecast import Outcome

# The latest version, the four before it, and from then on no difference is seen.
SHADES = 5
_DAY = 86_400
_FAR = timedelta(days=60)  # drawn of a span without an end
FEWEST = 4


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture: *spec* for the script, *summary* and the table for who sees no picture."""

    name: str
    summary: str
    spec: dict[str, Any]
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def figures(self) -> str:
        """What the script reads; no text of it ends the element it stands in."""
        return json.dumps(self.spec, separators=(",", ":")).replace("<", "\\u003c")


def adoption_figure(curves: Sequence[Uptake], versions: Sequence[Version], *, as_share: bool) -> Figure | None:
    """Who ran which version day by day, stacked with the latest at the bottom; None when nobody ran any."""
    if not curves:
        return None
    days, first = len(curves[0].tenants), curves[0].first
    totals = [sum(day) for day in zip(*(curve.tenants for curve in curves), strict=True)]
    newest_first = sorted(curves, key=lambda curve: -curve.version)
    latest = max((version.number for version in versions), default=newest_first[0].version)
    shift = newest_first[0].version != latest  # a latest version that nobody runs leaves its colour to nobody else
    series = [
        {
            "label": called(curve.version),
            "colour": f"v{min(rank + shift, SHADES - 1)}",
            "values": _shares(curve.tenants, totals) if as_share else list(curve.tenants),
        }
        for rank, curve in enumerate(newest_first)
    ]
    x = [_seconds(first + timedelta(days=day)) for day in range(days)]
    marks = [
        {"x": version.released_at.timestamp(), "label": f"v{version.number}"}
        for version in sorted(versions, key=lambda version: version.number)
        if x[0] < version.released_at.timestamp() <= x[-1]
    ]
    now = next((curve.tenants[-1] for curve in newest_first if curve.version == latest), 0)
    summary = f"{now} of {totals[-1]} connected tenants run version {latest} at the end of these {days} days"
    spec = {"x": x, "time": True, "stack": True, "series": series, "marks": marks, "unit": "%" if as_share else ""}
    return Figure(
        "adoption",
        summary,
        spec | ({"top": 1} if as_share else {}),
        ["Day", *(called(curve.version) for curve in newest_first)],
        [
            [f"{first + timedelta(days=day)}", *(str(curve.tenants[day]) for curve in newest_first)]
            for day in _spread(days)
        ],
    )


def durations_figure(hours: Sequence[Hour], *, now: datetime) -> Figure | None:
    """How long polls took within the last day, hour by hour; None when too few hours had any to make a line."""
    if len(hours) < FEWEST:
        return None
    known = {hour.begins: hour for hour in hours}
    last = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    begins = [last - timedelta(hours=before) for before in range(24, -1, -1)]
    begins = [at for at in begins if at >= hours[0].begins]
    lines = (("Median, in seconds", "median_seconds", "v0"), ("One of twenty takes longer", "slow_seconds", "bad"))
    series = [
        {
            "label": label,
            "colour": colour,
            "values": [round(getattr(known[at], name), 3) if at in known else None for at in begins],
        }
        for label, name, colour in lines
    ]
    slowest = max(hours, key=lambda hour: hour.slow_seconds)
    summary = (
        f"Half of the polls of the hour from {hours[-1].begins:%H:%M} UTC on took {hours[-1].median_seconds:.2g} s or"
        f" less; the slowest hour began at {slowest.begins:%H:%M} UTC, in which one of twenty took"
        f" {slowest.slow_seconds:.2g} s or more"
    )
    rows = [
        [f"{hour.begins:%m-%d %H:%M}", str(hour.polls), f"{hour.median_seconds:.3f}", f"{hour.slow_seconds:.3f}"]
        for hour in hours
    ]
    spec = {"x": [int(at.timestamp()) for at in begins], "time": True, "series": series, "unit": ""}
    return Figure("durations", summary, spec, ["Hour (UTC)", "Polls", "Median (s)", "Of twenty the slowest (s)"], rows)


def called(version: int | None) -> str:
    """A version as people say it; 0 or None: the portal did not tell."""
    return f"v{version}" if version else "not told"


def _shares(tenants: Sequence[int], totals: Sequence[int]) -> list[float]:
    # Rounded down: 1 means everybody.
    return [some * 10_000 // total / 10_000 if total else 0.0 for some, total in zip(tenants, totals, strict=True)]


def _spread(days: int, most: int = 14) -> list[int]:
    """Some of the days, the last among them, as far apart as each other."""
    step = max(1, -(-days // most))
    return list(range((days - 1) % step, days, step))


def _seconds(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())


def upgrade_figure(taken: TimeToUpgrade) -> Figure | None:
    """Which share had upgraded after how many days, with its 95 % bounds; None while nobody has."""
    if not taken.upgraded:
        return None
    x = [0.0, *(point.seconds / _DAY for point in taken.curve)]
    points = [None, *taken.curve]
    done, most, least = (
        [0.0 if point is None else round(1 - getattr(point, name), 4) for point in points]
        for name in ("waiting", "lower", "upper")
    )
    marks = [
        {"x": one.seconds / _DAY, "label": percent(one.share)} for one in taken.percentiles if one.seconds is not None
    ]
    spec = {
        "x": x,
        "time": False,
        "x_label": "days since the release",
        "unit": "%",
        "top": 1,
        "series": [
            {"label": "have upgraded", "colour": "v0", "values": done},
            {"label": "at most", "colour": "v0", "values": most, "bound": True},
            {"label": "at least", "colour": "v0", "values": least, "bound": True},
        ],
        "bands": [[1, 2, "v0"]],
        "marks": marks,
    }
    rows = [
        [percent(one.share), *map(lasting, (one.seconds, one.lower_seconds, one.upper_seconds))]
        for one in taken.percentiles
    ]
    summary = (
        f"{taken.upgraded} of {taken.tenants} tenants have upgraded to version {taken.version}; {taken.waiting} wait"
    )
    return Figure("upgrade", summary, spec, ["Share", "After", "At least", "At most"], rows)


def forecast_figure(found: Expected, curves: Sequence[Uptake]) -> Figure | None:
    """The share of the version since its release, the target, and when that is expected; None where nothing is."""
    if not curves or found.as_of is None:
        return None
    first, days = curves[0].first, len(curves[0].tenants)
    totals = [sum(day) for day in zip(*(curve.tenants for curve in curves), strict=True)]
    having = [sum(curve.tenants[day] for curve in curves if curve.version >= found.version) for day in range(days)]
    begins = max((found.released_at.date() - first).days, 0)
    x = [_seconds(first + timedelta(days=day)) for day in range(begins, days)]
    values: list[float | None] = list(_shares(having, totals)[begins:])
    spans = []
    if found.low_at is not None and found.outcome is Outcome.EXPECTED:
        last = found.high_at or found.as_of + _FAR
        spans = [
            {"from": found.low_at.timestamp(), "to": last.timestamp(), "label": f"{percent(found.target)} expected"}
        ]
        ahead = max(last, found.as_of) + (last - found.released_at) * 0.04
        x.append(int(ahead.timestamp()))
        values.append(None)
    spec = {
        "x": x,
        "time": True,
        "unit": "%",
        "top": 1,
        "series": [{"label": f"{called(found.version)} or newer", "colour": "v0", "values": values}],
        "levels": [{"y": found.target, "label": percent(found.target)}],
        "spans": spans,
    }
    rows = [
        [f"{first + timedelta(days=begins + day)}", percent(values[day], digits=1)] for day in _spread(days - begins)
    ]
    return Figure("forecast", _foreseen(found), spec, ["Day", "Share"], rows)


def _foreseen(found: Expected) -> str:
    """The forecast as a sentence, without its end."""
    target = percent(found.target)
    match found.outcome:
        case Outcome.REACHED:
            return f"{target} of the connected tenants have version {found.version} or a newer one"
        case Outcome.EXPECTED if found.high_at and found.low_at:
            return f"{target} is expected between {found.low_at:%d %B %Y} and {found.high_at:%d %B %Y}"
        case Outcome.EXPECTED if found.low_at:
            return f"{target} is not expected before {found.low_at:%d %B %Y}, and it may be that it is never reached"
        case Outcome.NOT_REACHED:
            return f"{target} is not reached at this pace within a year"
        case _:
            return f"Too little is known to say when {target} is reached"


def lasting(seconds: float | None) -> str:
    """How long something takes, in one unit; None: it has not come to that."""
    if seconds is None:
        return "not reached"
    if seconds >= 2 * _DAY:
        return f"{seconds / _DAY:.0f} days"
    return f"{seconds / 3600:.0f} h" if seconds >= 2 * 3600 else f"{seconds / 60:.0f} min"
