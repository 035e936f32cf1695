"""Apps in each order: whichever page begins where, every app is on one of them, and on none twice."""

from typing import get_args

import pytest
from sqlalchemy import text

from models.queries.app_order import PLACES, Sort, place
from models.queries.apps import AppOverview, overview
from tests.integration.models.world import A, World

# The name, how many are connected, and how many of these are current and blocked.
APPS = (
    ("Bravo", 10, 4, 6),
    ("Alpha", 10, 4, 6),
    ("Delta", 30, 29, 1),
    ("Echo", 0, 0, 0),
    ("Charlie", 3, 1, 0),
    ("Foxtrot", 3, 3, 0),
    ("Golf", 7, 0, 0),
)
_APP = """
WITH app AS (
    INSERT INTO app (source_id, external_id, name, first_seen_at, next_poll_at)
    SELECT id, :name, :name, now(), now() FROM source WHERE name = 'acme' RETURNING id
), judged AS (
    INSERT INTO verdict (app_id, version, scope_set_id, lag, missing, superfluous, latest, versions_behind,
        mismatch)
    SELECT app.id, v.version, (SELECT min(id) FROM scope_set), v.lag, '{}', '{}', 3, 3 - v.version, false
    FROM app, (VALUES (3, 'current'), (2, 'blocking'), (1, 'equivalent')) v (version, lag)
)
INSERT INTO tally (app_id, environment, status, version, scope_set_id, tenants)
SELECT app.id, 'production', n.status, n.version, (SELECT min(id) FROM scope_set), n.tenants FROM app, (VALUES
    ('connected', 3, :current), ('connected', 2, :blocking), ('connected', 1, :rest), ('disabled', 2, 99)
) n (status, version, tenants) WHERE n.tenants > 0
"""


@pytest.fixture
def many(world: World) -> World:
    """A world with apps of every kind beside its own, which nobody has."""
    world.release(A)
    world.poll()
    for name, connected, current, blocking in APPS:
        counts = {"current": current, "blocking": blocking, "rest": connected - current - blocking}
        world.session.execute(text(_APP), {"name": name, **counts})
    return world


def named(apps: list[AppOverview]) -> list[str]:
    """Their names; that of the world's own is no matter."""
    return [one.name for one in apps if one.name != "Dispatch Helper"]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        pytest.param("name", "Alpha Bravo Charlie Delta Echo Foxtrot Golf", id="by name"),
        pytest.param("blocked", "Alpha Bravo Delta Charlie Echo Foxtrot Golf", id="the most blocked first"),
        pytest.param("adoption", "Golf Charlie Alpha Bravo Delta Foxtrot Echo", id="the lowest first, nobody's last"),
    ],
)
def test_order(many: World, sort: Sort, order: str) -> None:
    """Apps that are alike are by name; who is not connected counts for nothing."""
    assert named(overview(many.session, sort=sort)) == order.split()


@pytest.mark.parametrize("sort", get_args(Sort))
@pytest.mark.parametrize("most", [1, 2, 3, 8, 9])
def test_pages(many: World, sort: Sort, most: int) -> None:
    """From place to place every app comes once, in the order of the whole list."""
    whole = overview(many.session, sort=sort)
    found: list[AppOverview] = []
    while len(found) <= len(whole):
        page = overview(many.session, sort=sort, after=place(found[-1], sort) if found else None, most=most)
        if not page:
            break
        found += page
    assert found == whole
    assert all(tuple(map(type, place(one, sort))) == PLACES[sort] for one in whole)
    assert len({place(one, sort) for one in whole}) == len(APPS) + 1


@pytest.mark.parametrize("sort", get_args(Sort))
def test_narrowed(many: World, sort: Sort) -> None:
    """Only of the sources that are asked for, with the letters, and of the environment."""
    assert named(overview(many.session, sort=sort, letters="o")) == [
        one for one in named(overview(many.session, sort=sort)) if "o" in one
    ]
    assert overview(many.session, sort=sort, sources=["globex"]) == []
    elsewhere = overview(many.session, sort=sort, environment="integration")
    assert named(elsewhere) == sorted(named(elsewhere))
