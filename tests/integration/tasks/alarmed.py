"""A world in which tenants lag, and nobody was told so far."""

from datetime import timedelta

from tasks.evaluate import evaluate_now
from tests.integration.models.world import A, B, World


def alarmed(world: World, tenants: int = 1) -> None:
    """So many tenants lag, and their grace is over."""
    for number in range(tenants):
        world.put(str(number), 1)
    world.poll()
    world.release(A, B)
    world.poll()
    world.now += timedelta(days=20)
    evaluate_now(world.app_id, now=world.now)
