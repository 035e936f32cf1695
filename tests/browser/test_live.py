"""A page that stays open shows what happens, by itself and in place."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Dashboard, lagging, signed_in
from tests.browser.seeing import opened
from tests.servers import Servers

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def own(servers: Servers, worker_id: str, tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard and a portal of its own, for what is done to them stays."""
    with lagging(servers, f"live_{worker_id}", tmp_path) as dashboard:
        yield dashboard


def test_a_laggard_goes_by_itself(browser: Browser, own: Dashboard) -> None:
    """Who upgrades at the portal leaves the open page with the next poll, and nobody loads it again."""
    (app,) = own.daemon.rows("SELECT external_id FROM app")[0]
    with signed_in(browser, own) as context, opened(context) as page:
        page.goto(f"{own.url}/apps/acme:{app}")
        rows = page.get_by_role("region", name="Tenants of the app").locator("tbody tr")
        expect(rows).to_have_count(6)
        page.evaluate("window.same = true")
        assert own.portal
        own.portal.tenant(9, "upgrade", int(app), {"version": 2})
        own.daemon.cli("poll")
        # A second or so by the stream of events; only without it half a minute.
        expect(rows).to_have_count(5, timeout=20_000)
        assert page.evaluate("window.same") is True
        assert "50 %" in page.locator("dl.tiles").first.inner_text()
