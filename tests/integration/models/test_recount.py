"""Adoption at any day is what a recount from the tenures gives, whatever happened in between."""

import random
from datetime import timedelta

import pytest
from sqlalchemy import text

from models.queries.recount import Apart, counters_apart, tallies_apart
from tests.integration.models.lives import lived
from tests.integration.models.world import A, B, World
from uptake.facts import Status


@pytest.mark.parametrize("seed", range(5))
def test_every_day_is_exact(world: World, seed: int) -> None:
    """Forty days of tenants that come, upgrade, pause, go and come back, polled at odd hours, in two environments."""
    days = set()
    for _ in lived(world, random.Random(seed)):
        assert tallies_apart(world.session) == []
        days.add(world.now.date())
    assert len(days) > 20
    assert counters_apart(world.session) == []
    for day in sorted(days):
        assert counters_apart(world.session, day) == []


def test_clock_that_goes_back_over_midnight(world: World) -> None:
    """The day that has begun goes on: the counters stay those of a recount, after an upgrade and after the end."""
    for tenant in "123":
        world.put(tenant, 1)
    world.release(A, B)
    world.poll(after=timedelta(days=1))
    world.put("1", 2)
    world.poll(after=timedelta(days=1))
    latest = world.now.date()
    world.put("2", 2)
    world.poll(after=-timedelta(days=1))
    assert world.now.date() < latest
    assert counters_apart(world.session) == []
    assert world.rows("SELECT tenants FROM adoption WHERE version = 2 AND day = :day", day=latest) == [(2,)]
    world.list_apps(deleted=True)
    assert counters_apart(world.session) == []
    assert tallies_apart(world.session) == []
    assert world.rows("SELECT sum(tenants) FROM adoption WHERE day = :day", day=latest) == [(0,)]


def test_difference_is_told(world: World) -> None:
    """One counter wrong on one day is found on that day and after it, not before."""
    world.put("1", 1)
    world.poll()
    first = world.now.date()
    world.release(A, B)
    world.put("1", 2)
    world.poll(after=timedelta(days=2))
    world.session.execute(text("UPDATE adoption SET tenants = 5 WHERE version = 2"))
    assert counters_apart(world.session, first) == []
    assert counters_apart(world.session) == [Apart("acme:4711", "production", 2, 5, 1)]
    assert counters_apart(world.session, world.now.date()) == counters_apart(world.session)


def test_connections_of_each_kind(world: World) -> None:
    """A tally that is wrong is told; what nobody is any more has no row, and is none to begin with."""
    for tenant in "123":
        world.put(tenant, 1)
    world.poll()
    kinds = "SELECT status, version, tenants FROM tally ORDER BY 1, 2"
    assert world.rows(kinds) == [("connected", 1, 3)]
    world.release(A, B)
    world.put("1", 2)
    world.put("2", 1, status=Status.DISABLED)
    world.put("3", None)
    world.poll()
    assert world.rows(kinds) == [("connected", 2, 1), ("disabled", 1, 1), ("not_connected", 0, 1)]
    world.list_apps(deleted=True)
    assert world.rows(kinds) == [("disconnected", 0, 3)]
    world.session.execute(text("UPDATE tally SET tenants = 4"))
    assert tallies_apart(world.session) == [Apart("acme:4711", "production", 0, 4, 3)]
