"""Take a picture of a page: `python -m scripts.screenshot URL FILE [--link LINK] [--width 1280] [--dark] [--whole]`."""

import argparse

from playwright.sync_api import sync_playwright

from tests.browser.chromium import ARGUMENTS, executable


def main() -> None:
    """Write the PNG."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("file")
    parser.add_argument("--link", help="of `uptake user link`: signs in first")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--whole", action="store_true", help="the whole page, not only what fits")
    told = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        page = browser.new_page(
            viewport={"width": told.width, "height": told.height},
            color_scheme="dark" if told.dark else "light",
        )
        if told.link:
            page.goto(told.link)
        page.goto(told.url)
        page.screenshot(path=told.file, full_page=told.whole)
        browser.close()


if __name__ == "__main__":
    main()
