"""Before a release: whom it would ask, and how long that took before."""

from datetime import timedelta

from models.queries.impact import asked, pace
from tests.integration.models.world import A, B, C, World

DAY = timedelta(days=1)


def rolled_out(world: World) -> None:
    """Version 2 asked for B: 1 took a day, 2 took nine, 3 never did, 4 came later, 5 is elsewhere."""
    for tenant in "123":
        world.put(tenant, 1)
    world.put("5", 1, environment="integration")
    world.poll()
    world.release(A, B)
    released = world.now
    for tenant, days in (("1", 1), ("2", 9)):
        world.now = released + days * DAY - world.step
        world.put(tenant, 2)
        world.poll()
    world.put("4", 2)
    world.poll()
    world.evaluate()


def test_whom_it_asks(world: World) -> None:
    """Whoever lacks a scope of it; who lags already and who was never seen to accept anything is told apart."""
    rolled_out(world)
    production, integration = asked(world.session, world.app_id, [A, B, C])
    assert (production.environment, production.connected, production.asked, production.already) == (
        "production",
        4,
        4,
        1,
    )
    assert (production.never, production.never_count) == (["Tenant 3", "Tenant 4"], 2)
    assert (integration.environment, integration.connected, integration.asked) == ("integration", 1, 1)


def test_what_asks_for_nothing_new(world: World) -> None:
    """Those who have it all go on as they are; fewer scopes ask nobody."""
    rolled_out(world)
    (production, _) = asked(world.session, world.app_id, [A, B])
    assert (production.asked, production.already, production.never) == (1, 1, ["Tenant 3"])
    (production, _) = asked(world.session, world.app_id, [A])
    assert (production.asked, production.never_count) == (0, 0)


def test_few_names(world: World) -> None:
    """Of many the first are named, and all are counted."""
    rolled_out(world)
    (production, _) = asked(world.session, world.app_id, [A, B, C], most=1)
    assert (production.never, production.never_count) == (["Tenant 3"], 2)


def test_pace(world: World) -> None:
    """From the release to when the tenant was seen to have accepted; who came with a version accepted nothing."""
    assert pace(world.session, world.app_id).accepted == 0
    rolled_out(world)
    found = pace(world.session, world.app_id)
    assert found.accepted == 2
    assert found.p50 == 5 * DAY
    assert found.p90 == timedelta(days=1 + 8 * 0.9)
