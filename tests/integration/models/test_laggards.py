"""Who lags, read kind by kind: the same as if all of them were put in order."""

import random
from datetime import timedelta

import pytest

from models.queries.apps import Laggard, laggards
from tests.integration.models.world import A, B, C, World


def lagging(world: World, seed: int) -> World:
    """Some dozens of tenants on several versions that connected at several times, some of them between releases."""
    chance = random.Random(seed)
    for number, grants in enumerate([(A,), (A, B), (B, C)]):
        if number:
            world.now += timedelta(days=3)
            world.release(*grants)
        for tenant in range(number * 12, number * 12 + 12):
            world.put(str(tenant), chance.randint(1, number + 1))
        world.poll(after=timedelta(hours=1))
    world.evaluate()
    return world


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("most", [1, 3, 8, 15, 22])
def test_the_first_are_those_of_all(world: World, most: int, seed: int) -> None:
    """Blocking ones first, and of each class the longest first: whatever part is wanted, it is the beginning."""
    lagging(world, seed)
    everybody = laggards(world.session, most=1000)
    told = world.rows("""SELECT t.external_id, s.lag, s.since FROM standing s JOIN tenant t ON t.id = s.tenant_id
                         WHERE s.status = 'connected' AND s.lag IN ('blocking', 'trimming')""")
    assert sorted((one.tenant, one.lag, one.since) for one in everybody) == sorted(told)
    assert len({one.since for one in everybody}) > 1
    assert [key(one) for one in everybody] == sorted(map(key, everybody))
    assert laggards(world.session, most=most) == everybody[:most]


def test_only_those_of_a_source(world: World) -> None:
    """Whoever may see some sources is told of no other, before anything is left out for want of place."""
    lagging(world, seed=1)
    assert laggards(world.session, sources=["acme"]) == laggards(world.session)
    assert laggards(world.session, sources=["globex"]) == []


def key(one: Laggard) -> tuple[object, ...]:
    """What they are sorted by."""
    return one.lag, one.since
