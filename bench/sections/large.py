"""One app of a million tenants, read in parts by one worker and by two."""

from functools import partial

from bench.measure import Measured, child, in_turns, measure, ratio
from bench.report import Section, Target, usage_table
from bench.scale import Scale
from bench.shape import Shape
from bench.world import LISTED, LOADED, World, world

_FRESH = "fresh"
FIRST = {"first poll, one worker": 1, "first poll, two workers": 2}
SAME = {"poll, no page as it was, one worker": 1, "poll, no page as it was, two workers": 2}


def run(scale: Scale) -> Section:
    """First polls and unchanged ones, in turns."""
    shape = Shape(1, scale.apps * scale.tenants, scale.page)
    with world(shape) as place:
        place.list_apps()
        place.cluster.create(LOADED, template=LISTED)
        _polled(place, LOADED, 1, expected=shape.rows)
        found = in_turns(
            scale.rounds,
            {what: partial(_again, place, workers) for what, workers in SAME.items()},
        ) | in_turns(
            min(scale.rounds, 3),
            {what: partial(_first, place, workers) for what, workers in FIRST.items()},
        )
    alone, together = (found[what] for what in SAME)
    largest = max(run.memory for runs in found.values() for run in runs)
    return Section(
        name="large",
        title="One large app",
        setting=str(shape),
        tables=[usage_table([(what, runs, shape.rows) for what, runs in found.items()])],
        targets=[
            Target("rate of two workers : one", ratio(alone, together), least=1),
            Target("memory of a worker above the idle one", largest / 2**20, most=300, unit="MiB"),
        ],
        notes=[
            "Each poll is recorded as one observation, in one transaction, by the worker that claimed the app.",
            "A first poll is mostly PostgreSQL's work in that transaction, which a second worker cannot share.",
        ],
    )


def _first(place: World, workers: int) -> Measured:
    place.cluster.create(_FRESH, template=LISTED)
    return _polled(place, _FRESH, workers, expected=place.shape.rows)


def _again(place: World, workers: int) -> Measured:
    place.fixture.stamp()
    return _polled(place, LOADED, workers, expected=0)


def _polled(place: World, database: str, workers: int, *, expected: int) -> Measured:
    environment = place.environment(database)
    with child("bench.subjects.uptake:polling", {}, environment) as owner:
        if workers == 1:
            found = measure(place.cluster, [owner])
            value = found.value
        else:
            with child("bench.subjects.large:helping", {}, environment) as helper:
                found = measure(place.cluster, [owner, helper])
            value, parts = found.value
            if not parts:
                raise RuntimeError("the helper read no part")
    if value != expected:
        raise RuntimeError(f"Uptake recorded {value} changes, and there were {expected}")
    return found
