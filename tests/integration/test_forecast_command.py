"""`uptake forecast` in words: each outcome, and what it rests on."""

from dataclasses import replace
from datetime import timedelta

import pytest

from models.queries.taken import watched
from models.queries.upgrades import Expected, expected
from tests.integration.conftest import MONDAY
from tests.integration.models.world import A, B, World
from uptake.forecast import Outcome, Score
from worker.cli.forecast import said

DAY = timedelta(days=1)


def foreseen(world: World, *, target: float = 0.95) -> Expected:
    """What is expected now."""
    app = watched(world.session, "acme:4711")
    assert app
    found = expected(world.session, app, environment="production", target=target)
    assert found
    return found


def test_of_a_rollout(world: World) -> None:
    """From too little known to reached."""
    for number in range(10):
        world.put(str(number), 1)
    world.poll()
    world.release(A, B)
    world.poll()
    words = "\n".join(said(foreseen(world)))
    assert words.startswith(
        "95 % of the tenants on version 2: too little is known to say.\n0 of 10 have it, 10 are needed;"
    )
    for number in range(6):
        world.put(str(number), 2)
        world.poll(after=DAY)
    assert "50 % of the tenants on version 2: reached on 2026-03-07." in "\n".join(said(foreseen(world, target=0.5)))
    assert f"as of {world.now:%Y-%m-%d}, 6 days after its release." in "\n".join(said(foreseen(world)))


@pytest.mark.parametrize(
    ("outcome", "days", "words"),
    [
        (Outcome.EXPECTED, (1, 2, 3), "about 2026-03-04, between 2026-03-03 and 2026-03-05."),
        (Outcome.EXPECTED, (1, 2, None), "about 2026-03-04, not before 2026-03-03, and it may be never."),
        (Outcome.NOT_REACHED, (1, None, None), "not reached at this pace, and not before 2026-03-03."),
        (Outcome.NOT_REACHED, (None, None, None), "not reached at this pace."),
    ],
)
def test_outcomes(world: World, outcome: Outcome, days: tuple[int | None, ...], words: str) -> None:
    """Each is said as what it is, with the versions before it and how forecasts did on them."""
    world.put("1", 1)
    world.poll()
    low, middle, high = (MONDAY + day * DAY if day else None for day in days)
    one = replace(foreseen(world), outcome=outcome, low_at=low, middle_at=middle, high_at=high)
    first, _, versions, score = said(replace(one, past_versions=[3, 4], scores=[Score(0.25, 3, 4), Score(0.5, 0, 0)]))
    assert first.endswith(f": {words}")
    assert versions == "Taken into account: how versions 3, 4 went."
    assert score == "Made at 25 % of the way, 3 of 4 such forecasts would have covered what came."
