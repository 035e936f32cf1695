"""Adoption as a picture: who ran which version day by day, stacked, the latest version at the bottom. Pure geometry."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from models.queries.rollouts import Uptake, Version

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
    days: int
    areas: Sequence[Area]
    releases: Sequence[Mark]
    summary: str


def chart(
    curves: Sequence[Uptake], versions: Sequence[Version], *, width: int, height: int, every: int = 1
) -> Chart | None:
    """The picture of one app, of one day in *every* so many, back from the last; None when nobody ran it on any."""
    if not curves:
        return None
    days, first = len(curves[0].tenants), curves[0].first
    totals = [sum(day) for day in zip(*(curve.tenants for curve in curves), strict=True)]
    top = _round_up(max(totals))
    newest_first = sorted(curves, key=lambda curve: -curve.version)
    latest = max((version.number for version in versions), default=newest_first[0].version)
    step = width / max(days - 1, 1)
    return Chart(
        width,
        height,
        days,
        tuple(_areas(newest_first, latest, step, height, top, every)),
        tuple(_releases(versions, first, days, step)),
        _summary(newest_first, latest, totals[-1]),
    )


def _areas(curves: Sequence[Uptake], latest: int, step: float, height: int, top: int, every: int) -> Iterator[Area]:
    count = len(curves[0].tenants)
    floor, drawn = [0] * count, sorted({0, *range((count - 1) % every, count, every)})
    for rank, curve in enumerate(curves):
        roof = [low + tenants for low, tenants in zip(floor, curve.tenants, strict=True)]
        # A latest version that nobody runs yet leaves its colour to nobody else.
        shade = min(rank + (curves[0].version != latest), SHADES - 1)
        yield Area(curve.version, shade, _outline(roof, floor, step, height, top, drawn), curve.tenants[-1])
        floor = roof


def _outline(
    roof: Sequence[int], floor: Sequence[int], step: float, height: int, top: int, drawn: Sequence[int]
) -> str:
    # In SVG, y grows downwards.
    over, under = (
        [f"{day * step:.1f},{height - line[day] * height / top:.1f}" for day in drawn] for line in (roof, floor)
    )
    return "M" + "L".join(over + under[::-1]) + "Z"


def _releases(versions: Sequence[Version], first: date, days: int, step: float) -> Iterator[Mark]:
    for version in versions:
        day = (version.released_at.date() - first).days
        if 0 < day < days:
            yield Mark(day * step, f"v{version.number}")


def _round_up(most: int) -> int:
    """The least even number of the kind 2, 4, 10, 20, 40, 100, 200 ... that holds *most*."""
    size = 1
    while True:
        for part in (2, 4, 6, 8, 10):
            if part * size >= most:
                return part * size
        size *= 10


def _summary(curves: Sequence[Uptake], latest: int, total: int) -> str:
    now = next((curve.tenants[-1] for curve in curves if curve.version == latest), 0)
    return f"{now} of {total} connected tenants run version {latest} at the end of these {len(curves[0].tenants)} days"
