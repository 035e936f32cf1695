"""The pages as people see them: complete, quiet in the console, readable on any screen, usable with the keyboard."""

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.conftest import PASSWORD, Dashboard
from tests.browser.seeing import Scheme, faint, fits, opened, small, unreadable

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SCREENS = (360, 768, 1440, 3840)
PAGES = ("/", "/apps/acme:{app}")


@pytest.fixture(scope="module")
def app(visitor: BrowserContext, address: str) -> str:
    """The app's id at its portal."""
    with opened(visitor) as page:
        page.goto(address)
        return page.locator("table.apps tbody tr small").first.inner_text().partition(":")[2]


def test_overview(visitor: BrowserContext, address: str) -> None:
    """Adoption, the curve with its words, alerts and laggards are there."""
    with opened(visitor) as page:
        page.goto(address)
        row = page.locator("table.apps tbody tr")
        assert row.count() == 1
        assert "Dispatch Helper" in row.inner_text()
        assert "40 %" in row.inner_text()
        assert page.locator("svg.spark title").text_content() == (
            "4 of 10 connected tenants run version 2 at the end of these 90 days"
        )
        assert page.locator("svg.spark path.v0").get_attribute("d")
        assert page.get_by_role("region", name="Laggards").locator("tbody tr").count() == 6


def test_keyboard(visitor: BrowserContext, address: str, app: str) -> None:
    """With Tab and Enter alone one gets to an app and sees where one is."""
    with opened(visitor) as page:
        page.goto(address)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to content"
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == "Dispatch Helper":
                break
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        page.wait_for_url(f"{address}/apps/acme:{app}")
        assert page.locator("h1").inner_text() == "Dispatch Helper"
        assert page.locator("figure.chart canvas").first.is_visible()
        assert page.get_by_role("region", name="All versions").locator("code.add").count() == 2


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", SCREENS)
def test_no_sideways_scrolling(visitor: BrowserContext, address: str, app: str, path: str, width: int) -> None:
    """From a telephone to a wall: wide tables scroll in themselves, the page never does."""
    with opened(visitor, width=width) as page:
        page.goto(address + path.format(app=app))
        assert fits(page)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(visitor: BrowserContext, address: str, app: str, path: str, scheme: Scheme) -> None:
    """All text can be read in light and in dark: 4.5 to 1."""
    with opened(visitor, scheme=scheme) as page:
        page.goto(address + path.format(app=app))
        assert unreadable(page) == []


def test_unknown_app(visitor: BrowserContext, address: str) -> None:
    """What is not there is said, with a way back."""
    page = visitor.new_page()
    answer = page.goto(f"{address}/apps/acme:nothing")
    assert answer
    assert answer.status == 404
    page.get_by_role("link", name="All apps").click()
    assert page.locator("h1").inner_text() == "Apps"
    page.close()


def test_signing_in_and_out(browser: Browser, dashboard: Dashboard) -> None:
    """With a password one gets to where one wanted, by keyboard alone; after signing out, going back shows nothing."""
    with opened(browser) as page:
        page.goto(f"{dashboard.url}/?x=1")
        assert page.url == f"{dashboard.url}/sign-in?next=/%3Fx%3D1"
        # The field takes the focus a moment after the page is there, later on a busy machine.
        expect(page.get_by_label("Name")).to_be_focused()
        page.keyboard.type("bob")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{dashboard.url}/?x=1")
        assert page.locator("h1").inner_text() == "Apps"
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{dashboard.url}/sign-in")
        page.go_back()
        assert page.locator("h1").inner_text() == "Sign in to Uptake"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", SCREENS)
def test_sign_in_page(browser: Browser, address: str, width: int, scheme: Scheme) -> None:
    """It fits any screen, can be read, and shows where to type."""
    with opened(browser, width=width, scheme=scheme) as page:
        page.goto(f"{address}/sign-in")
        assert page.get_by_label("Password").is_visible()
        assert fits(page)
        assert (unreadable(page), faint(page), small(page)) == ([], [], [])


def test_sign_out_is_big_enough(visitor: BrowserContext, address: str) -> None:
    """What is to be touched is found by a finger and by an eye."""
    with opened(visitor, width=360) as page:
        page.goto(address)
        assert (faint(page), small(page)) == ([], [])
