"""A poll that finds nothing new, against the floor of reading and decoding the same pages."""

from collections.abc import Callable

from bench.measure import Measured, Runs, in_turns, ratio
from bench.report import MIB, Section, Target, usage_table
from bench.scale import Scale
from bench.shape import Shape
from bench.world import LOADED, World, world

FETCH, FLOOR = "floor: fetch only", "floor: fetch and typed decode"
WALKED, RECOGNISED = "poll, no page as it was", "poll, every page as it was"
CONDITIONAL = "poll, conditional requests"
_TAGGED = "tagged"
# The poll's own row, and the lease on the app's.
_OWED = {"poll", "app"}


def run(scale: Scale) -> Section:
    """Unchanged polls, three ways."""
    shape = Shape(scale.apps, scale.tenants, scale.page)
    with world(shape) as place:
        place.list_apps()
        place.load()
        place.cluster.create(_TAGGED, template=LOADED)
        found = in_turns(
            scale.rounds,
            {
                FETCH: lambda: place.read("fetch"),
                FLOOR: lambda: place.read("decode"),
                WALKED: lambda: walked(place),
                RECOGNISED: lambda: place.poll(LOADED, expected=0),
                # Its first poll, which does not count, learns the tags.
                CONDITIONAL: lambda: place.poll(_TAGGED, expected=0, conditional=True, warm=True),
            },
        )
        written = {
            WALKED: _written(place, lambda: walked(place)),
            RECOGNISED: _written(place, lambda: place.poll(LOADED, expected=0)),
        }
    return Section(
        name="reading",
        title="Nothing changed",
        setting=str(shape),
        tables=[usage_table([(what, runs, shape.rows) for what, runs in found.items()], floor=found[FLOOR])],
        targets=_targets(found, shape, written[RECOGNISED]),
        notes=[f"Rows written by one `{what}` of everything: {rows}." for what, rows in written.items()],
    )


def walked(place: World) -> Measured:
    """Poll when the bytes of every page differ from the last time and no connection does."""
    place.fixture.stamp()
    return place.poll(LOADED, expected=0)


def _written(place: World, poll: Callable[[], Measured]) -> dict[str, int]:
    before = place.cluster.written(LOADED)
    poll()
    after = place.cluster.written(LOADED)
    return {table: count - before.get(table, 0) for table, count in after.items() if count != before.get(table, 0)}


def _targets(found: Runs, shape: Shape, written: dict[str, int]) -> list[Target]:
    polls = [*found[WALKED], *found[RECOGNISED], *found[CONDITIONAL]]
    return [
        Target("full walk : floor", ratio(found[WALKED], found[FLOOR]), most=1.1),
        Target("full walk, pages as they were : floor", ratio(found[RECOGNISED], found[FLOOR]), most=0.7),
        Target("conditional requests : floor", ratio(found[CONDITIONAL], found[FLOOR]), most=0.45),
        Target("memory above the idle worker", max(run.memory for run in polls) / MIB, most=150, unit="MiB"),
        Target("rows in `poll` per app", written.get("poll", 0) / shape.apps, most=1, unit=""),
        Target(
            "other rows written, pages as they were",
            sum(n for table, n in written.items() if table not in _OWED),
            most=0,
            unit="",
        ),
    ]
