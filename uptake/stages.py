"""Where a version stands among an app's tenants, in one word."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

ADOPTED, MAJORITY = 0.1, 0.5
FEW = 20  # of fewer tenants, shares say nothing


class StageName(enum.StrEnum):
    """The stages, each by the share of the connected tenants that runs exactly this version."""

    UNUSED = "unused"  # nobody runs it, nor ever did in numbers
    LOW = "low"  # less than 10 %, and never more
    ADOPTED = "adopted"  # 10 % or more
    MAJORITY = "majority"  # half or more
    COMPLETE = "complete"  # everybody
    REPLACED = "replaced"  # it had 10 %, and has not any more


class Counted(NamedTuple):
    """How many connected tenants ran a *version* from the end of a *day* on, until the next such row of it."""

    day: date
    version: int
    tenants: int


@dataclass(frozen=True, slots=True)
class Adopted:
    """What the days so far say of one version; *stage* is None where there are too few tenants to say."""

    version: int
    stage: StageName | None
    tenants: int
    connected: int
    peak: float  # the largest share that it ever had
    adopted_on: date | None  # the first day on which it had 10 %
    replaced_on: date | None  # since when it has not any more

    @property
    def share(self) -> float | None:
        """The part of the connected tenants that runs it; None: nobody is connected."""
        return self.tenants / self.connected if self.connected else None


class _Course:
    """What the days so far say of one version."""

    peak = 0.0
    adopted_on: date | None = None
    replaced_on: date | None = None

    def note(self, day: date, share: float) -> None:
        """Its *share* at the end of a day."""
        self.peak = max(self.peak, share)
        if share < ADOPTED:
            self.replaced_on = self.replaced_on or (day if self.adopted_on else None)
        else:
            self.adopted_on, self.replaced_on = self.adopted_on or day, None


def adopted(counts: Iterable[Counted]) -> list[Adopted]:
    """The stage of every version that is counted, by version, after the last day; *counts* are in the order of days.

    A day on which fewer than FEW tenants were connected makes no version adopted or replaced.
    """
    running: dict[int, int] = {}
    courses: dict[int, _Course] = {}
    for day, rows in groupby(counts, key=attrgetter("day")):
        running |= {row.version: row.tenants for row in rows}
        connected = sum(running.values())
        for version, tenants in running.items() if connected >= FEW else ():
            courses.setdefault(version, _Course()).note(day, tenants / connected)
    connected = sum(running.values())
    found = []
    for version, tenants in sorted(running.items()):
        course = courses.get(version, _Course())
        whole = Adopted(version, None, tenants, connected, course.peak, course.adopted_on, course.replaced_on)
        found.append(replace(whole, stage=_stage(whole)))
    return found


def _stage(one: Adopted) -> StageName | None:
    if one.connected < FEW:
        return None
    if one.replaced_on:
        return StageName.REPLACED
    if not one.tenants:
        return StageName.UNUSED
    if one.tenants == one.connected:
        return StageName.COMPLETE
    share = one.tenants / one.connected
    return StageName.MAJORITY if share >= MAJORITY else StageName.ADOPTED if share >= ADOPTED else StageName.LOW
