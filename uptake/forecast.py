"""When a share of the connected tenants will have upgraded, as an interval, and how well such forecasts did before."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from math import ceil

from uptake.pace import Outlook, outlook
from uptake.survival import Spell

CONFIDENCE = 0.8
HORIZON = timedelta(days=365)  # what takes longer than that from now on is not reached at this pace

_TOO_YOUNG = timedelta(days=1)
_FEW_UPGRADES, _FEW_PAST_UPGRADES = 5, 20
_PAST = 5  # rollouts: older ones say little of the app and its tenants as they are
# A poll sees an upgrade late, so differences below an hour are noise, and a zero would have no logarithm.
_INSTANT = 3600.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """How tenants took one version, in seconds from its release; each connected tenant counts once."""

    version: int
    released_at: datetime
    upgraded: tuple[Spell, ...]  # after how long they did
    waiting: tuple[Spell, ...]  # for how long they have not
    gone: tuple[Spell, ...] = ()  # for how long those had not who left before they did
    joined: int = 0  # connected since, with this version: they count in the share and say nothing of the pace


class Outcome(enum.StrEnum):
    """What a forecast says."""

    REACHED = "reached"
    EXPECTED = "expected"
    NOT_REACHED = "not_reached"  # at this pace, within a year
    UNKNOWN = "unknown"  # too little is known


@dataclass(frozen=True, slots=True)
class Basis:
    """What a forecast rests on."""

    tenants: int  # connected
    upgraded: int  # of these, with those that joined with the version
    needed: int  # that make the target
    age: timedelta  # since the release
    past: tuple[int, ...]  # the versions whose rollouts were taken into account


@dataclass(frozen=True, slots=True)
class Forecast:
    """When *target* is reached: with *confidence* not before *low_at* and not after *high_at*.

    Without *high_at* it may well be that it is never reached (more than one chance in ten); then it is not before
    *low_at* with the whole of the confidence. Without *middle_at* that is more likely than not; without *low_at* even
    that much is certain. When it is reached, all three are when that was.
    """

    outcome: Outcome
    target: float
    confidence: float
    low_at: datetime | None
    middle_at: datetime | None
    high_at: datetime | None
    chance: float | None  # that it is reached within a year from now
    basis: Basis


@dataclass(frozen=True, slots=True)
class Score:
    """Of the forecasts *made* at this share of the way, how many had an interval that *covered* what came."""

    way: float
    covered: int
    made: int


def forecast(rollout: Rollout, past: Sequence[Rollout] = (), *, target: float, now: datetime) -> Forecast:
    """When *target* (a share above 0, up to 1) of the tenants connected *now* will have upgraded.

    As if nobody came, left or was reminded in another way than before. *past* are rollouts of the same app, of which
    those released before this one count, the latest five. The interval is meant to hold four times in five over many
    rollouts, which the study in docs/forecast.md looks at; of a single shape it may hold less often.
    """
    if not 0 < target <= 1:
        raise ValueError("a target is a share above 0, up to 1")
    earlier = sorted((one for one in past if one.released_at < rollout.released_at), key=lambda one: one.released_at)
    earlier = [one for one in earlier[-_PAST:] if one.upgraded or one.waiting or one.gone]
    basis = _basis(rollout, earlier, target, now)
    if basis.tenants and basis.upgraded >= basis.needed:
        at = _reached_at(rollout, basis.needed)
        return Forecast(Outcome.REACHED, target, CONFIDENCE, at, at, at, 1.0, basis)
    if not _is_enough(rollout, earlier, basis):
        return Forecast(Outcome.UNKNOWN, target, CONFIDENCE, None, None, None, None, basis)
    return _foreseen(_outlook(rollout, earlier, basis), target, basis, rollout.released_at)


def score(past: Sequence[Rollout], *, target: float, ways: Sequence[float] = (0.25, 0.5)) -> tuple[Score, ...]:
    """How often forecasts would have covered what came, had they been made at these shares of the way to *target*.

    Each is made from what was known at that time, of its rollout and of those before. A rollout that has not reached
    the target yet counts as covered unless the forecast said that it would have by now. Costs a forecast each.
    """
    return tuple(_score(past, target, way) for way in ways)


def as_of(rollout: Rollout, at: datetime) -> Rollout:
    """The rollout as it was known then, of the tenants that were connected *at* that time or had left before."""
    age = (at - rollout.released_at).total_seconds()
    later = (spell for spell in chain(rollout.upgraded, rollout.waiting, rollout.gone) if spell[0] > age)
    ended = tuple(spell for spell in rollout.waiting if spell[0] <= age)
    return replace(
        rollout,
        upgraded=tuple(spell for spell in rollout.upgraded if spell[0] <= age),
        waiting=(*ended, *((age, count) for _, count in later)),
        gone=tuple(spell for spell in rollout.gone if spell[0] <= age),
    )


def _score(past: Sequence[Rollout], target: float, way: float) -> Score:
    covered = made = 0
    for rollout in past:
        now = _way_at(rollout, target, way)
        if now is None:
            continue
        known = as_of(rollout, now)
        before = [as_of(one, now) for one in past if one.released_at < rollout.released_at]
        said = forecast(known, before, target=target, now=now)
        if said.outcome in {Outcome.EXPECTED, Outcome.NOT_REACHED}:
            made += 1
            covered += _covers(said, rollout, now)
    return Score(way, covered, made)


def _covers(said: Forecast, rollout: Rollout, now: datetime) -> bool:
    came_at = _reached_at(rollout, said.basis.needed)
    if came_at is None:
        watched = max(seconds for seconds, _ in chain(rollout.upgraded, rollout.waiting, rollout.gone))
        return said.high_at is None or said.high_at >= rollout.released_at + timedelta(seconds=watched)
    if came_at > now + HORIZON:
        return said.high_at is None
    return said.low_at is not None and said.low_at <= came_at <= (said.high_at or came_at)


def _way_at(rollout: Rollout, target: float, way: float) -> datetime | None:
    """When so much of the way was done: that share of the tenants that make the target; not within the first day."""
    at = _reached_at(rollout, ceil(way * _needed(_connected(rollout) + _count(rollout.gone), target)))
    return max(at, rollout.released_at + _TOO_YOUNG) if at else None


def _basis(rollout: Rollout, earlier: Sequence[Rollout], target: float, now: datetime) -> Basis:
    tenants = _connected(rollout)
    return Basis(
        tenants=tenants,
        upgraded=_count(rollout.upgraded) + rollout.joined,
        needed=_needed(tenants, target),
        age=now - rollout.released_at,
        past=tuple(one.version for one in earlier),
    )


def _is_enough(rollout: Rollout, earlier: Sequence[Rollout], basis: Basis) -> bool:
    own, before = _count(rollout.upgraded), sum(_count(one.upgraded) for one in earlier)
    return basis.tenants > 0 and basis.age >= _TOO_YOUNG and (own >= _FEW_UPGRADES or before >= _FEW_PAST_UPGRADES)


def _outlook(rollout: Rollout, earlier: Sequence[Rollout], basis: Basis) -> Outlook:
    age = basis.age.total_seconds()
    return outlook(
        [(min(time, 1.0), count) for time, count in _scaled(rollout.upgraded, age)],
        waiting=_count(rollout.waiting),
        wanted=basis.needed - basis.upgraded,
        past_upgraded=[spell for one in earlier for spell in _scaled(one.upgraded, age)],
        past_waiting=[spell for one in earlier for spell in _scaled((*one.waiting, *one.gone), age)],
    )


def _foreseen(seen: Outlook, target: float, basis: Basis, released_at: datetime) -> Forecast:
    horizon = 1 + HORIZON / basis.age
    tail = (1 - CONFIDENCE) / 2
    low, lower, middle, high = (seen.quantile(chance) for chance in (tail, 2 * tail, 0.5, 1 - tail))
    times = (low if high <= horizon else lower, middle, high)
    low_at, middle_at, high_at = (released_at + time * basis.age if time <= horizon else None for time in times)
    outcome = Outcome.EXPECTED if middle_at else Outcome.NOT_REACHED
    return Forecast(outcome, target, CONFIDENCE, low_at, middle_at, high_at, seen.chance(horizon), basis)


def _scaled(spells: Sequence[Spell], age: float) -> list[Spell]:
    return [(max(seconds, _INSTANT) / age, count) for seconds, count in spells]


def _reached_at(rollout: Rollout, needed: int) -> datetime | None:
    """When so many tenants had upgraded; None: they have not. Those that joined later count from the release."""
    so_far = rollout.joined
    for seconds, count in [(0.0, 0), *sorted(rollout.upgraded)]:
        so_far += count
        if so_far >= needed:
            return rollout.released_at + timedelta(seconds=seconds)
    return None


def _needed(tenants: int, target: float) -> int:
    # 0.95 of 20 is 19, whatever floating-point numbers say.
    return ceil(round(target * tenants, 6))


def _connected(rollout: Rollout) -> int:
    return _count(rollout.upgraded) + _count(rollout.waiting) + rollout.joined


def _count(spells: Sequence[Spell]) -> int:
    return sum(count for _, count in spells)
