"""How long tenants take to upgrade, with those who still wait counted for what is known of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import exp, log, sqrt
from statistics import NormalDist
from typing import NamedTuple

# Seconds, and how many tenants it holds for: those that upgraded after so long, or that were watched for so long.
Spell = tuple[float, int]

PERCENTILES = (0.5, 0.9, 0.95)
STAGES = tuple(timedelta(days=days) for days in (1, 3, 7, 14, 30, 90))
_BOUND = NormalDist().inv_cdf(0.975)
# Shares are products of many quotients: nine of ten upgraded must count as 90 %.
_ROUNDING = 1e-12


class Step(NamedTuple):
    """What is true from *seconds* on, until the next step: the share that has not upgraded, with its 95 % bounds."""

    seconds: float
    at_risk: int  # tenants that were watched for at least so long and had not upgraded before
    events: int  # of these, those that upgraded after exactly so long
    survival: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The share of tenants that has not upgraded, by time; 1 before the first step, unknown after *until_seconds*."""

    steps: tuple[Step, ...]
    tenants: int
    upgraded: int
    until_seconds: float  # the longest that anybody was watched


class Percentile(NamedTuple):
    """The seconds in which the *share* of the tenants upgrades, with 95 % bounds; None where it is not reached."""

    share: float
    seconds: float | None
    lower_seconds: float | None
    upper_seconds: float | None


class Stage(NamedTuple):
    """The share that upgrades *within* a time, with 95 % bounds; None while nobody was watched for so long."""

    within: timedelta
    share: float | None
    lower: float | None
    upper: float | None


def grouped(seconds: Iterable[float]) -> list[Spell]:
    """Durations as spells of one tenant each."""
    return [(each, 1) for each in seconds]


def survival_curve(upgraded: Iterable[Spell], censored: Iterable[Spell]) -> Curve:
    """The Kaplan-Meier estimate of the time to upgrade, a step for each duration after which somebody upgraded.

    *upgraded* holds after how many seconds tenants upgraded, *censored* for how many the others were watched: until
    now, or until they left. Both in any order; whoever is censored in the second of an upgrade was at risk then.
    It is right only where leaving has nothing to do with upgrading. The bounds are those of Greenwood's variance on
    the scale of log(-log S), which keeps them in 0..1 (Kalbfleisch and Prentice, The Statistical Analysis of Failure
    Time Data, 2nd ed., 1.4); they hold for each time on its own. Where all have upgraded, both are 0.
    """
    events, leavers = _counted(upgraded), _counted(censored)
    times = sorted(events.keys() | leavers.keys())
    tenants = at_risk = sum(events.values()) + sum(leavers.values())
    steps = []
    survival, variance = 1.0, 0.0
    for seconds in times:
        count = events.get(seconds, 0)
        if count:
            left = at_risk - count
            survival *= left / at_risk
            variance += count / (at_risk * left) if left else 0
            steps.append(Step(seconds, at_risk, count, survival, *_bounds(survival, variance)))
        at_risk -= count + leavers.get(seconds, 0)
    return Curve(tuple(steps), tenants, sum(events.values()), times[-1] if times else 0)


def percentiles(curve: Curve, shares: Sequence[float] = PERCENTILES) -> tuple[Percentile, ...]:
    """After how long each of *shares* of the tenants has upgraded, counting those who still wait.

    A bound is where the matching bound of the curve gets so low (Brookmeyer and Crowley, Biometrics 38, 1982).
    """
    return tuple(
        Percentile(
            share,
            _first(curve, [step.survival for step in curve.steps], share),
            _first(curve, [step.lower for step in curve.steps], share),
            _first(curve, [step.upper for step in curve.steps], share),
        )
        for share in shares
    )


def stages(curve: Curve, within: Sequence[timedelta] = STAGES) -> tuple[Stage, ...]:
    """Which share upgrades within each of these times after the release.

    Whoever could not be watched for so long counts as long as they were: the share is that of the curve, not that of
    the tenants who happened to be there long enough.
    """
    return tuple(_stage(curve, each) for each in within)


def _stage(curve: Curve, within: timedelta) -> Stage:
    seconds = within.total_seconds()
    step = next((step for step in reversed(curve.steps) if step.seconds <= seconds), None)
    is_over = step is not None and step.survival == 0
    if not curve.tenants or (seconds > curve.until_seconds and not is_over):
        return Stage(within, None, None, None)
    if step is None:
        return Stage(within, 0.0, 0.0, 0.0)
    return Stage(within, 1 - step.survival, 1 - step.upper, 1 - step.lower)


def _counted(spells: Iterable[Spell]) -> dict[float, int]:
    counts: dict[float, int] = {}
    for seconds, tenants in spells:
        counts[seconds] = counts.get(seconds, 0) + tenants
    if counts and (min(counts) < 0 or min(counts.values()) < 1):
        raise ValueError("a spell has at least one tenant, and does not end before it begins")
    return counts


def _bounds(survival: float, variance: float) -> tuple[float, float]:
    if not 0 < survival < 1:
        return survival, survival
    hazard = -log(survival)
    spread = exp(_BOUND * sqrt(variance) / hazard)
    return exp(-hazard * spread), exp(-hazard / spread)


def _first(curve: Curve, survivals: Sequence[float], share: float) -> float | None:
    reached = (step.seconds for step, left in zip(curve.steps, survivals, strict=True) if left <= 1 - share + _ROUNDING)
    return next(reached, None)
