"""Whether a forecast says what its numbers allow, and keeps its promise over rollouts whose course is known."""

import os
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import log

import pytest

from tests.unit.rollouts import BEGAN, DAY, Setting, Story, seen, stories
from uptake.forecast import HORIZON, Forecast, Outcome, Rollout, as_of, forecast, score
from uptake.survival import grouped

MANY = int(os.environ.get("ROLLOUTS", "0"))

# Of these the suite runs the first four, on the same rollouts each time.
SETTINGS = {
    "way of the tenants": Setting(),
    "way of the time": Setting(is_by_time=True),
    "three earlier rollouts": Setting(past=3),
    "three earlier, target 80 %": Setting(target=0.8, past=3),
    "three earlier, way of the time": Setting(past=3, is_by_time=True),
    "75 to 97 % of the way": Setting(way=(0.75, 0.97)),
    "target 80 %": Setting(target=0.8),
    "300 to 3000 tenants": Setting(tenants=(300, 3000)),
    "three earlier, 300 to 3000": Setting(tenants=(300, 3000), past=3),
}


@dataclass
class Tally:
    """How forecasts compare with what came."""

    made: int = 0
    covered: int = 0
    early: int = 0  # it came before the interval
    reached: int = 0
    doubted: int = 0  # reached, and said not to be
    never: int = 0
    foretold: int = 0  # never reached, and said so
    closed: int = 0  # intervals with both ends
    miss: float = 0.0  # squared error of the chance that it is reached
    kinds: dict[str, list[bool]] = field(default_factory=dict)

    def count(self, story: Story, said: Forecast) -> None:
        """Hold one forecast against its story."""
        is_covered = covers(said, story)
        self.kinds.setdefault(story.kind, []).append(is_covered)
        self.made += 1
        self.covered += is_covered
        self.closed += said.high_at is not None
        self.miss += ((said.chance or 0) - (story.reached_at is not None)) ** 2
        if story.reached_at is None:
            self.never += 1
            self.foretold += said.outcome is Outcome.NOT_REACHED
        else:
            self.reached += 1
            self.doubted += said.outcome is Outcome.NOT_REACHED
            self.early += said.low_at is None or story.reached_at < said.low_at

    def row(self, name: str) -> str:
        """A line of the table in docs/forecast.md, and the coverage by kind."""
        kinds = ", ".join(f"{kind} {sum(each) / len(each):.0%}" for kind, each in self.kinds.items())
        return (
            f"| {name} | {self.covered / self.made:.0%} | {self.early / self.made:.0%} | {self.closed / self.made:.0%} "
            f"| {self.foretold / max(self.never, 1):.0%} of {self.never} "
            f"| {self.doubted / max(self.reached, 1):.0%} of {self.reached} | {self.miss / self.made:.3f} | {kinds}"
        )


def covers(said: Forecast, story: Story) -> bool:
    """What came lies in the interval; never is beyond any date."""
    if story.reached_at is None:
        return said.high_at is None
    is_late = said.high_at is not None and story.reached_at > said.high_at
    return said.low_at is not None and said.low_at <= story.reached_at and not is_late


def study(count: int, seed: int, setting: Setting) -> Tally:
    """The forecasts of so many stories, counted."""
    tally = Tally()
    for story in stories(count, seed, setting):
        tally.count(story, forecast(story.rollout, story.past, target=setting.target, now=story.now))
    return tally


@pytest.mark.timeout(0 if MANY else 180)
@pytest.mark.parametrize("name", SETTINGS if MANY else list(SETTINGS)[:4])
def test_four_in_five_come_true(name: str) -> None:
    """Of forecasts on rollouts of all kinds the intervals hold what they promise, and most that never end are told."""
    count = MANY or (200 if SETTINGS[name] == Setting() else 100)
    found = study(count, int(os.environ.get("SEED", "1")), SETTINGS[name])
    assert found.made == count
    print(found.row(name))  # noqa: T201 - shown with -s, for docs/forecast.md
    assert 0.72 <= found.covered / found.made <= 0.9
    assert SETTINGS[name].target < 0.95 or found.foretold > found.never / 2


