"""Many apps due at once, and several who want to claim them."""

from contextlib import ExitStack
from functools import partial

from bench.cluster import Cluster
from bench.measure import Measured, child, in_turns, measure, median
from bench.report import Section, Target, usage_table
from bench.scale import Scale
from bench.shape import Shape
from bench.world import World, require_once, world

_CLAIMERS = 4
_MOST = 500  # as many as a tick rings for at once
_DATABASE = "due"
_SOURCE = (
    "INSERT INTO source (name, kind, at_once, next_poll_at) VALUES ('acme', 'portal', 100000, now() + interval '1 day')"
)
_APPS = """
INSERT INTO app (source_id, external_id, name, first_seen_at, next_poll_at)
SELECT 1, n::text, 'App ' || n, now(), now() - n * interval '1 millisecond' FROM generate_series(1, %s) n
"""
_RUNG, _LEASED = f"rung for by {_CLAIMERS}", f"rung for and leased by {_CLAIMERS}"


def run(scale: Scale) -> Section:
    """Ring for all, and ring for and lease all."""
    due = 1_000 if scale.quick else 20_000
    # The portal is not asked anything here.
    with world(Shape(1, 1)) as place:
        found = in_turns(
            scale.rounds,
            {_RUNG: partial(_claimed, place, due, "ring"), _LEASED: partial(_claimed, place, due, "lease")},
        )
    return Section(
        name="claim",
        title="Claiming what is due",
        setting=f"{due:,} apps due at once, {_CLAIMERS} processes that claim up to {_MOST} at a time",
        tables=[usage_table([(what, runs, due) for what, runs in found.items()])],
        targets=[
            Target(f"{due:,} apps rung for, each once", median(found[_RUNG]), most=5, unit="s"),
        ],
        notes=[
            "A lease is a transaction for each app, as when its worker begins the poll; a ring is one for each tick."
        ],
    )


def _claimed(place: World, due: int, how: str) -> Measured:
    _prepare(place.cluster, due)
    with ExitStack() as stack:
        arguments = {"most": _MOST, "how": how}
        environment = place.environment(_DATABASE)
        claimers = [
            stack.enter_context(child("bench.subjects.scheduling:claiming", arguments, environment))
            for _ in range(_CLAIMERS)
        ]
        found = measure(place.cluster, claimers)
    require_once(found, due)
    return found


def _prepare(cluster: Cluster, due: int) -> None:
    cluster.create(_DATABASE)
    with cluster.session(_DATABASE) as session:
        session.execute(_SOURCE)
        session.execute(_APPS, [due])
        session.execute("ANALYZE source, app")
