"""Polls that find some of the connections upgraded, chosen at random, so that nearly every page has changed."""

from functools import partial

from bench.measure import Measured, Runs, in_turns, median, ratio, slope
from bench.report import Section, Target, usage_table
from bench.scale import Scale
from bench.sections.reading import FLOOR, WALKED, walked
from bench.shape import Shape
from bench.world import LOADED, World, world

_MOST_ROUNDS = 5  # each upgrades all, and there are nine versions
SHARES = {
    "poll, 0.1 % upgraded": 0.001,
    "poll, 1 % upgraded": 0.01,
    "poll, 10 % upgraded": 0.1,
    "poll, all upgraded": 1.0,
}


def run(scale: Scale) -> Section:
    """Each share of changes, in turns."""
    shape = Shape(scale.apps, scale.tenants, scale.page)
    with world(shape) as place:
        place.list_apps()
        place.load()
        found = in_turns(
            min(scale.rounds, _MOST_ROUNDS),
            {
                FLOOR: lambda: place.read("decode"),
                WALKED: lambda: walked(place),
                **{what: partial(changed, place, share) for what, share in SHARES.items()},
            },
        )
    return Section(
        name="churn",
        title="Some or all changed",
        setting=str(shape),
        tables=[usage_table([(what, runs, shape.rows) for what, runs in found.items()], floor=found[FLOOR])],
        targets=[
            Target("1 % changed at random : floor", ratio(found["poll, 1 % upgraded"], found[FLOOR]), most=1.4),
            Target("growth with the changes written (exponent)", _slope(found, shape), least=0.9, most=1.1, unit=""),
        ],
        notes=[
            "An upgrade changes the version, the scopes and three more fields of a connection.",
            "For each, Uptake writes the connection, ends a stretch of history, begins another and adds an event.",
            "The exponent is that of the time above a poll that finds nothing, from 1 % to all.",
        ],
    )


def changed(place: World, share: float) -> Measured:
    """Upgrade *share* of the connections, and poll."""
    return place.poll(LOADED, expected=place.fixture.change(share))


def _slope(found: Runs, shape: Shape) -> float:
    still = median(found[WALKED])
    costs = [(share * shape.rows, median(found[what]) - still) for what, share in SHARES.items() if share >= 0.01]
    return slope([(size, max(cost, 0.001)) for size, cost in costs])
