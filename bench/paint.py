"""How soon a page is to be seen: `python -m bench.paint LINK PATH... [--times 9] [--width 1440]`.

LINK is of `uptake user link`, of a dashboard that runs. Each look is with an empty cache and a connection of its own.
"""

import argparse
from collections.abc import Sequence
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, StorageState, sync_playwright

from tests.browser.chromium import ARGUMENTS, executable

_ENTRIES = """() => {
    const [page] = performance.getEntriesByType("navigation");
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    const files = performance.getEntriesByType("resource");
    return paint && page.loadEventStart ? {
        answered: page.responseStart,
        painted: paint.startTime,
        loaded: page.loadEventStart,
        bytes: [page, ...files].reduce((sum, it) => sum + it.transferSize, 0),
    } : null;
}"""
_SHOWN = ("answered", "painted", "loaded")


def main() -> None:
    """Print a row of a table for each page: the median and the worst of so many looks, in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("link")
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--times", type=int, default=9)
    parser.add_argument("--width", type=int, default=1440)
    told = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        known = _signed_in(browser, told.link)
        parts = urlsplit(told.link)
        print(f"| page | {' | '.join(f'{name}, ms' for name in _SHOWN)} | kB |\n|{'---|' * (len(_SHOWN) + 2)}")
        for path in told.paths:
            address = f"{parts.scheme}://{parts.netloc}{path}"
            print(_row(path, [_look(browser, known, address, told.width) for _ in range(told.times)]))
        browser.close()


def _signed_in(browser: Browser, link: str) -> StorageState:
    context = browser.new_context()
    context.new_page().goto(link)
    known = context.storage_state()
    context.close()
    return known


def _look(browser: Browser, known: StorageState, address: str, width: int) -> dict[str, float]:
    """What the browser noted of one look, from when it set out."""
    # A context has a cache of its own, which ends with it.
    context = browser.new_context(storage_state=known, viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto(address, wait_until="load")
    entries: dict[str, Any] = page.wait_for_function(_ENTRIES).json_value()
    context.close()
    return entries


def _row(path: str, looks: Sequence[dict[str, float]]) -> str:
    cells = [f"{median(one[name] for one in looks):.0f} ({max(one[name] for one in looks):.0f})" for name in _SHOWN]
    return f"| {path} | {' | '.join(cells)} | {looks[0]['bytes'] / 1000:.0f} |"


if __name__ == "__main__":
    main()
