"""The tenant admin's pages: what is asked for is shown before anything is accepted, and only that is accepted."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.portal.people import Browser, people_of
from tests.integration.portal.world import JOBS, VIEW, Caller, World, app_body


@pytest.fixture
def admin(world: World) -> dict[str, Any]:
    """A tenant's admin."""
    entry: dict[str, Any] = people_of(world)["admin"]
    return entry


@pytest.fixture
def browser(portal_url: str, admin: dict[str, Any]) -> Iterator[Browser]:
    """Their browser, signed in."""
    browser = Browser(portal_url)
    browser.sign_in(admin)
    yield browser
    browser.http.close()


@pytest.fixture
def app(developer: Caller, admin: dict[str, Any]) -> int:
    """An app that the tenant may see."""
    number: int = developer.ok("POST", "/apps", app_body(tenantIds=[admin["tenant"]]))["id"]
    return number


def does(browser: Browser, app: int, what: str, *, shown: int = 0) -> httpx.Response:
    """Press a button of the app's page."""
    return browser.send(f"/access/{app}", f"/access/{app}", do=what, shown=str(shown))


def status(developer: Caller) -> tuple[str, int | None]:
    """How the one connection stands."""
    (row,) = developer.listed("/connections")
    return row["status"], row["version"]


def test_from_allow_to_revoke(browser: Browser, developer: Caller, app: int) -> None:
    """Every button does what it says, and the page shows what is in play afterwards."""
    assert "This app asks for" in browser.open(f"/access/{app}").text
    assert "Declined: the app has no access in production." in does(browser, app, "decline").text
    assert status(developer) == ("notConnected", None)
    assert ">Allow version 1</button>" in browser.open(f"/access/{app}").text
    assert "Access is allowed." in does(browser, app, "allow", shown=1).text
    assert "Nothing has changed: version 1 stays in play." in does(browser, app, "decline").text
    assert status(developer) == ("connected", 1)
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [JOBS]})
    to = f"/access/{app}?environment=production#asked"
    assert f'<a class="new" href="{to}">New Version Available: 2</a>' in browser.open("/access").text
    screen = browser.open(f"/access/{app}").text
    assert "New Version Available: 2" in screen
    assert re.search(
        r'tn.<wbr>jpm.<wbr>jobs</code>.*\n<span class="level add"><span class="hidden">added: </span>View', screen
    )
    assert re.search(
        r'tn.<wbr>crm.<wbr>customers</code>.*\n<span class="level del"><span class="hidden">removed: </span>View',
        screen,
    )
    assert ">Upgrade to version 2</button>" in screen
    assert (
        "Declined: version 1 stays in play. You can upgrade to version 2 at any time."
        in does(browser, app, "decline").text
    )
    assert status(developer) == ("connected", 1)
    does(browser, app, "upgrade", shown=2)
    assert status(developer) == ("connected", 2)
    does(browser, app, "disable")
    assert status(developer) == ("disabled", 2)
    does(browser, app, "enable")
    assert status(developer) == ("connected", 2)
    revoke = f"/access/{app}/revoke"
    (client,) = (row["clientId"] for row in developer.listed("/connections"))
    asked = browser.open(revoke).text
    assert "Revoke access of Dispatch Helper in production?" in asked
    assert f"Client ID {client} stops working at once" in asked
    assert status(developer) == ("connected", 2)
    assert "Access has ended" in browser.send(revoke, revoke).text
    assert status(developer) == ("disconnected", None)
    assert browser.open(revoke).status_code == 409


def test_revoking_is_a_question_first(browser: Browser, app: int) -> None:
    """No button of the app's own page ends the access."""
    does(browser, app, "allow", shown=1)
    screen = browser.open(f"/access/{app}").text
    assert f'<a class="button danger" href="/access/{app}/revoke?environment=production">' in screen
    assert 'value="revoke"' not in screen