def smooth(days: float, tenants: int = 200, until: float = 1.0) -> list[float]:
    """Exponential times without chance: the quantiles, for *until* of the tenants; the rest never upgrades."""
    times = (-days * DAY * log(1 - (place + 0.5) / tenants / until) for place in range(round(tenants * until)))
    return [*times, *[1e12] * (tenants - round(tenants * until))]


def at(days: float) -> timedelta:
    """So many days."""
    return timedelta(days=days)


def earlier(times: list[float], count: int = 3, days: float = 200) -> list[Rollout]:
    """Rollouts that went before, the last a year before the one at hand, each watched for so many *days*."""
    return [seen(each, times, days * DAY, BEGAN - at(365) * (count - each)) for each in range(count)]


def test_reached() -> None:
    """It says when: as the nineteenth of twenty upgraded, however long ago that was."""
    rollout = seen(3, [day * DAY for day in range(1, 21)], 19 * DAY)
    found = forecast(rollout, target=0.95, now=BEGAN + at(19))
    assert (found.outcome, found.chance) == (Outcome.REACHED, 1.0)
    assert (found.low_at, found.middle_at, found.high_at) == (BEGAN + at(19),) * 3
    assert (found.basis.tenants, found.basis.upgraded, found.basis.needed) == (20, 19, 19)
    assert forecast(rollout, target=0.96, now=BEGAN + at(19)).outcome is not Outcome.REACHED


def test_who_joined_counts_in_the_share() -> None:
    """Sixty that began with the version and thirty-five of forty that took it are ninety-five of a hundred."""
    rollout = replace(seen(2, [DAY * day for day in range(1, 41)], 35 * DAY), joined=60)
    found = forecast(rollout, target=0.95, now=BEGAN + at(35))
    assert (found.outcome, found.middle_at) == (Outcome.REACHED, BEGAN + at(35))
    assert forecast(rollout, target=0.6, now=BEGAN + at(35)).middle_at == BEGAN


NONE = Rollout(1, BEGAN, (), ())


@pytest.mark.parametrize(
    ("rollout", "days", "outcome"),
    [
        pytest.param(NONE, 30, Outcome.UNKNOWN, id="nobody_is_connected"),
        pytest.param(seen(1, smooth(10), 0.9 * DAY), 0.9, Outcome.UNKNOWN, id="younger_than_a_day"),
        pytest.param(seen(1, smooth(10), DAY), 1, Outcome.EXPECTED, id="a_day_old"),
        pytest.param(seen(1, [DAY] * 4 + [1e12] * 9, 3 * DAY), 3, Outcome.UNKNOWN, id="four_upgrades"),
        pytest.param(seen(1, [DAY] * 5 + [1e12] * 8, 3 * DAY), 3, Outcome.EXPECTED, id="five_upgrades"),
    ],
)
def test_too_little_known(rollout: Rollout, days: float, outcome: Outcome) -> None:
    """Before anything can be said, nothing is: no date, no chance."""
    found = forecast(rollout, target=0.6, now=BEGAN + at(days))
    assert found.outcome is outcome
    assert (found.chance is None) is (outcome is Outcome.UNKNOWN)
    assert outcome is not Outcome.UNKNOWN or {found.low_at, found.middle_at, found.high_at} == {None}


def test_the_past_speaks_where_the_present_is_silent() -> None:
    """Twenty upgrades of earlier rollouts are enough to say something before the fifth of this one."""
    rollout = seen(9, [DAY] + [1e12] * 19, 3 * DAY)
    assert forecast(rollout, earlier(smooth(9, 6)), target=0.95, now=BEGAN + at(3)).outcome is Outcome.UNKNOWN
    found = forecast(rollout, earlier(smooth(9, 7)), target=0.95, now=BEGAN + at(3))
    assert found.outcome is not Outcome.UNKNOWN
    assert found.basis.past == (0, 1, 2)


