"""Uptake against the script that somebody would write for the same purpose."""

from functools import partial

from bench.measure import Measured, child, in_turns, measure, ratio, scaled
from bench.report import Section, Target, usage_table
from bench.scale import Scale
from bench.sections.churn import changed
from bench.sections.reading import walked
from bench.shape import Shape
from bench.world import World, world

_ROWS = 40_000
_DATABASE = "scripted"
_SAME, _SCRIPT_SAME = "Uptake, nothing changed", "script, nothing changed"
_MOVED, _SCRIPT_MOVED = "Uptake, 1 % upgraded", "script, 1 % upgraded"


def run(scale: Scale) -> Section:
    """Both, when nothing changed and when 1 % did, in turns."""
    shape = Shape(scale.apps, scale.tenants, scale.page)
    apps = max(1, min(shape.apps, _ROWS // shape.tenants))
    with world(shape) as place:
        place.list_apps()
        place.load()
        place.cluster.create(_DATABASE)
        first = _scripted(place, apps)
        found = in_turns(
            scale.rounds,
            {
                _SAME: lambda: walked(place),
                _SCRIPT_SAME: partial(_scripted, place, apps),
                _MOVED: partial(changed, place, 0.01),
                _SCRIPT_MOVED: partial(_scripted, place, apps),
            },
        )
    runs = {**found, "script, first run": [first]}
    return Section(
        name="cron",
        title="Against a script for cron",
        setting=str(shape),
        tables=[usage_table([(what, each, shape.rows) for what, each in runs.items()])],
        targets=[
            Target("nothing changed, script : Uptake", ratio(found[_SCRIPT_SAME], found[_SAME]), least=80),
        ],
        notes=[
            "The script is bench/cron_script.py: requests, and one upsert for each row.",
            f"It reads {apps * shape.tenants:,} of the connections; its figures are scaled to {shape.rows:,}.",
        ],
    )


def _scripted(place: World, apps: int) -> Measured:
    arguments = {
        "url": place.portal.plain,
        "apps": list(place.shape.externals())[:apps],
        "page": place.shape.page,
        "conninfo": place.cluster.conninfo(_DATABASE),
    }
    with child("bench.cron_script:recording", arguments) as script:
        found = measure(place.cluster, [script])
    if found.value != apps * place.shape.tenants:
        raise RuntimeError(f"the script recorded {found.value} rows of {apps * place.shape.tenants}")
    return scaled(found, place.shape.apps / apps)
