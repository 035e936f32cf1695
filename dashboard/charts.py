"""Adoption as a picture: who ran which version day by day, stacked, the latest version at the bottom. Pure geometry."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from models.queries.trends import DAYS, EVERY, Drawn, Released, Trend

# Older versions are paler; from the fourth on they look the same.
SHADES = 4


@dataclass(frozen=True, slots=True)
class Area:
    """The tenants of one version: *path* for SVG, *shade* from 0 (the latest) to SHADES - 1."""

    version: int
    shade: int
    path: str
    tenants: int  # on the last day


@dataclass(frozen=True, slots=True)
class Mark:
    """A line at *at* with its words."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything a template draws, in pixels of a *width* by *height* box."""

    width: int
    height: int
    areas: Sequence[Area]
    releases: Sequence[Mark]
    summary: str


def chart(drawn: Drawn, latest: int | None, *, width: int, height: int) -> Chart | None:
    """The picture of an app with that *latest* version; None when nobody ran it, or nobody knows yet."""
    if drawn.trend is None or not drawn.trend.tenants:
        return None
    trend = drawn.trend
    totals = [sum(point) for point in zip(*trend.tenants.values(), strict=True)]
    step = width / (len(totals) - 1)
    return Chart(
        width,
        height,
        tuple(_areas(trend, latest, step, height, _round_up(max(totals)))),
        tuple(_marks(drawn.released, trend.first, step / EVERY)),
        _summary(trend, latest, totals[-1]),
    )


def _areas(trend: Trend, latest: int | None, step: float, height: int, top: int) -> Iterator[Area]:
    newest_first = sorted(trend.tenants.items(), reverse=True)
    floor = [0] * len(newest_first[0][1])
    for rank, (version, line) in enumerate(newest_first):
        roof = [low + tenants for low, tenants in zip(floor, line, strict=True)]
        # A latest version that nobody runs yet leaves its colour to nobody else.
        shade = min(rank + (newest_first[0][0] != latest), SHADES - 1)
        yield Area(version, shade, _outline(roof, floor, step, height, top), line[-1])
        floor = roof


def _outline(roof: Sequence[int], floor: Sequence[int], step: float, height: int, top: int) -> str:
    # In SVG, y grows downwards.
    over, under = (
        [f"{place * step:.1f},{height - point * height / top:.1f}" for place, point in enumerate(line)]
        for line in (roof, floor)
    )
    return "M" + "L".join(over + under[::-1]) + "Z"


def _marks(released: Sequence[Released], first: date, a_day: float) -> Iterator[Mark]:
    for version in released:
        day = (version.released_at.date() - first).days
        if 0 < day <= DAYS:
            yield Mark(day * a_day, f"v{version.number}")


def _round_up(most: int) -> int:
    """The least even number of the kind 2, 4, 10, 20, 40, 100, 200 ... that holds *most*."""
    size = 1
    while True:
        for part in (2, 4, 6, 8, 10):
            if part * size >= most:
                return part * size
        size *= 10


def _summary(trend: Trend, latest: int | None, total: int) -> str:
    if latest is None:
        return f"{total} tenants are connected at the end of these {DAYS} days"
    now = trend.tenants[latest][-1] if latest in trend.tenants else 0
    return f"{now} of {total} connected tenants run version {latest} at the end of these {DAYS} days"
