"""After a large poll the planner knows it: without, each next poll of 10,000 tenants took seconds for its upgrades."""

from pathlib import Path

import pytest
from sqlalchemy import text

from config.settings import settings
from models.record import renew_statistics
from tasks import poll as polling
from tasks.edges import source_named
from tasks.rules import rules
from tests.integration.models.world import World
from tests.integration.small_portal import small_portal


# No two with the same number: what the planner knows outlives a rolled-back transaction.
@pytest.mark.parametrize(("tenants", "known"), [(8, True), (7, False)])
def test_large_poll_renews_statistics(
    tenants: int, known: bool, world: World, chosen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight changes are many here, seven are not."""
    rows = text("SELECT reltuples FROM pg_class WHERE oid = 'connection'::regclass")
    monkeypatch.setattr(polling, "MANY", 8)
    with small_portal(tenants=dict.fromkeys(range(1, tenants + 1), 1)) as portal:
        portal.toml(chosen)
        for cache in (settings, rules, source_named):
            cache.cache_clear()
        assert polling.poll(world.app_id, now=world.now, forced=True)
        source_named("acme").close()
        source_named.cache_clear()
    assert (world.session.execute(rows).scalar_one() == tenants) is known


def test_no_plan_looks_through_all_that_is_staged_for_each_connection(world: World) -> None:
    """Whoever believes that an app has one connection would: nine seconds for 10,000 tenants."""
    for tenant in range(500):
        world.put(f"t{tenant}", 1)
    world.poll()
    for join in ("hashjoin", "mergejoin"):
        world.session.execute(text(f"SET LOCAL enable_{join} = off"))
    plan = world.rows("""EXPLAIN SELECT FROM connection c JOIN tenant t ON t.id = c.tenant_id
                         JOIN staged s ON s.tenant = t.external_id AND s.environment = c.environment""")
    assert "Index Scan using staged_tenant_idx" in str(plan)


def test_statistics_are_renewed_when_a_table_has_grown(world: World) -> None:
    """A second look at a table that is as it was costs nothing."""
    looked = text("SELECT xmin::text FROM pg_class WHERE oid = 'connection'::regclass")
    for tenant in range(500):
        world.put(f"t{tenant}", 1)
    world.poll()
    renew_statistics(world.session)
    first = world.session.execute(looked).scalar_one()
    renew_statistics(world.session)
    assert world.session.execute(looked).scalar_one() == first
    for tenant in range(500, 1100):
        world.put(f"t{tenant}", 1)
    world.poll()
    renew_statistics(world.session)
    assert (
        world.session.execute(text("SELECT reltuples FROM pg_class WHERE oid = 'connection'::regclass")).scalar_one()
        == 1100
    )
