"""What a page must be on any screen: silent in the console, no wider than it, and readable."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, Page

Scheme = Literal["light", "dark"]
COLOURS = """
  const probe = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = colour => { probe.clearRect(0, 0, 1, 1); probe.fillStyle = colour; probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => { for (let e = element; e; e = e.parentElement) {
    const found = rgb(getComputedStyle(e).backgroundColor); if (found[3] === 255) return found; }
    return [255, 255, 255]; };
  const contrast = (one, other) => { const [a, b] = [light(rgb(one)), light(other)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05); };
"""
CONTRAST = f"""
() => {{
  {COLOURS}
  const poor = [];
  const texts = 'h1, h2, h3, th, td, small, a, code, dt, dd, p, li, label, legend, summary, button, .level, .tag';
  for (const element of document.querySelectorAll(texts)) {{
    if (contrast(getComputedStyle(element).color, ground(element)) < 4.5) poor.push(element.outerHTML.slice(0, 80));
  }}
  return poor;
}}
"""
FAINT = f"""
() => {{
  {COLOURS}
  return [...document.querySelectorAll('button:not(.primary), .button:not(.primary), input:not([type=hidden]), select')]
    .filter(e => e.checkVisibility() && !['checkbox', 'radio'].includes(e.type))
    .filter(e => contrast(getComputedStyle(e).borderTopColor, ground(e.parentElement)) < 3)
    .map(e => e.outerHTML.slice(0, 80));
}}
"""
SMALL = """
() => [...document.querySelectorAll('button, .button, summary, .tabs a, .crumbs a, .pager a, .cards a, label.check')]
  .filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 24).map(e => e.outerHTML.slice(0, 80))
"""
CUT = "() => [...document.querySelectorAll('.wide')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.ariaLabel)"


@contextmanager
def opened(
    browser: Browser | BrowserContext, *, width: int = 1280, scheme: Scheme = "light", is_missing: bool = False
) -> Iterator[Page]:
    """A page whose console must stay silent; a breach of the content policy is told there, too.

    In a context, which keeps who has signed in, it is a further page of it. That there *is_missing* something, which
    browsers say by themselves, is no breach.
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
    assert [one for one in said if not (is_missing and "404" in one)] == []


def fits(page: Page) -> bool:
    """Whether the page never scrolls sideways."""
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth") is True


def comes_to_fit(page: Page) -> bool:
    """Whether it does not in the end: pictures are drawn anew a moment after the room has changed."""
    for _ in range(50):
        if fits(page):
            return True
        page.wait_for_timeout(100)
    return False


def unreadable(page: Page) -> list[str]:
    """The elements whose text has less contrast to its ground than 4.5 to 1."""
    found: list[str] = page.evaluate(CONTRAST)
    return found


def faint(page: Page) -> list[str]:
    """The controls whose border has less contrast to what is around them than 3 to 1."""
    found: list[str] = page.evaluate(FAINT)
    return found


def small(page: Page) -> list[str]:
    """What is to be touched, and is less than 24 pixels high."""
    found: list[str] = page.evaluate(SMALL)
    return found


def cut(page: Page) -> list[str]:
    """The tables of which one sees a part only, and has to scroll sideways for the rest."""
    found: list[str] = page.evaluate(CUT)
    return found
