"""What twenty polls leave on the disk."""

from bench.measure import median
from bench.report import MIB, Section, Table, Target, usage_table
from bench.scale import Scale
from bench.sections.churn import changed
from bench.shape import Shape
from bench.world import LOADED, world

_POLLS, _SHARE = 20, 0.01
_LEAST = 0.01  # of everything: smaller tables are not shown


def run(scale: Scale) -> Section:
    """Sizes before and after twenty polls, each with 1 % upgraded."""
    shape = Shape(scale.apps, scale.tenants, scale.page)
    with world(shape) as place:
        place.list_apps()
        place.load()
        before = place.cluster.sizes(LOADED)
        polls = []
        for number in range(1, _POLLS + 1):
            polls.append(changed(place, _SHARE))
            print(f"  {number}/{_POLLS}: {polls[-1].seconds:.2f} s", flush=True)
        after = place.cluster.sizes(LOADED)
    first, total = sum(before.values()), sum(after.values())
    rows = [_row(table, before[table], size) for table, size in after.items() if size > total * _LEAST]
    halves = [("a poll of the first ten", polls[:10], shape.rows), ("of the last ten", polls[10:], shape.rows)]
    return Section(
        name="bloat",
        title="Twenty polls later",
        setting=f"{shape}, 1 % upgraded before each poll",
        tables=[
            Table(
                ["table, with indexes", "MiB after the first load", "MiB after twenty polls", "growth"],
                [*rows, _row("all", first, total)],
            ),
            usage_table(halves),
        ],
        targets=[
            Target("size of everything : first size", total / first, most=1.3),
            Target("size of connection : first size", after["connection"] / before["connection"], most=1.3),
            Target("a poll of the last ten : of the first ten", median(polls[10:]) / median(polls[:10]), most=1.3),
        ],
        notes=[
            "The polls follow each other at once: autovacuum has less time than it would have between real ones.",
            f"History and events hold {_POLLS * _SHARE:.0%} more rows in the end, which is no bloat but counts here.",
        ],
    )


def _row(table: str, before: int, after: int) -> list[str]:
    return [table, f"{before / MIB:,.1f}", f"{after / MIB:,.1f}", f"{after / before:.2f} x"]
