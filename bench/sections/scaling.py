"""How the cost of a poll grows with what there is to read: more apps, and larger ones."""

from contextlib import ExitStack
from functools import partial

from bench.measure import Measured, in_turns, median, slope
from bench.report import Section, Target, usage_table
from bench.scale import Scale
from bench.shape import Shape
from bench.world import LOADED, World, world

_STEPS = (100, 10, 1)  # down to a hundredth of everything


Points = dict[str, tuple[int, list[Measured]]]  # by what was polled: how many rows there were, and the runs


def run(scale: Scale) -> Section:
    """Unchanged polls of ever more connections, in two ways."""
    more, larger = _more(scale), _larger(scale)
    lines = [(what, runs, rows) for points in (more, larger) for what, (rows, runs) in points.items()]
    return Section(
        name="scaling",
        title="Growth with the rows read",
        setting="Nothing changed but the bytes of every page",
        tables=[usage_table(lines)],
        targets=[
            Target("exponent, more apps", _slope(more), least=0.9, most=1.1, unit=""),
            Target("exponent, larger apps", _slope(larger), least=0.9, most=1.1, unit=""),
        ],
        notes=["An exponent of 1 means: twice the connections take twice the time."],
    )


def _more(scale: Scale) -> Points:
    """Polls of some of the apps of one portal."""
    counts = sorted({max(1, scale.apps // step) for step in _STEPS})
    with world(Shape(scale.apps, scale.tenants, scale.page)) as place:
        place.list_apps()
        place.load()
        found = in_turns(scale.rounds, {f"more apps: {apps}": partial(_polled, place, apps) for apps in counts})
    return {what: (apps * scale.tenants, runs) for apps, (what, runs) in zip(counts, found.items(), strict=True)}


def _larger(scale: Scale) -> Points:
    """Polls of as many apps, of one portal for each size."""
    shapes = [Shape(max(1, scale.apps // 10), scale.tenants * 10 // step, scale.page) for step in _STEPS]
    with ExitStack() as stack:
        places = [stack.enter_context(world(shape)) for shape in shapes]
        for place in places:
            place.list_apps()
            place.load()
        found = in_turns(
            scale.rounds,
            {f"larger apps: {place.shape}": partial(_polled, place, place.shape.apps) for place in places},
        )
    return {what: (shape.rows, runs) for shape, (what, runs) in zip(shapes, found.items(), strict=True)}


def _polled(place: World, apps: int) -> Measured:
    place.fixture.stamp()
    return place.poll(LOADED, expected=0, first=apps)


def _slope(points: Points) -> float:
    return slope([(rows, median(runs)) for rows, runs in points.values()])
