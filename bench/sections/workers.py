"""Several workers on the same apps."""

from functools import partial

from bench.measure import Measured, in_turns, ratio
from bench.report import Section, Target, usage_table
from bench.scale import Scale
from bench.shape import Shape
from bench.world import LOADED, World, world

_WORKERS = {"one worker": 1, "two workers": 2, "four workers": 4}


def run(scale: Scale) -> Section:
    """An unchanged poll of everything by one, two and four workers, in turns."""
    shape = Shape(scale.apps, scale.tenants, scale.page)
    with world(shape) as place:
        place.list_apps()
        place.load()
        found = in_turns(scale.rounds, {what: partial(_shared, place, count) for what, count in _WORKERS.items()})
    return Section(
        name="workers",
        title="More than one worker",
        setting=f"{shape}, nothing changed but the bytes of every page",
        tables=[
            usage_table(
                [(what, runs, shape.rows) for what, runs in found.items()], floor=found["one worker"], against="to one"
            )
        ],
        targets=[
            Target("rate of two workers : one", ratio(found["one worker"], found["two workers"]), least=1.6),
        ],
        notes=[
            "The workers ring for one app at a time and poll it, until none is due; each app is polled once.",
            "PostgreSQL and the portal share the cores with them.",
            "CPU is that of all workers, memory that of the largest.",
        ],
    )


def _shared(place: World, workers: int) -> Measured:
    place.fixture.stamp()
    return place.share(LOADED, workers, most=1)
