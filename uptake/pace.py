"""How the rest of a rollout may go: what its tenants did so far, and those of earlier ones, weighed over many shapes.

A shape says: a share *never* upgrades, and of the others exp(-hazard * v^bend) still wait at time v. The unit of time
is the age of the rollout, so *hazard* is what those that upgrade at all have been through by now. This is a Weibull
model with a cured share (Farewell, Biometrics 38, 1982); a *bend* below 1 is a quick start with a long tail.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import exp, inf, log, sqrt

from uptake.survival import Spell


def _steps(first: float, last: float, count: int) -> tuple[float, ...]:
    """Numbers from *first* to *last*, each larger than the one before by the same factor."""
    return tuple(first * (last / first) ** (i / (count - 1)) for i in range(count))


_BENDS = _steps(0.3, 2.6, 16)
_HAZARDS = _steps(0.002, 16, 76)

# What is believed of any rollout before it begins. Bends: log-normal around a quick start. Never: with a chance of 0.4
# nobody refuses for good; if somebody does, a share of Beta(1, 4). Chosen by the study of docs/forecast.md.
_BEND, _BEND_SPREAD = 0.85, 0.45
_ALL_ACCEPT, _REFUSERS, _PARTS = 0.4, 4, 12
_NEVERS = (
    (0.0, log(_ALL_ACCEPT)),
    *(
        (1 - (1 - (part + 0.5) / _PARTS) ** (1 / _REFUSERS), log((1 - _ALL_ACCEPT) / _PARTS))
        for part in reversed(range(_PARTS))
    ),
)

# No rollout follows the model to the letter (reminders come in waves), so more tenants make us surer only up to a
# point: the likelihood of n is raised to worth / (worth + n) (Miller and Dunson, J. Am. Stat. Assoc. 114, 2019).
# Earlier rollouts, all together, are evidence of another day (a power prior: Ibrahim and Chen, Stat. Sci. 15, 2000).
_WORTH, _WORTH_OF_PAST = 100, 30

_GROUPS_UPGRADED, _GROUPS_WAITING, _NODES = 200, 8, 7
_UNLIKELY = 8  # e^-8 of the best shape: what is less likely together changes no quantile that anybody sees
_NOBODY_LEFT = 1e-12


@dataclass(frozen=True, slots=True)
class Outlook:
    """When the wanted tenants will have upgraded: times in units of the age, soonest first, and how likely each is."""

    times: tuple[float, ...]  # infinite: never
    up_to: tuple[float, ...]  # the chance that it is no later

    def quantile(self, chance: float) -> float:
        """The time by which it has happened with this *chance*; infinite where that is never."""
        place = bisect_left(self.up_to, chance)
        return self.times[place] if place < len(self.times) else inf

    def chance(self, by: float) -> float:
        """How likely it is to have happened *by* this time."""
        place = bisect_right(self.times, by)
        return self.up_to[place - 1] if place else 0.0


@dataclass(frozen=True, slots=True)
class _Evidence:
    upgraded: Sequence[Spell]
    waiting: Sequence[Spell]
    weight: float


def outlook(
    upgraded: Iterable[Spell],
    *,
    waiting: int,
    wanted: int,
    past_upgraded: Iterable[Spell] = (),
    past_waiting: Iterable[Spell] = (),
) -> Outlook:
    """When *wanted* of those *waiting* will have upgraded too, given how long the others took.

    All times are in units of the rollout's age and above 0; 1 <= *wanted* <= *waiting*. The same input gives the same
    answer: the shapes are a grid, and chance among those who wait is integrated over, not drawn. Tenants are taken to
    decide each on their own; that they do not is what the worth of evidence is capped for.
    """
    own = _evidence(upgraded, [(1.0, waiting)], _WORTH)
    past = _evidence(past_upgraded, past_waiting, _WORTH_OF_PAST)
    shapes = _likely(own, past)
    best = max(shapes)[0]
    parts = _order_statistic(wanted, waiting)
    times = []
    for log_weight, never, hazard, bend in shapes:
        if log_weight < best - _UNLIKELY:
            continue
        weight = exp(log_weight - best)
        by_now = exp(-hazard)
        still = never / (1 - never) + by_now
        for part in parts:
            left = by_now - part * still
            times.append(((-log(left) / hazard) ** (1 / bend) if left > _NOBODY_LEFT else inf, weight))
    times.sort()
    total = sum(weight for _, weight in times)
    up_to = accumulate(weight / total for _, weight in times)
    return Outlook(tuple(time for time, _ in times), tuple(up_to))


def _likely(own: _Evidence, past: _Evidence) -> list[tuple[float, float, float, float]]:
    """Every shape worth a look, after the logarithm of its weight."""
    begun = [
        [
            (belief + _accepting(own, never) + _accepting(past, never) + _waited(own, never, hazard, 1.0), never)
            for never, belief in _NEVERS
        ]
        for hazard in _HAZARDS
    ]
    shapes = []
    for bend in _BENDS:
        belief = -0.5 * (log(bend / _BEND) / _BEND_SPREAD) ** 2
        taken, past_taken = _taken(own, bend), _taken(past, bend)
        for hazard, rows in zip(_HAZARDS, begun, strict=True):
            common = belief + taken[0] * log(bend * hazard) + taken[1] - hazard * taken[2]
            common += past_taken[0] * log(bend * hazard) + past_taken[1] - hazard * past_taken[2]
            shapes += [(common + row, never, hazard, bend) for row, never in rows]
    # What the past says of those who wait costs most and only ever lowers a weight, so it is asked of few.
    return _weighed(past, shapes) if past.waiting else shapes


def _weighed(
    past: _Evidence, shapes: list[tuple[float, float, float, float]]
) -> list[tuple[float, float, float, float]]:
    shapes.sort(reverse=True)
    found: list[tuple[float, float, float, float]] = []
    best = -inf
    for log_weight, never, hazard, bend in shapes:
        if log_weight < best - _UNLIKELY:
            break
        weighed = log_weight + _waited(past, never, hazard, bend)
        best = max(best, weighed)
        found.append((weighed, never, hazard, bend))
    return found


def _evidence(upgraded: Iterable[Spell], waiting: Iterable[Spell], worth: float) -> _Evidence:
    upgraded, waiting = list(upgraded), list(waiting)
    tenants = sum(count for _, count in upgraded) + sum(count for _, count in waiting)
    return _Evidence(_merged(upgraded, _GROUPS_UPGRADED), _merged(waiting, _GROUPS_WAITING), worth / (worth + tenants))


def _merged(spells: list[Spell], groups: int) -> list[Spell]:
    """The same tenants in about so many *groups* of neighbours, each at its mean."""
    if len(spells) <= groups:
        return spells
    size = sum(count for _, count in spells) / groups
    merged: list[Spell] = []
    time, tenants = 0.0, 0
    for at, count in sorted(spells):
        time, tenants = time + at * count, tenants + count
        if tenants >= size:
            merged.append((time / tenants, tenants))
            time, tenants = 0.0, 0
    return [*merged, (time / tenants, tenants)] if tenants else merged


def _accepting(evidence: _Evidence, never: float) -> float:
    return evidence.weight * sum(count for _, count in evidence.upgraded) * log(1 - never)


def _taken(evidence: _Evidence, bend: float) -> tuple[float, float, float]:
    """The parts of the density of the upgrades that depend on the *bend*: how many, their logarithms, their powers."""
    weight, upgraded = evidence.weight, evidence.upgraded
    return (
        weight * sum(count for _, count in upgraded),
        weight * (bend - 1) * sum(count * log(time) for time, count in upgraded),
        weight * sum(count * time**bend for time, count in upgraded),
    )


def _waited(evidence: _Evidence, never: float, hazard: float, bend: float) -> float:
    """The logarithm of the chance that those who wait did so for so long."""
    waits = ((never + (1 - never) * exp(-hazard * time**bend), count) for time, count in evidence.waiting)
    return evidence.weight * sum(count * log(max(chance, 1e-300)) for chance, count in waits)


def _order_statistic(rank: int, among: int) -> list[float]:
    """Equally likely values of the *rank*-th of so many uniform numbers, which is Beta(rank, among - rank + 1)."""
    mean = rank / (among + 1)
    spread = sqrt(mean * (1 - mean) / (among + 2))
    low, high = max(0.0, mean - 7 * spread), min(1.0, mean + 7 * spread)
    points = [low + (high - low) * (i + 0.5) / 400 for i in range(400)]
    logs = [(rank - 1) * log(point) + (among - rank) * log(1 - point) for point in points]
    top = max(logs)
    up_to = list(accumulate(exp(each - top) for each in logs))
    wanted = [(node + 0.5) / _NODES * up_to[-1] for node in range(_NODES)]
    return [next(point for point, sofar in zip(points, up_to, strict=True) if sofar >= want) for want in wanted]
