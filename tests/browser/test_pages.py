"""The pages as people see them: complete, quiet in the console, readable on any screen, usable with the keyboard."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SCREENS = (360, 768, 1440, 3840)
PAGES = ("/", "/apps/acme:{app}")
Scheme = Literal["light", "dark"]
CONTRAST = """
() => {
  const probe = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = colour => { probe.clearRect(0, 0, 1, 1); probe.fillStyle = colour; probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => { for (let e = element; e; e = e.parentElement) {
    const found = rgb(getComputedStyle(e).backgroundColor); if (found[3] === 255) return found; }
    return [255, 255, 255]; };
  const poor = [];
  for (const element of document.querySelectorAll('h1, h2, th, td, small, a, code, dt, dd, p, .tag')) {
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(element.outerHTML.slice(0, 80));
  }
  return poor;
}
"""


@contextmanager
def opened(browser: Browser, *, width: int = 1280, scheme: Scheme = "light") -> Iterator[Page]:
    """A page whose console must stay silent; a breach of the content policy is told there, too."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    page.close()
    assert said == []


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
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(browser: Browser, address: str, app: str, path: str, scheme: Scheme) -> None:
    """All text can be read in light and in dark: 4.5 to 1."""
    with opened(browser, scheme=scheme) as page:
        page.goto(address + path.format(app=app))
        assert page.evaluate(CONTRAST) == []


def test_unknown_app(browser: Browser, address: str) -> None:
    """What is not there is said, with a way back."""
    page = browser.new_page()
    answer = page.goto(f"{address}/apps/acme:nothing")
    assert answer
    assert answer.status == 404
    page.get_by_role("link", name="All apps").click()
    assert page.locator("h1").inner_text() == "Apps"
    page.close()
