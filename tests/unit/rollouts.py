"""Rollouts whose whole course is known, to hold forecasts against: of shapes that the forecast does not know."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from math import ceil, exp, inf, log

from uptake.forecast import HORIZON, Rollout

DAY = 86400.0
BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
REMINDED: list[int] = [0, 3, 7, 14, *range(44, 1200, 30)]


@dataclass(frozen=True)
class Manner:
    """How the tenants of an app decide: in what way, how fast (days), bent how, and which share never does."""

    way: str
    days: float
    bend: float = 1.0
    never: float = 0.0
    quick: float = 0.5  # of a mixture, the share that is quick
    slowness: float = 5.0  # by how much the others are slower
    heed: float = 0.2  # the chance that a reminder is followed

    def anew(self, chance: random.Random) -> "Manner":
        """How the same tenants decide about another version: alike, not the same."""
        odds = self.never / (1 - self.never) * exp(chance.gauss(0, 0.4))
        return replace(
            self,
            days=self.days * exp(chance.gauss(0, 0.3)),
            bend=self.bend * exp(chance.gauss(0, 0.1)),
            heed=min(0.9, self.heed * exp(chance.gauss(0, 0.2))),
            never=odds / (1 + odds),
        )

    def draw(self, chance: random.Random) -> float:
        """After how many seconds one tenant upgrades."""
        return inf if chance.random() < self.never else DAY * DECISIONS[self.way](self, chance)


def _smooth(manner: Manner, chance: random.Random) -> float:
    return chance.weibullvariate(manner.days, manner.bend)


def _mixed(manner: Manner, chance: random.Random) -> float:
    is_quick = chance.random() < manner.quick
    return chance.expovariate(1 / (manner.days * (1 if is_quick else manner.slowness)))


def _in_waves(manner: Manner, chance: random.Random) -> float:
    by_itself = chance.expovariate(1 / (3 * manner.days))
    for day in REMINDED:
        if by_itself < day:
            break
        if chance.random() < manner.heed:
            return min(by_itself, day + chance.expovariate(2))
    return by_itself


DECISIONS: dict[str, Callable[[Manner, random.Random], float]] = {
    "smooth": _smooth,
    "mixed": _mixed,
    "waves": _in_waves,
}

# By the name of a kind: the way, whether its bend varies, and whether some never upgrade.
KINDS = {
    "exponential": ("smooth", False, False),
    "Weibull": ("smooth", True, False),
    "quick and slow": ("mixed", False, False),
    "Weibull and never": ("smooth", True, True),
    "quick, slow and never": ("mixed", False, True),
    "waves": ("waves", False, False),
    "waves and never": ("waves", False, True),
}


def manner(kind: str, chance: random.Random) -> Manner:
    """One of a kind: between 4 and 45 days, and where some never upgrade, between 5 and 30 % of the tenants."""
    way, is_bent, is_refused = KINDS[kind]
    return Manner(
        way=way,
        days=exp(chance.uniform(log(4), log(45))),
        bend=chance.uniform(0.5, 1.5) if is_bent else 1.0,
        never=chance.uniform(0.05, 0.3) if is_refused else 0.0,
        quick=chance.uniform(0.3, 0.7),
        slowness=chance.uniform(3, 8),
        heed=chance.uniform(0.1, 0.4),
    )


def seen(version: int, times: list[float], age: float, released_at: datetime = BEGAN) -> Rollout:
    """What is known of a rollout at this age (in seconds), if its tenants upgrade after these *times*."""
    waiting = sum(time > age for time in times)
    upgraded = tuple((time, 1) for time in times if time <= age)
    return Rollout(version, released_at, upgraded, ((age, waiting),) if waiting else ())


@dataclass(frozen=True)
class Story:
    """A rollout as it is seen at one time, what came before it, and when it will reach the target."""

    kind: str
    rollout: Rollout
    past: tuple[Rollout, ...]
    now: datetime
    reached_at: datetime | None  # within a year from now


@dataclass(frozen=True)
class Setting:
    """How the stories of a study are seen: from 20 to 70 % of the way on, unless said otherwise."""

    target: float = 0.95
    way: tuple[float, float] = (0.2, 0.7)
    is_by_time: bool = False  # the way is that of the time (where the target is reached), not of the tenants
    past: int = 0
    tenants: tuple[int, int] = (20, 400)


def stories(count: int, seed: int, setting: Setting = Setting()) -> Iterator[Story]:
    """So many stories, of each kind in turn; those that are over when they are looked at are left out."""
    chance = random.Random(seed)
    told = (_story(kind, setting, chance) for kind in cycle(KINDS))
    return islice((story for story in told if story), count)


def _story(kind: str, setting: Setting, chance: random.Random) -> Story | None:
    habit = manner(kind, chance)
    size = round(exp(chance.uniform(*map(log, setting.tenants))))
    past = tuple(_earlier(version, habit, size, setting, chance) for version in range(setting.past))
    this = habit.anew(chance) if past else habit
    times = sorted(this.draw(chance) for _ in range(size))
    needed = ceil(round(setting.target * size, 6))
    reached = times[needed - 1]
    way = chance.uniform(*setting.way)
    age = max(
        way * reached if setting.is_by_time and reached < inf else times[max(5, round(way * needed)) - 1] + 1, DAY
    )
    if age >= reached or times[4] > age:
        return None
    now = BEGAN + timedelta(seconds=age)
    is_reached = reached <= age + HORIZON.total_seconds()
    reached_at = BEGAN + timedelta(seconds=reached) if is_reached else None
    return Story(kind, seen(setting.past, times, age), past, now, reached_at)


def _earlier(version: int, habit: Manner, size: int, setting: Setting, chance: random.Random) -> Rollout:
    this = habit.anew(chance)
    tenants = max(10, round(size * chance.uniform(0.6, 1)))
    watched = chance.uniform(90, 240) * DAY
    released_at = BEGAN - timedelta(days=240) * (setting.past - version)
    return seen(version, [this.draw(chance) for _ in range(tenants)], watched, released_at)
