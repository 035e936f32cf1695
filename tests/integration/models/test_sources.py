"""The source table and uptake.toml: the daemon's file decides, a command's does not."""

import pytest

from models.listing import sync_sources
from tests.integration.models.world import World


@pytest.mark.parametrize("others_rest", [True, False])
def test_sources_that_are_not_named(world: World, *, others_rest: bool) -> None:
    """With the daemon's start they rest; a command that has another file at hand turns nothing off."""
    sync_sources(world.session, [("other", "portal")], now=world.now, others_rest=others_rest)
    assert world.rows("SELECT name, enabled FROM source ORDER BY name") == [("acme", not others_rest), ("other", True)]