def test_only_what_went_before_counts() -> None:
    """Of the past it takes the five latest released before this version, and no empty one."""
    past = earlier(smooth(9, 20), count=7)
    later = [replace(past[0], version=10, released_at=BEGAN + at(1)), replace(past[0], version=11, released_at=BEGAN)]
    empty = Rollout(12, BEGAN - at(1), (), ())
    rollout = seen(9, smooth(9), 5 * DAY)
    found = forecast(rollout, [*later, *past, empty], target=0.95, now=BEGAN + at(5))
    assert found.basis.past == (3, 4, 5, 6)
    assert found == forecast(rollout, past[3:], target=0.95, now=BEGAN + at(5))


def test_a_steady_pace_is_carried_on() -> None:
    """Where one in ten days upgraded every time, 95 % are due on day 30, and day 20 knows it to some days."""
    times = smooth(10)
    found = forecast(seen(9, times, 20 * DAY), earlier(times), target=0.95, now=BEGAN + at(20))
    assert found.low_at is not None
    assert found.middle_at is not None
    assert found.high_at is not None
    assert BEGAN + at(20) < found.low_at < BEGAN + at(30) < found.high_at < BEGAN + at(60)
    assert abs(found.middle_at - BEGAN - at(30)) < at(4)


def test_a_rollout_that_has_stopped_is_not_reached() -> None:
    """Sixty in a hundred within days and then nobody for three months: no date at all."""
    times = smooth(2, until=0.6)
    found = forecast(seen(1, times, 100 * DAY), target=0.95, now=BEGAN + at(100))
    assert found.outcome is Outcome.NOT_REACHED
    assert (found.low_at, found.middle_at, found.high_at) == (None, None, None)
    assert found.chance is not None
    assert found.chance < 0.01


def test_the_past_tells_who_never_accepts() -> None:
    """The same start is read in another way where a tenth of the tenants refused each time."""
    rollout = seen(9, smooth(10), 12 * DAY)
    willing = forecast(rollout, earlier(smooth(10)), target=0.95, now=BEGAN + at(12))
    refusing = forecast(rollout, earlier(smooth(8, until=0.85)), target=0.95, now=BEGAN + at(12))
    assert willing.outcome is Outcome.EXPECTED
    assert refusing.outcome is Outcome.NOT_REACHED
    assert willing.chance is not None
    assert refusing.chance is not None
    assert willing.chance - refusing.chance > 0.3


def test_a_date_beyond_a_year_is_none() -> None:
    """A pace of centuries is not told as a date, and the ends of an interval stay in order."""
    for story in stories(30, 5, Setting(way=(0.05, 0.99))):
        found = forecast(story.rollout, target=0.95, now=story.now)
        told = [moment for moment in (found.low_at, found.middle_at, found.high_at) if moment]
        assert told == sorted(told)
        assert all(story.now <= moment <= story.now + HORIZON for moment in told)
        assert (found.middle_at is None) is (found.outcome is Outcome.NOT_REACHED)
        assert found.chance is not None
        assert 0 <= found.chance <= 1


def test_who_left_says_nothing_of_who_stayed() -> None:
    """The question is about the tenants that are connected."""
    rollout = seen(1, smooth(10), 8 * DAY)
    now = BEGAN + at(8)
    left = replace(rollout, gone=((2 * DAY, 50),))
    assert forecast(left, target=0.9, now=now) == forecast(rollout, target=0.9, now=now)


def test_extremes_are_survived() -> None:
    """An upgrade in the second of the release, a clock that is ahead, one tenant left of many, and everybody wanted."""
    rollout = Rollout(1, BEGAN, ((0.0, 900), (20 * DAY, 99)), ((10 * DAY, 1),))
    found = forecast(rollout, earlier([0.0] * 30, days=0), target=1.0, now=BEGAN + at(10))
    assert found.basis.needed == 1000
    assert found.chance is not None


