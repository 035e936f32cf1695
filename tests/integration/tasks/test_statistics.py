"""After a large poll the planner knows it: without, each next poll of 10,000 tenants took seconds for its upgrades."""

from pathlib import Path

import pytest
from sqlalchemy import text

from config.settings import settings
from models import Session
from models.record import renew_statistics
from tasks import poll as polling
from tasks.edges import source_named
from tasks.rules import rules
from tests.integration.models.world import World
from tests.integration.small_portal import small_portal
from tests.integration.tasks.recorded import Ours


@pytest.mark.parametrize(("tenants", "is_renewed"), [(8, True), (7, False)])
def test_large_poll_renews_statistics(
    tenants: int, is_renewed: bool, world: World, chosen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight changes are many here, seven are not."""
    renewed: list[object] = []
    monkeypatch.setattr(polling, "MANY", 8)
    monkeypatch.setattr(polling, "renew_statistics", renewed.append)
    with small_portal(tenants=dict.fromkeys(range(1, tenants + 1), 1)) as portal:
        portal.toml(chosen)
        for cache in (settings, rules, source_named):
            cache.cache_clear()
        assert polling.poll(world.app_id, now=world.now, forced=True)
        source_named("acme").close()
        source_named.cache_clear()
    assert bool(renewed) is is_renewed


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


def test_statistics_are_renewed_when_a_table_has_grown(ours: Ours) -> None:
    """A second look at tables that are as they were costs nothing."""
    known = "SELECT reltuples, xmin::text FROM pg_class WHERE oid = 'tenant'::regclass"
    with Session.begin() as session:
        renew_statistics(session)
    ((count, looked),) = ours.rows(known)
    assert count == 5
    ours.execute("INSERT INTO tenant (source_id, external_id, first_seen_at) VALUES (1, 'x', now())")
    with Session.begin() as session:
        renew_statistics(session)
    assert ours.rows(known) == [(5, looked)]
    ours.execute(
        "INSERT INTO tenant (source_id, external_id, first_seen_at) "
        "SELECT 1, 'y' || n, now() FROM generate_series(1, 500) n"
    )
    with Session.begin() as session:
        renew_statistics(session)
    assert ours.rows(known)[0][0] == 506
