"""A page that stays open shows what happens, by itself and in place."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.conftest import Dashboard, lagging, signed_in
from tests.browser.seeing import opened
from tests.servers import Servers

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def own(servers: Servers, worker_id: str, tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard and a portal of its own, for what is done to them stays."""
    with lagging(servers, f"live_{worker_id}", tmp_path) as dashboard:
        yield dashboard


def test_no_more_than_is_read(browser: Browser, own: Dashboard) -> None:
    """A page listens to what it is about, looks seldom however much happens, and asks again where it was refused."""
    (app,) = own.daemon.rows("SELECT external_id FROM app")[0]
    streams: list[str] = []
    looks: list[str] = []

    def told(route: Route) -> None:
        streams.append(route.request.url)
        if len(streams) == 1:
            route.fulfill(status=429)
        else:
            route.fulfill(content_type="text/event-stream", body="retry: 500\n\nid: 1-1\ndata: {}\n\n")

    with signed_in(browser, own) as context:
        page = context.new_page()
        page.clock.install()
        page.route("**/api/v1/events/stream*", told)
        page.on("request", lambda one: looks.append(one.url) if "hx-request" in one.headers else None)
        page.goto(f"{own.url}/apps/acme:{app}")
        page.wait_for_timeout(1000)
        assert len(streams) == 1
        page.clock.run_for(31_000)
        page.wait_for_timeout(3000)
        assert len(streams) > 2, "it asks again with the next look, and then whenever the stream breaks off"
        assert all(one.endswith(f"?app=acme%3A{app}") for one in streams)
        looks.clear()
        for _ in range(20):
            page.clock.run_for(1000)
            page.wait_for_timeout(300)
        assert 2 <= len(looks) <= 8, "an event a second or so, and a look in five"
        page.close()


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
        # A second or so by the stream of events, half a minute where transactions of other tests hold that up.
        expect(rows).to_have_count(5, timeout=60_000)
        assert page.evaluate("window.same") is True
        assert "50 %" in page.locator("dl.tiles").first.inner_text()