@pytest.mark.parametrize("target", [0.0, -0.1, 1.01])
def test_impossible_targets(target: float) -> None:
    """A target is a share."""
    with pytest.raises(ValueError, match="share"):
        forecast(NONE, target=target, now=BEGAN)


def test_as_of() -> None:
    """What came later is not known then: who upgraded later, or left later, was waiting."""
    whole = Rollout(1, BEGAN, ((DAY, 2), (5 * DAY, 3)), ((9 * DAY, 4),), ((2 * DAY, 1), (6 * DAY, 1)))
    then = as_of(whole, BEGAN + at(3))
    assert then.upgraded == ((DAY, 2),)
    assert sorted(then.waiting) == [(3 * DAY, 1), (3 * DAY, 3), (3 * DAY, 4)]
    assert then.gone == ((2 * DAY, 1),)
    assert as_of(whole, BEGAN + at(9)) == whole


def test_score_of_an_app_that_goes_on_as_before() -> None:
    """Ten rollouts alike: at each of two stages all ten forecasts are made, and nearly all hold."""
    for found in score(earlier(smooth(10, 60), count=10), target=0.8):
        assert found.made == 10
        assert found.covered >= 9


def test_score_counts_what_was_missed() -> None:
    """The tenth rollout stops half-way, against all that went before: what was said of it did not come."""
    past = [*earlier(smooth(10), count=9), seen(9, smooth(10, until=0.55), 300 * DAY, BEGAN)]
    (half,) = score(past, target=0.6, ways=(0.5,))
    assert (half.covered, half.made) == (9, 10)
    (unfinished,) = score([*past[:9], seen(9, smooth(10, until=0.55), 10 * DAY, BEGAN)], target=0.6, ways=(0.5,))
    assert (unfinished.covered, unfinished.made) == (10, 10)


def test_score_knows_no_more_than_was_known_then() -> None:
    """A rollout that has not come so far yields no forecast, nor does one of which too little was known."""
    few = seen(1, [DAY * day for day in range(1, 9)], 20 * DAY)
    slow = seen(2, smooth(10, until=0.2), 50 * DAY, BEGAN + at(100))
    assert [found.made for found in score([few, slow], target=0.95, ways=(0.1, 0.5))] == [1, 0]
    assert score([], target=0.95, ways=(0.5,))[0].made == 0


def test_grouped_tenants_are_the_same_tenants() -> None:
    """Counts of tenants that upgraded together make the forecast that single ones make."""
    single = Rollout(
        1, BEGAN, tuple(grouped([DAY, DAY, DAY, 2 * DAY, 2 * DAY, 4 * DAY])), tuple(grouped([5 * DAY] * 4))
    )
    counted = replace(single, upgraded=((4 * DAY, 1), (DAY, 3), (2 * DAY, 2)), waiting=((5 * DAY, 4),))
    now = BEGAN + at(5)
    one, other = (forecast(each, target=0.9, now=now) for each in (single, counted))
    assert (one.outcome, one.basis) == (other.outcome, other.basis)
    assert one.chance == pytest.approx(other.chance)


def test_score_does_not_look_ahead() -> None:
    """What an earlier rollout did only later was no ground for a forecast then."""
    late = seen(1, [20 * DAY] * 30, 90 * DAY)
    soon_after = seen(2, [DAY * day for day in range(2, 32)], 90 * DAY, BEGAN + at(5))
    assert [found.made for found in score([late, soon_after], target=0.95, ways=(0.1, 0.5))] == [0, 1]
    assert score([late, replace(soon_after, released_at=BEGAN + at(25))], target=0.95, ways=(0.1,))[0].made == 1


def test_the_past_is_outvoted_by_what_happens() -> None:
    """However willing tenants were three times, a rollout that has stood still for months has stopped."""
    rollout = seen(9, smooth(2, until=0.6), 100 * DAY)
    found = forecast(rollout, earlier(smooth(2)), target=0.95, now=BEGAN + at(100))
    assert (found.outcome, found.low_at) == (Outcome.NOT_REACHED, None)
