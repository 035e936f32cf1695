"""Uptake against dlt: the first load, polls afterwards, and whether both remember the same history."""

import shutil
from collections.abc import Callable
from functools import partial

from bench import dlt_venv, history
from bench.measure import Measured, Runs, child, in_turns, measure, ratio
from bench.report import Section, Target, usage_table
from bench.scale import Scale
from bench.sections.churn import changed
from bench.sections.reading import walked
from bench.shape import Shape
from bench.world import LOADED, World, world

# What both go through before their histories are compared, after the first load.
_SCRIPT = (0.01, 0.01, 0.1)
_KINDS = {"dlt, defaults": False, "dlt, tuned": True}
_FIRST, _SAME, _MOVED = "first load", "nothing changed", "1 % upgraded"


def run(scale: Scale) -> Section:
    """All three, for each of the occasions, in turns."""
    shape = Shape(max(1, scale.apps // (1 if scale.full or scale.quick else 10)), scale.tenants, scale.page)
    python = dlt_venv.python()
    with world(shape) as place:
        place.list_apps()
        stretches, wrong = _histories(place, python)
        found = in_turns(scale.rounds, _subjects(place, python))
    return Section(
        name="dlt",
        title="Against dlt",
        setting=str(shape),
        tables=[usage_table([(what, runs, shape.rows) for what, runs in found.items()])],
        targets=[*_targets(found), Target("rows of history that differ from dlt's", wrong, most=0, unit="")],
        notes=[
            "dlt reads with its REST source and merges with scd2 (bench/dlt_script.py).",
            "Tuned, it loads CSV and puts 50,000 rows into a file.",
            "Lists stay in their row there, which spares dlt the child tables of its defaults.",
            "Histories are stretches of (app, tenant, version, first poll, last poll).",
            f"They were compared after a first load and 1 %, 1 % and 10 % upgraded: {stretches:,} stretches.",
        ],
    )


def _histories(place: World, python: str) -> tuple[int, int]:
    """Take all three through the same polls; how many stretches Uptake remembers, and how many differ from dlt's."""
    for share in (0.0, *_SCRIPT):
        if share:
            changed(place, share)
        else:
            place.load()
        for kind, tuned in _KINDS.items():
            print(f"  {kind}: {_loaded(place, python, tuned=tuned, new=not share).seconds:.1f} s", flush=True)
    with place.cluster.session(LOADED) as session:
        expected = history.ours(session)
    wrong = 0
    for tuned in _KINDS.values():
        with place.cluster.session(_database(tuned=tuned)) as session:
            wrong += len(set(expected).symmetric_difference(history.theirs(session)))
    return len(expected), wrong


def _subjects(place: World, python: str) -> dict[str, Callable[[], Measured]]:
    def theirs(occasion: str) -> dict[str, Callable[[], Measured]]:
        return {
            f"{kind}, {occasion}": partial(_loaded, place, python, tuned=tuned, new=occasion == _FIRST)
            for kind, tuned in _KINDS.items()
        }

    # The first loads come last: dlt's begin its database anew, and Uptake's has one of its own.
    return {
        f"Uptake, {_SAME}": lambda: walked(place),
        **theirs(_SAME),
        f"Uptake, {_MOVED}": partial(changed, place, 0.01),
        **theirs(_MOVED),
        f"Uptake, {_FIRST}": lambda: place.load("fresh"),
        **theirs(_FIRST),
    }


def _loaded(place: World, python: str, *, tuned: bool, new: bool) -> Measured:
    database = _database(tuned=tuned)
    home = place.place / database
    if new:
        place.cluster.create(database)
        shutil.rmtree(home, ignore_errors=True)
    arguments = {
        "url": place.portal.plain,
        "page": place.shape.page,
        "host": str(place.cluster.sockets),
        "database": database,
        "place": str(home),
        "tuned": tuned,
    }
    with child("bench.dlt_script:loading", arguments, python=python) as loader:
        found = measure(place.cluster, [loader])
    # Its own count of rows is one of cells where it writes CSV.
    with place.cluster.session(database) as session:
        present = history.present(session)
    if present != place.shape.rows:
        raise RuntimeError(f"dlt holds {present} rows of {place.shape.rows}")
    return found


def _database(*, tuned: bool) -> str:
    return "dlt_tuned" if tuned else "dlt_defaults"


def _targets(found: Runs) -> list[Target]:
    wanted = {_SAME: (25, 15), _MOVED: (20, 12), _FIRST: (None, 3)}
    return [
        Target(
            f"{occasion}, {kind} : Uptake",
            ratio(found[f"{kind}, {occasion}"], found[f"Uptake, {occasion}"]),
            None,
            least,
        )
        for occasion, limits in wanted.items()
        for kind, least in zip(_KINDS, limits, strict=True)
        if least is not None
    ]
