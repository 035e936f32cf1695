"""The portal's pages at their limits: 2,000 tenants, every scope there is, 50 versions, and names of 120 characters."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from portal.catalogue import GRANTS
from tests.browser.seeing import Scheme, cut, faint, fits, opened, small, unreadable
from tests.integration.portal.people import people_of
from tests.integration.portal.world import World, app_body

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

# Unbroken, from right to left, and with words: each in 120 characters.
NAMES = ("Wide" * 30, "שלום " * 23 + "עולם!", "会" * 120)
LETTERS = "م" * 120
DEVELOPER = (
    "/apps",
    "/apps/new",
    "/apps/{app}",
    "/apps/{app}/scopes",
    "/apps/{app}/versions",
    "/apps/{app}/tenants",
    "/apps/{app}/connections",
    "/apps/{app}/connections?status=connected",
    "/apps/{app}/delete",
    "/apps/{app}/tenants/{tenant}/delete",
)
PAGES = {
    "developer": DEVELOPER,
    "admin": (
        "/access",
        "/access/{app}?environment=production",
        "/access/{app}?environment=integration",
        "/access/{app}/revoke",
    ),
    "operator": ("/approvals", "/approvals/{waiting}/reject"),
}
SCREENS: tuple[tuple[int, Scheme], ...] = ((360, "light"), (360, "dark"), (1440, "light"), (1440, "dark"))


class Crowd(NamedTuple):
    """A portal with much in it."""

    base: str
    app: int
    waiting: int
    people: dict[str, Any]

    def at(self, path: str) -> str:
        """The address of a page."""
        tenant = self.people["admin"]["tenant"]
        return self.base + path.format(app=self.app, waiting=self.waiting, tenant=tenant)


@pytest.fixture(scope="module")
def crowd(portal: World) -> Crowd:
    """An app of 2,000 tenants and 50 versions, the last of them with every scope; one tenant runs the first."""
    people = people_of(portal)
    developer, admin = people["developer"], people["admin"]
    acme = portal.calling(f"/organization/{developer['organization']}", developer)
    tenant = portal.calling(f"/tenant/{admin['tenant']}", admin)
    ids = [admin["tenant"], *portal.tenants(1999)]
    scopes = sorted(GRANTS)
    app: int = acme.ok(
        "POST", "/apps", app_body(name=NAMES[0], organizationName=LETTERS, scopes=scopes[:-50], distribution="public")
    )["id"]
    acme.ok("PUT", f"/apps/{app}/availability", {"tenantIds": ids})
    portal.operator().ok("POST", f"/apps/{app}/approve")
    tenant.ok("POST", f"/app-access/{app}/allow", {"environment": "production"})
    for number in range(2, 51):
        acme.ok("POST", f"/apps/{app}/versions", {"scopes": scopes[: number - 50] or scopes})
    waiting = [acme.ok("POST", "/apps", app_body(name=name, distribution="public"))["id"] for name in NAMES[1:]]
    return Crowd(portal.base, app, waiting[0], people)


@pytest.fixture(scope="module", params=PAGES)
def visitor(request: pytest.FixtureRequest, browser: Browser, crowd: Crowd) -> Iterator[tuple[str, BrowserContext]]:
    """Somebody of each kind, who has signed in."""
    kind: str = request.param
    context = browser.new_context()
    page = context.new_page()
    page.goto(crowd.base)
    page.get_by_label("User name").fill(crowd.people[kind]["username"])
    page.get_by_label("Password").fill(crowd.people[kind]["password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "sign-in" not in url)
    yield kind, context
    context.close()


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_pages_hold(visitor: tuple[str, BrowserContext], crowd: Crowd, width: int, scheme: Scheme) -> None:
    """No page scrolls sideways, nor a table in it; none writes to the console; all can be read, and touched."""
    kind, context = visitor
    for path in PAGES[kind]:
        with opened(context, width=width, scheme=scheme) as page:
            answer = page.goto(crowd.at(path))
            assert answer, path
            assert answer.ok, path
            assert fits(page), path
            assert cut(page) == [], path
            for found in (unreadable(page), faint(page), small(page)):
                assert found == [], path


def test_every_control_has_a_name(visitor: tuple[str, BrowserContext], crowd: Crowd) -> None:
    """Whoever hears a page is told what each field, button and link is for."""
    kind, context = visitor
    for path in PAGES[kind]:
        with opened(context) as page:
            page.goto(crowd.at(path))
            controls = "input:not([type=hidden]), select, textarea, button:not([hidden]), a"
            nameless = page.locator(controls).evaluate_all(NAMELESS)
            assert nameless == [], path


NAMELESS = """
elements => elements.filter(e => !((e.labels && [...e.labels].some(l => l.textContent.trim())) ||
  e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML)
"""


def test_keyboard(browser: Browser, crowd: Crowd) -> None:
    """With the keyboard alone a developer signs in, skips the header, and sees where they are."""
    with opened(browser) as page:
        page.goto(crowd.base)
        expect(page.get_by_label("User name")).to_be_focused()
        for word in (crowd.people["developer"]["username"], crowd.people["developer"]["password"]):
            page.keyboard.type(word)
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{crowd.base}/apps")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to content"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "New App"
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_scopes_are_found_by_typing(browser: Browser, crowd: Crowd) -> None:
    """The grid shows what fits the typed words, and says how many are shown and chosen."""
    with opened(browser) as page:
        signs_in(page, crowd, "developer", f"/apps/{crowd.app}/scopes")
        page.get_by_label("Find a scope").fill("customers")
        shown = page.locator(".scope:visible")
        assert 0 < shown.count() < 10
        assert all("customers" in text.lower() for text in shown.all_inner_texts())
        assert f"{shown.count()} of" in page.locator("[data-count]").inner_text()


def signs_in(page: Page, crowd: Crowd, kind: str, to: str) -> None:
    """Sign in as one of a *kind*, and arrive at *to*."""
    page.goto(f"{crowd.base}/sign-in?to={to}")
    page.get_by_label("User name").fill(crowd.people[kind]["username"])
    page.get_by_label("Password").fill(crowd.people[kind]["password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(crowd.base + to)


def test_what_is_wrong_is_where_one_looks(browser: Browser, crowd: Crowd) -> None:
    """A refused form has its summary focused, and each line of it leads to the field; how many are chosen is seen."""
    with opened(browser, width=360) as page:
        # The browser itself tells of an answer that is no success.
        signs_in(page, crowd, "developer", "/apps/new")
        expect(page.locator("[data-chosen]")).to_have_text("0 scopes chosen")
        page.get_by_label("Application name").fill("New")
        page.get_by_label("Home page URL").fill("https://acme.example")
        page.route("**/apps/new", lambda route: route.fulfill(response=route.fetch(), status=200))
        page.get_by_role("button", name="Create app").click()
        expect(page.get_by_role("alert")).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Choose at least one scope.")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#scopes")).to_be_in_viewport()
        expect(page.get_by_label("Application name")).to_have_value("New")


def test_without_scripts(browser: Browser, crowd: Crowd) -> None:
    """What only works with a script is not there without: no search in the grid, no button that copies nothing."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    signs_in(page, crowd, "developer", f"/apps/{crowd.app}/scopes")
    expect(page.get_by_label("Find a scope")).to_be_hidden()
    expect(page.get_by_role("button", name="Review changes")).to_be_visible()
    page.goto(f"{crowd.base}/apps/{crowd.app}")
    expect(page.locator("[data-copy]")).to_be_hidden()
    context.close()


def test_what_waits_is_seen_on_a_phone(browser: Browser, crowd: Crowd) -> None:
    """The new version stands under the app's name, within the screen, and leads to what it asks for."""
    with opened(browser, width=360) as page:
        signs_in(page, crowd, "admin", "/access")
        page.get_by_role("link", name="New Version Available: 50").click(trial=True)
        expect(page.get_by_role("link", name="New Version Available: 50")).to_be_in_viewport(ratio=1)
        page.get_by_role("link", name="New Version Available: 50").click()
        expect(page.get_by_role("button", name="Upgrade to version 50")).to_be_visible()


def test_tabs_stay_where_they_are(browser: Browser, crowd: Crowd) -> None:
    """Which tab is chosen moves none of them."""
    with opened(browser, width=360) as page:
        signs_in(page, crowd, "developer", f"/apps/{crowd.app}")
        places = []
        for part in ("", "/versions", "/tenants"):
            page.goto(f"{crowd.base}/apps/{crowd.app}{part}")
            places.append(page.locator(".tabs a").evaluate_all("all => all.map(e => e.getBoundingClientRect().x)"))
        assert places[0] == places[1] == places[2]
