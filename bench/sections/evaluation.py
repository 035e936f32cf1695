"""Judging everything: when every alert is new, again when nothing has changed, and after some upgrades."""

from bench import rowfiles
from bench.measure import Measured, child, in_turns, measure, median
from bench.report import Section, Table, Target, usage_table
from bench.scale import Scale
from bench.sections.load import COPIED, copied
from bench.shape import Shape
from bench.world import LOADED, World, world

NEW, SAME = "evaluation, every alert is new", "evaluation, nothing changed"
FEW = "evaluation, 1 % upgraded"
_JUDGED = "judged"
_SHARE = 0.01
# What an evaluation changes in place, and what it only reads.
_IN_PLACE = ("source", "app", "heartbeat")
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
        rows = _rows(place, lagging)
        found = in_turns(
            scale.rounds,
            {
                COPIED: lambda: copied(place, rows, onto=LOADED),
                NEW: lambda: _first(place, lagging),
                SAME: lambda: _second(place, written),
            },
        )
        found[FEW] = [_upgraded(place) for _ in range(scale.rounds)]
    other = {table: count for table, count in written.items() if table != "app"}
    costs = {what: median(runs) * 1000 / shape.apps for what, runs in found.items()}
    return Section(
        name="evaluation",
        title="Evaluation of everything",
        setting=f"{shape}, {lagging:,} of them lagging",
        tables=[
            usage_table([(what, runs, shape.rows) for what, runs in found.items()]),
            Table(["what", "ms an app"], [[what, f"{cost:.1f}"] for what, cost in costs.items()]),
        ],
        targets=[
            Target("an app when all its alerts are new", costs[NEW], most=20, unit="ms"),
            Target("an app when nothing changed", costs[SAME], most=6, unit="ms"),
            Target("rows written when nothing changed, but for the app's own", sum(other.values()), most=0, unit=""),
        ],
        notes=[
            f"COPY writes the rows that the first evaluation adds: {', '.join(f'{t} {n:,}' for t, n in rows.items())}.",
            f"Rows written by an evaluation of everything when nothing changed: {written}.",
        ],
    )


def _rows(place: World, lagging: int) -> dict[str, int]:
    """Write what a first evaluation adds into files."""
    place.cluster.create(_JUDGED, template=LOADED)
    with place.cluster.session(_JUDGED) as session:
        since = int(str(session.execute("SELECT pg_current_xact_id()").fetchone()[0]))  # type: ignore[index]  # one row
    _evaluated(place, raised=lagging)
    return rowfiles.write(place.cluster, _JUDGED, place.place / "rows", since=since, without=_IN_PLACE)


def _first(place: World, lagging: int) -> Measured:
    place.cluster.create(_JUDGED, template=LOADED)
    return _evaluated(place, raised=lagging)


def _second(place: World, written: dict[str, int]) -> Measured:
    before = place.cluster.written(_JUDGED)
    found = _evaluated(place, raised=0)
    after = place.cluster.written(_JUDGED)
    written |= {table: n - before.get(table, 0) for table, n in after.items() if n != before.get(table, 0)}
    return found


def _upgraded(place: World) -> Measured:
    """Evaluate everything after a poll that found some upgraded, laggards by one version of two."""
    place.poll(_JUDGED, expected=place.fixture.change(_SHARE))
    return _evaluated(place, raised=0)


def _evaluated(place: World, *, raised: int) -> Measured:
    with child("bench.subjects.evaluation:evaluating", {}, place.environment(_JUDGED)) as evaluator:
        found = measure(place.cluster, [evaluator])
    if found.value != raised:
        raise RuntimeError(f"{found.value} alerts were raised, and {raised} were due")
    return found
