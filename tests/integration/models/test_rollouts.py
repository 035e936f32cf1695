"""Versions, curves and messages as the pages ask for them."""

from datetime import timedelta

from sqlalchemy import text

from models.queries.notices import told
from models.queries.rollouts import uptake, versions
from tests.integration.models.world import A, B, C, World


def test_versions_say_what_they_changed(world: World) -> None:
    """The newest first, each against the one before; the first adds all it has."""
    world.put("1", 1)
    world.poll()
    world.release(A, B)
    world.release(B, C)
    world.poll()
    found = [(one.number, list(one.added), list(one.removed)) for one in versions(world.session, "acme:4711")]
    assert found == [(3, [C], [A]), (2, [B], []), (1, [A], [])]
    assert versions(world.session, "acme:nothing") == []


def test_what_is_deleted(world: World) -> None:
    """An app that is there no more is told of as it was."""
    world.put("1", 1)
    world.poll()
    world.session.execute(text("UPDATE app SET deleted_at = now()"))
    until = world.now.date()
    assert [one.number for one in versions(world.session, "acme:4711")] == [1]
    assert [one.version for one in uptake(world.session, "acme:4711", until=until, days=2)] == [1]


def test_curves_carry_over(world: World) -> None:
    """A day without change counts what was true before, also from before the first day asked for."""
    world.put("1", 1)
    world.put("2", 1)
    world.poll()
    world.release(A, B)
    world.now += timedelta(days=3)
    world.put("2", 2)
    world.poll()
    until = (world.now + timedelta(days=1)).date()
    curves = {one.version: list(one.tenants) for one in uptake(world.session, "acme:4711", until=until, days=6)}
    assert curves == {1: [0, 2, 2, 2, 1, 1], 2: [0, 0, 0, 0, 1, 1]}
    short = {one.version: list(one.tenants) for one in uptake(world.session, "acme:4711", until=until, days=2)}
    assert short == {1: [1, 1], 2: [1, 1]}
    assert uptake(world.session, "acme:4711", until=until, days=2, environment="integration") == []


def test_nothing_told(world: World) -> None:
    """Before the first message the list is empty."""
    assert told(world.session) == []
    assert told(world.session, app="acme:4711", reminders=True) == []
