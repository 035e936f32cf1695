"""After a large poll the planner knows it: without, each next poll of 10,000 tenants took seconds for its upgrades."""

from pathlib import Path

import pytest
from sqlalchemy import text

from config.settings import settings
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
