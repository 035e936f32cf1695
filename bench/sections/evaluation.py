"""Judging everything: when every alert is new, and again when nothing has changed."""

from bench.measure import Measured, child, in_turns, measure, median
from bench.report import Section, Table, Target, usage_table
from bench.scale import Scale
from bench.shape import Shape
from bench.world import LOADED, World, world

NEW, SAME = "evaluation, every alert is new", "evaluation, nothing changed"
_JUDGED = "judged"
# Two of five connections lag.
_STARTS, _LATEST, _LAGGING = (3, 1, 3, 2, 3), 3, 0.4


def run(scale: Scale) -> Section:
    """The first and the second evaluation of all apps."""
    shape = Shape(scale.apps, scale.tenants, scale.page, latest=_LATEST, starts=_STARTS)
    lagging = round(shape.rows * _LAGGING)
    written: dict[str, int] = {}
    with world(shape) as place:
        place.list_apps()
        place.load()
        found = in_turns(
            scale.rounds,
            {NEW: lambda: _first(place, lagging), SAME: lambda: _second(place, written)},
        )
    other = {table: count for table, count in written.items() if table != "app"}
    new, same = (median(found[what]) * 1000 / shape.apps for what in (NEW, SAME))
    return Section(
        name="evaluation",
        title="Evaluation of everything",
        setting=f"{shape}, {lagging:,} of them lagging",
        tables=[
            usage_table([(what, runs, shape.rows) for what, runs in found.items()]),
            Table(["what", "ms an app"], [[NEW, f"{new:.1f}"], [SAME, f"{same:.1f}"]]),
        ],
        targets=[
            Target("an app when all its alerts are new", new, most=20, unit="ms"),
            Target("an app when nothing changed", same, most=6, unit="ms"),
            Target("rows written when nothing changed, but for the app's own", sum(other.values()), most=0, unit=""),
        ],
        notes=[f"Rows written by an evaluation of everything when nothing changed: {written}."],
    )


def _first(place: World, lagging: int) -> Measured:
    place.cluster.create(_JUDGED, template=LOADED)
    return _evaluated(place, raised=lagging)


def _second(place: World, written: dict[str, int]) -> Measured:
    before = place.cluster.written(_JUDGED)
    found = _evaluated(place, raised=0)
    after = place.cluster.written(_JUDGED)
    written |= {table: n - before.get(table, 0) for table, n in after.items() if n != before.get(table, 0)}
    return found


def _evaluated(place: World, *, raised: int) -> Measured:
    with child("bench.subjects.evaluation:evaluating", {}, place.environment(_JUDGED)) as evaluator:
        found = measure(place.cluster, [evaluator])
    if found.value != raised:
        raise RuntimeError(f"{found.value} alerts were raised, and {raised} were due")
    return found