def test_only_what_was_shown_is_accepted(browser: Browser, developer: Caller, app: int) -> None:
    """A version that came while the page was open is not accepted unseen; the page says so and shows it."""
    does(browser, app, "allow", shown=1)
    for scopes in ([JOBS], [VIEW, JOBS]):
        developer.ok("POST", f"/apps/{app}/versions", {"scopes": scopes})
    answer = does(browser, app, "upgrade", shown=2)
    assert answer.status_code == 409
    assert "The latest version is 3" in answer.text
    assert "New Version Available: 3" in answer.text
    assert status(developer) == ("connected", 1)


@pytest.mark.parametrize("fields", [{}, {"shown": ""}, {"shown": "0"}])
def test_a_form_that_showed_nothing_accepts_nothing(
    browser: Browser, developer: Caller, app: int, fields: dict[str, str]
) -> None:
    """Neither allows nor upgrades without the version that was shown."""
    path = f"/access/{app}"
    assert not browser.send(path, path, do="allow", **fields).is_success
    assert status(developer) == ("notConnected", None)


def test_environments_are_apart(browser: Browser, developer: Caller, app: int) -> None:
    """Allowing in integration says nothing about production."""
    path = f"/access/{app}?environment=integration"
    assert "Not Connected Yet" in browser.open(path).text
    browser.send(path, path, do="allow", shown="1")
    rows = {row["environment"]: row["status"] for row in developer.listed("/connections")}
    assert rows == {"production": "notConnected", "integration": "connected"}


def test_apps_that_are_not_visible(world: World, browser: Browser, developer: Caller, admin: dict[str, Any]) -> None:
    """An app of others, or one that is not approved, has no page and takes no button."""
    others = developer.ok("POST", "/apps", app_body(tenantIds=world.tenants(1)))["id"]
    waiting = developer.ok("POST", "/apps", app_body(distribution="public", tenantIds=[admin["tenant"]]))["id"]
    ours = developer.ok("POST", "/apps", app_body(tenantIds=[admin["tenant"]]))["id"]
    for app in (others, waiting):
        assert browser.open(f"/access/{app}").status_code == 404
        for path in (
            f"/access/{app}",
            *(f"/access/{app}/{part}" for part in ("secrets", "secrets/1/delete", "revoke")),
        ):
            fields = {"do": "allow", "shown": "1", "once": "0123456789abcdef"}
            assert browser.send(path, f"/access/{ours}", **fields).status_code == 404, path
        for path in (f"/access/{app}/secrets/1/delete", f"/access/{app}/revoke"):
            assert browser.open(path).status_code == 404, path


def test_what_waits_comes_first(browser: Browser, developer: Caller, admin: dict[str, Any], app: int) -> None:
    """Apps with a new version stand before the others, whatever their age."""
    ids = [app, *(developer.ok("POST", "/apps", app_body(tenantIds=[admin["tenant"]]))["id"] for _ in range(2))]
    for one in ids:
        does(browser, one, "allow", shown=1)
    developer.ok("POST", f"/apps/{ids[2]}/versions", {"scopes": [JOBS]})
    shown = re.findall(r'<tr><td><a href="/access/(\d+)', browser.open("/access").text)
    assert list(map(int, shown)) == [ids[2], ids[0], ids[1]]


def test_an_app_that_was_deleted(browser: Browser, developer: Caller, admin: dict[str, Any]) -> None:
    """Whoever had it is told; to a tenant that never allowed it, it never was."""
    had, seen = (developer.ok("POST", "/apps", app_body(tenantIds=[admin["tenant"]]))["id"] for _ in range(2))
    ours = developer.ok("POST", "/apps", app_body(tenantIds=[admin["tenant"]]))["id"]
    does(browser, had, "allow", shown=1)
    for one in (had, seen):
        developer.ok("DELETE", f"/apps/{one}")
    told = browser.open(f"/access/{had}")
    assert (told.status_code, browser.open(f"/access/{seen}").status_code) == (410, 404)
    assert "This app was deleted" in told.text
    assert browser.send(f"/access/{had}", f"/access/{ours}", do="disable").status_code == 410
