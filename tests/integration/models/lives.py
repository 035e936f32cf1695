"""Histories of many turns, made at random: tenants that come, upgrade, pause, go and come back."""

import random
from collections.abc import Iterator
from datetime import timedelta

from tests.integration.models.world import A, B, C, World
from uptake.facts import Status


def lived(world: World, chance: random.Random, *, steps: int = 40, tenants: int = 12) -> Iterator[None]:
    """Poll at odd hours, in two environments, with a release now and then; control comes back after each poll."""
    for step in range(steps):
        if step in {7, 19, 30}:
            world.release(*chance.sample([A, B, C], chance.randint(1, 3)))
        for tenant in map(str, range(tenants)):
            fate = chance.random()
            environment = chance.choice(["production", "integration"])
            if fate < 0.15:
                world.put(tenant, chance.randint(1, len(world.versions)), environment=environment)
            elif fate < 0.2:
                world.put(tenant, 1, status=Status.DISABLED, environment=environment)
            elif fate < 0.24:
                world.put(tenant, None, environment=environment)
            elif fate < 0.27:
                world.drop(tenant)
        world.poll(after=timedelta(hours=chance.randint(3, 40)), believe=True)
        yield
