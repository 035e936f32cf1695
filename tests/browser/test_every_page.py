"""Every page of the demo: silent, as wide as the screen, small, and without a violation that axe-core knows."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, Response

from tests.browser.conftest import Dashboard
from tests.browser.seeing import Scheme, comes_to_fit, fits, opened, unreadable

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

WIDTHS = (360, 1024, 1440)
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
EXAMINED = {(360, "light"), (1024, "light"), (1440, "dark")}  # by axe-core, which takes longer than all the rest
LARGEST = 300_000  # bytes, with everything that comes along
PATHS = (
    "/",
    "/?q=bridge",
    "/?q=nothing",
    "/apps/{app}",
    "/apps/{app}?days=365&show=share",
    "/apps/{app}?missing={scope}&sort=name",
    "/apps/{app}/versions/2",
    "/apps/demo:nothing",
    "/tenants",
    "/tenants?q=an&class=blocking",
    "/tenants/{tenant}",
    "/alerts",
    "/alerts?state=resolved",
    "/alerts?open={app}/tenant_lagging",
    "/alerts/{alert}",
    "/alerts/silences",
    "/messages",
    "/messages/reminders",
    "/messages/{message}",
    "/health",
    "/settings",
    "/settings/receivers",
    "/settings/people",
    "/settings/tokens",
    "/settings/audit",
    "/settings/account",
)


@pytest.fixture(scope="module")
def named(demo: Dashboard) -> dict[str, str]:
    """What stands for the names in the paths."""
    (row,) = demo.daemon.rows("""
        SELECT s.name || ':' || a.external_id AS app, s.name || ':' || t.external_id AS tenant, v.missing[1] AS scope,
            x.id AS alert, (SELECT max(n.id) FROM notice n WHERE n.reminder_id IS NOT NULL) AS message
        FROM alert x JOIN app a ON a.id = x.app_id JOIN source s ON s.id = a.source_id
        JOIN tenant t ON t.id = x.tenant_id
        JOIN connection c ON c.id = x.connection_id JOIN verdict v ON v.app_id = c.app_id AND v.version = c.version
            AND v.scope_set_id = c.scope_set_id
        WHERE x.state = 'firing' AND x.kind = 'tenant_lagging' AND a.latest_version > 1 ORDER BY x.since LIMIT 1""")
    return dict(zip(("app", "tenant", "scope", "alert", "message"), map(str, row), strict=True))


@pytest.mark.parametrize("path", PATHS)
def test_page(audience: BrowserContext, demo: Dashboard, named: dict[str, str], path: str) -> None:
    """On a telephone, a tablet and a desk, in light and in dark."""
    with opened(audience, is_missing="nothing" in path and "?" not in path) as page:
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                sizes = _sizes(page)
                answer = page.goto(demo.url + path.format(**named))
                assert answer
                assert answer.status in {200, 404}
                assert fits(page), (width, scheme)
                assert unreadable(page) == []
                if (width, scheme) in EXAMINED:
                    assert _violations(page) == [], (width, scheme)
                assert sum(sizes) < LARGEST


@pytest.mark.parametrize("path", ["/", "/apps/{app}", "/tenants/{tenant}"])
def test_on_paper(audience: BrowserContext, demo: Dashboard, named: dict[str, str], path: str) -> None:
    """All of it is as wide as a sheet, in ink on white whatever the screen is, without what one would click."""
    with opened(audience) as page:
        page.emulate_media(color_scheme="dark")
        page.goto(demo.url + path.format(**named))
        page.emulate_media(media="print", color_scheme="dark")
        page.set_viewport_size({"width": 720, "height": 1000})
        assert comes_to_fit(page)
        assert page.locator("button:visible, form:visible, nav:visible").count() == 0
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(20, 25, 34)"


@pytest.mark.parametrize("path", ["/", "/apps/{app}", "/tenants/{tenant}"])
def test_on_a_wall(audience: BrowserContext, demo: Dashboard, named: dict[str, str], path: str) -> None:
    """Where there is room, sections stand side by side, and no text runs all the way across."""
    with opened(audience) as page:
        page.set_viewport_size({"width": 3840, "height": 2160})
        page.goto(demo.url + path.format(**named))
        assert fits(page)
        left, right = (page.locator(".board").last.locator("> *").nth(number).bounding_box() for number in (0, 1))
        assert left
        assert right
        assert left["y"] == right["y"]
        widest = (
            "Math.max(...[...document.querySelectorAll('main :is(p, li, figcaption)')].map((it) => it.clientWidth))"
        )
        assert page.evaluate(widest) <= 72 * 18


def _violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}" for one in found]


def _sizes(page: Page) -> list[int]:
    """The bodies of everything that is loaded from now on, as it is filled."""
    sizes: list[int] = []

    def note(response: Response) -> None:
        length = response.headers.get("content-length")
        sizes.append(int(length) if length else 0)

    page.on("response", note)
    return sizes
