"""The pages as people see them: complete, quiet in the console, readable on any screen, usable with the keyboard."""

import pytest
from playwright.sync_api import Browser

from tests.browser.seeing import Scheme, fits, opened, unreadable

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SCREENS = (360, 768, 1440, 3840)
PAGES = ("/", "/apps/acme:{app}")


@pytest.fixture(scope="module")
def app(browser: Browser, address: str) -> str:
    """The app's id at its portal."""
    with opened(browser) as page:
        page.goto(address)
        return page.locator("table.apps tbody tr small").first.inner_text().partition(":")[2]


def test_overview(browser: Browser, address: str) -> None:
    """Adoption, the curve with its words, alerts and laggards are there."""
    with opened(browser) as page:
        page.goto(address)
        row = page.locator("table.apps tbody tr")
        assert row.count() == 1
        assert "Dispatch Helper" in row.inner_text()
        assert "40 %" in row.inner_text()
        assert page.locator("svg.chart title").text_content() == (
            "4 of 10 connected tenants run version 2 at the end of these 90 days"
        )
        assert page.locator("svg.chart path.s0").get_attribute("d")
        for name in ("Open alerts", "Laggards"):
            assert page.get_by_role("region", name=name).locator("tbody tr").count() == 6


def test_keyboard(browser: Browser, address: str, app: str) -> None:
    """With Tab and Enter alone one gets to an app and sees where one is."""
    with opened(browser) as page:
        page.goto(address)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to content"
        for _ in range(10):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == "Dispatch Helper":
                break
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        page.wait_for_url(f"{address}/apps/acme:{app}")
        assert page.locator("h1").inner_text() == "Dispatch Helper"
        assert page.locator("svg.chart.large text.label").all_inner_texts() == []
        assert page.get_by_role("region", name="Versions").locator("code.add").count() == 2


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", SCREENS)
def test_no_sideways_scrolling(browser: Browser, address: str, app: str, path: str, width: int) -> None:
    """From a telephone to a wall: wide tables scroll in themselves, the page never does."""
    with opened(browser, width=width) as page:
        page.goto(address + path.format(app=app))
        assert fits(page)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(browser: Browser, address: str, app: str, path: str, scheme: Scheme) -> None:
    """All text can be read in light and in dark: 4.5 to 1."""
    with opened(browser, scheme=scheme) as page:
        page.goto(address + path.format(app=app))
        assert unreadable(page) == []


def test_unknown_app(browser: Browser, address: str) -> None:
    """What is not there is said, with a way back."""
    page = browser.new_page()
    answer = page.goto(f"{address}/apps/acme:nothing")
    assert answer
    assert answer.status == 404
    page.get_by_role("link", name="All apps").click()
    assert page.locator("h1").inner_text() == "Apps"
    page.close()
