"""What a page must be on any screen: silent in the console, no wider than it, and readable."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, Page

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
  const texts = 'h1, h2, h3, th, td, small, a, code, dt, dd, p, li, label, legend, summary, button, .level, .tag';
  for (const element of document.querySelectorAll(texts)) {
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(element.outerHTML.slice(0, 80));
  }
  return poor;
}
"""


@contextmanager
def opened(browser: Browser | BrowserContext, *, width: int = 1280, scheme: Scheme = "light") -> Iterator[Page]:
    """A page whose console must stay silent; a breach of the content policy is told there, too.

    In a context, which keeps who has signed in, it is a further page of it.
    """
    if isinstance(browser, Browser):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    else:
        page = browser.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    page.close()
    assert said == []


def fits(page: Page) -> bool:
    """Whether the page never scrolls sideways."""
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth") is True


def unreadable(page: Page) -> list[str]:
    """The elements whose text has less contrast to its ground than 4.5 to 1."""
    found: list[str] = page.evaluate(CONTRAST)
    return found
