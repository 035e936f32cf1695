"""Very many small apps: all of them are polled, and none has to wait for more than a fraction of its cadence."""

from functools import partial

from bench.measure import Measured, in_turns, median
from bench.report import Section, Target, usage_table
from bench.scale import Scale
from bench.shape import Shape
from bench.world import LOADED, World, world

_CADENCE = 15 * 60.0  # seconds, as uptake.toml has it by default
_MOST = 20
_WORKERS = {"one worker": 1, "two workers": 2}
_LATE = """
SELECT extract(epoch FROM max(started_at + duration_seconds * interval '1 second') - min(started_at))::float8,
    count(DISTINCT app_id)
FROM poll WHERE app_id IS NOT NULL AND started_at >= %s
"""


def run(scale: Scale) -> Section:
    """The list of apps, the first poll of all, and polls of all when nothing changed."""
    shape = Shape(200, 20) if scale.quick else Shape(10_000, 100)
    late: list[float] = []
    with world(shape) as place:
        listed = place.list_apps()
        loaded = place.load()
        rounds = min(scale.rounds, 3)
        found = in_turns(rounds, {what: partial(_due, place, count, late) for what, count in _WORKERS.items()})
    lines = [("the list of apps", [listed], shape.apps), ("first poll of everything", [loaded], shape.rows)]
    lines += [(what, runs, shape.rows) for what, runs in found.items()]
    polls = shape.apps / median(found["two workers"])
    return Section(
        name="small",
        title="Very many small apps",
        setting=str(shape),
        tables=[usage_table(lines)],
        targets=[
            Target("the last of all, due at once, is polled after", max(late), most=_CADENCE, unit="s"),
            Target("apps polled of those due", 1.0, least=1.0),
        ],
        notes=[f"Two workers poll {polls:,.0f} apps a second; what is due longest is polled first."],
    )


def _due(place: World, workers: int, late: list[float]) -> Measured:
    with place.cluster.session(LOADED) as session:
        (begun,) = session.execute("SELECT clock_timestamp()").fetchone() or (None,)
    found = place.share(LOADED, workers, most=_MOST)
    with place.cluster.session(LOADED) as session:
        longest, polled = session.execute(_LATE, [begun]).fetchone() or (0.0, 0)
    if polled != place.shape.apps:
        raise RuntimeError(f"{polled} apps of {place.shape.apps} have a poll to show")
    late.append(longest)
    return found
