"""Routes: which receivers hear of which alerts, told through the real flush."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from tasks.evaluate import evaluate_now
from tasks.flush import flush_now
from tasks.rules import rules
from tests.integration.models.world import A, B, World

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RECEIVERS = """
[[receiver]]
name = "pager"
kind = "log"
[[receiver]]
name = "golden"
kind = "log"
"""
TOLD = """
SELECT n.receiver, n.payload ->> 'firing', n.reason FROM notice n WHERE n.id > :last ORDER BY n.receiver, n.id
"""


@pytest.fixture
def lagging(world: World) -> World:
    """Tenants 0, 1 and 2 lack B; 1 is gold."""
    for tenant in "012":
        world.put(tenant, 1)
    world.poll()
    world.release(A, B)
    world.poll()
    world.label("1", tier="gold")
    return world


def routes(chosen: Path, toml: str) -> None:
    """These are the file's routes from now on."""
    chosen.write_text(f"{chosen.read_text()}\n{RECEIVERS}\n{toml}\n")
    rules.cache_clear()


def heard(world: World, after: timedelta) -> list[tuple[str, str, str]]:
    """Who was told of how many and why, when all was judged *after* a while and groups have waited."""
    world.now += after
    last = world.session.scalar(text("SELECT coalesce(max(id), 0) FROM notice"))
    world.session.commit()
    evaluate_now(world.app_id, now=world.now)
    for _ in range(2):
        world.now += timedelta(minutes=1)
        flush_now(now=world.now)
    return [(str(name), str(firing), str(reason)) for name, firing, reason in world.rows(TOLD, last=last)]


def test_without_routes_the_receivers_of_the_policy(lagging: World) -> None:
    """As ever."""
    assert heard(lagging, 15 * DAY) == [("ops", "3", "first")]


def test_some_tenants_for_somebody_else(lagging: World, chosen: Path) -> None:
    """One message to each, of those alerts that are theirs."""
    routes(chosen, '[[route]]\nlabels = { tier = "gold" }\nreceivers = ["golden"]')
    assert heard(lagging, 15 * DAY) == [("golden", "1", "first"), ("ops", "2", "first")]
    assert lagging.rows("SELECT body LIKE '%Tenant 1%' FROM notice ORDER BY receiver") == [(True,), (False,)]


def test_one_more_hears(lagging: World, chosen: Path) -> None:
    """A route that goes on takes nothing from the others."""
    routes(chosen, '[[route]]\nlabels = { tier = "gold" }\nreceivers = ["golden"]\ncontinue = true')
    assert heard(lagging, 15 * DAY) == [("golden", "1", "first"), ("ops", "3", "first")]


def test_who_was_told_hears_how_it_goes_on(lagging: World, chosen: Path) -> None:
    """An alert that has become severe is told to whom that is for, and to whoever knows of it; so is its end."""
    routes(chosen, '[[route]]\nat_least = "critical"\nreceivers = ["pager"]')
    assert heard(lagging, 15 * DAY) == [("ops", "3", "first")]
    assert heard(lagging, 21 * DAY) == [("ops", "3", "escalated"), ("pager", "3", "first")]
    for tenant in "012":
        lagging.put(tenant, 2)
    lagging.poll()
    assert heard(lagging, HOUR) == [("ops", "0", "all_resolved"), ("pager", "0", "all_resolved")]


def test_kinds_and_sources(lagging: World, chosen: Path) -> None:
    """An alert about a source alone has no app and no environment, and its own receivers."""
    routes(
        chosen,
        """
[[route]]
kinds = ["poll_failing"]
environment = "production"
receivers = ["golden"]
[[route]]
kinds = ["poll_failing"]
receivers = ["pager"]
""",
    )
    lagging.session.execute(
        text("""INSERT INTO alert (source_id, kind, state, severity, since, opened_at, fired_at, reason)
                SELECT id, 'poll_failing', 'firing', 'warning', :now, :now, :now, 'auth' FROM source"""),
        {"now": lagging.now},
    )
    assert heard(lagging, HOUR) == [("pager", "1", "first")]


def test_nobody(lagging: World, chosen: Path) -> None:
    """A route without receivers is for what nobody has to hear of."""
    routes(chosen, '[[route]]\napp = "4711"\nreceivers = []')
    assert heard(lagging, 15 * DAY) == []
    assert lagging.rows("SELECT count(*) FROM alert WHERE state = 'firing'") == [(3,)]


def test_route_of_another_environment(lagging: World, chosen: Path) -> None:
    """What is not for an alert leaves it to the next."""
    routes(
        chosen,
        """
[[route]]
app = "4712"
receivers = ["pager"]
[[route]]
environment = "production"
receivers = ["golden"]
""",
    )
    assert heard(lagging, 15 * DAY) == [("golden", "3", "first")]
