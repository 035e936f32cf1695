"""Writing much: the first poll of everything, and one after which nothing is as it was, against plain COPY."""

from functools import partial

from bench import rowfiles
from bench.measure import Measured, child, in_turns, measure, ratio
from bench.report import Section, Target, usage_table
from bench.scale import Scale
from bench.sections.churn import changed
from bench.shape import Shape
from bench.world import LOADED, World, world

_MOST_ROUNDS = 7  # each upgrades all, and there are nine versions
COPIED, FIRST, ALL = "COPY of the same rows", "first poll of everything", "poll, all upgraded"
_FRESH, _COPY = "fresh", "copied"


def run(scale: Scale) -> Section:
    """First loads, polls that change all, and COPYs, in turns."""
    shape = Shape(scale.apps, scale.tenants, scale.page)
    with world(shape) as place:
        listed = place.list_apps()
        place.load()
        rows = rowfiles.write(place.cluster, LOADED, place.place / "rows")
        found = in_turns(
            min(scale.rounds, _MOST_ROUNDS),
            {
                COPIED: partial(copied, place, rows),
                FIRST: lambda: place.load(_FRESH),
                ALL: partial(changed, place, 1.0),
            },
        )
    told = ", ".join(f"{name} {count:,}" for name, count in rows.items())
    return Section(
        name="load",
        title="First load, and everything changed",
        setting=str(shape),
        tables=[
            usage_table(
                [
                    *((what, runs, shape.rows) for what, runs in found.items()),
                    ("the list of apps", [listed], shape.apps),
                ]
            )
        ],
        targets=[
            Target("rate of the first load : COPY", ratio(found[COPIED], found[FIRST]), least=0.25),
            Target("rate of a poll with all changed : COPY", ratio(found[COPIED], found[ALL]), least=0.25),
        ],
        notes=[
            f"COPY writes the rows of the first poll: {told}.",
            "They are in binary form and go, in one transaction, into empty tables with all indexes and constraints.",
            "A poll with all changed writes as many of connection, tenure and event, and ends the old stretches too.",
        ],
    )


def copied(place: World, rows: dict[str, int], *, onto: str | None = None) -> Measured:
    """COPY *rows*, which stand in files, into an empty database, or one that is as *onto*."""
    place.cluster.create(_COPY, **({"template": onto} if onto else {}))
    arguments = {
        "conninfo": place.cluster.conninfo(_COPY),
        "place": str(place.place / "rows"),
        "tables": list(rows),
    }
    with child("bench.subjects.copying:copying", arguments) as copier:
        found = measure(place.cluster, [copier])
    if found.value != sum(rows.values()):
        raise RuntimeError(f"COPY wrote {found.value} rows of {sum(rows.values())}")
    return found
