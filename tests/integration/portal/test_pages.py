"""The developer's pages, sent and read as a browser would: each does what its API call does."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.portal.people import Browser, people_of
from tests.integration.portal.world import JOBS, VIEW, Caller, World, app_body

SCOPED = {"scope": [VIEW]}
FIELDS = {
    "name": "Dispatch Helper",
    "organizationName": "Acme",
    "homePageUrl": "https://acme.example",
    "distribution": "private",
    "credentialManagement": "developer",
    "tenantIds": "",
}


@pytest.fixture
def people(world: World) -> dict[str, Any]:
    """One of each kind, with their passwords."""
    return people_of(world)


@pytest.fixture
def browser(portal_url: str, people: dict[str, Any]) -> Iterator[Browser]:
    """A developer's browser, signed in."""
    browser = Browser(portal_url)
    browser.sign_in(people["developer"])
    yield browser
    browser.http.close()


@pytest.fixture
def developer(world: World, people: dict[str, Any]) -> Caller:
    """The same developer, calling the API."""
    entry = people["developer"]
    return world.calling(f"/organization/{entry['organization']}", entry | {"id": entry["organization"]})


def test_new_app(browser: Browser, developer: Caller, admin: Caller) -> None:
    """The form makes the app, with its key, scopes and tenants, and leads to it."""
    fields = FIELDS | SCOPED | {"tenantIds": f"{admin.credentials['id']}\n"}
    arrived = browser.send("/apps/new", "/apps/new", **fields)
    (app,) = developer.listed("/apps")
    assert arrived.url.path == f"/apps/{app['id']}"
    assert app["appKey"] in arrived.text
    assert (app["name"], app["availabilityCount"], app["distribution"]) == ("Dispatch Helper", 1, "private")
    assert "Dispatch Helper" in browser.open("/apps").text


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": "x" * 121}, "at most 120"),
        ({"name": " "}, "at least 1 character"),
        ({"homePageUrl": "acme"}, "the whole address"),
        ({"tenantIds": "x"}, "at most 19 digits"),
        ({"tenantIds": "999999999999"}, "No such tenant"),
        ({"scope": []}, "at least 1"),
        ({"scope": ["nonsense"]}, "not in the catalogue"),
    ],
)
def test_new_app_refused(browser: Browser, developer: Caller, wrong: dict[str, Any], words: str) -> None:
    """What is wrong is said, what was entered stays, and nothing is made."""
    answer = browser.send("/apps/new", "/apps/new", **(FIELDS | SCOPED | {"organizationName": "Kept & Co"} | wrong))
    assert answer.status_code == 400
    assert words in answer.text
    assert "Kept &amp; Co" in answer.text
    assert developer.listed("/apps") == []


def test_change_of_scopes_is_reviewed_first(browser: Browser, developer: Caller, admin: Caller) -> None:
    """The preview says which version, what comes and goes and who must accept; saving makes exactly that one."""
    app = developer.ok("POST", "/apps", app_body(tenantIds=[admin.credentials["id"]]))["id"]
    admin.ok("POST", f"/app-access/{app}/allow")
    path = f"/apps/{app}/scopes"
    preview = browser.send(path, path, scope=[JOBS], expected="1", do="review")
    assert "Saving makes version 2: 1 added, 1 removed" in preview.text
    assert "1 tenant" in preview.text
    assert developer.ok("GET", f"/apps/{app}")["latestVersion"] == 1
    saved = browser.send(path, path, scope=[JOBS], expected="1", do="save")
    assert saved.url.path == f"/apps/{app}/versions"
    assert "Version 2 is released." in saved.text
    assert [row["added"] for row in developer.listed(f"/apps/{app}/versions")] == [[JOBS], [VIEW]]
    again = browser.send(path, path, scope=[VIEW], expected="1", do="save")
    assert again.status_code == 400
    assert "The latest version is 2" in again.text
    assert "Nothing has changed" in browser.send(path, path, scope=[JOBS], expected="2", do="review").text


def test_details_are_edited(browser: Browser, developer: Caller) -> None:
    """Names and address change; a page that was opened before somebody else's edit does not undo it."""
    app = developer.ok("POST", "/apps", app_body())["id"]
    path = f"/apps/{app}"
    names = {name: FIELDS[name] for name in ("organizationName", "homePageUrl", "credentialManagement")}
    (tag,) = re.findall(r'name="tag" value="([^"]+)"', browser.open(path).text)
    tag = tag.replace("&#34;", '"')
    assert "Saved." in browser.send(path, path, name="Renamed", tag=tag, **names).text
    assert developer.ok("GET", path)["name"] == "Renamed"
    stale = browser.send(path, path, name="Other", tag=tag, **names)
    assert stale.status_code == 400
    assert "has changed since you read it" in stale.text
    assert developer.ok("GET", path)["name"] == "Renamed"


def test_tenants_come_and_go(browser: Browser, developer: Caller, world: World) -> None:
    """Tenant ids are added and deleted; one that nobody has is refused with the others of its list."""
    tenants = world.tenants(2, "Bright")
    app = developer.ok("POST", "/apps", app_body())["id"]
    path = f"/apps/{app}/tenants"
    assert "2 added; 2 in all." in browser.send(path, path, ids=", ".join(tenants)).text
    assert "No such tenant" in browser.send(path, path, ids="999999999999").text
    browser.send(f"{path}/{tenants[0]}/delete", path)
    assert [row["resourceOwner"]["id"] for row in developer.listed(f"/apps/{app}/availability")] == tenants[1:]


def test_view_connections(browser: Browser, developer: Caller, world: World) -> None:
    """Tenant, environment, status in the seed's words, version and scopes in play; found by name, id and status."""
    admins = world.admins(2, "Bright")
    app = developer.ok("POST", "/apps", app_body(tenantIds=[one.credentials["id"] for one in admins]))["id"]
    admins[0].ok("POST", f"/app-access/{app}/allow")
    path = f"/apps/{app}/connections"
    everybody = browser.open(path).text
    assert "Not Connected Yet" in everybody
    assert f"<code>{VIEW}</code>" in everybody
    ids = [one.credentials["id"] for one in admins]
    for query, found in (({"status": "connected"}, ids[0]), ({"search": ids[1]}, ids[1]), ({"version": "1"}, ids[0])):
        text = browser.http.get(path, params=query).text
        assert [one in text.partition("<table>")[2] for one in ids] == [one == found for one in ids]
    assert browser.http.get(path, params={"version": "x"}).status_code == 400


def test_secret_is_shown_once(browser: Browser, developer: Caller, admin: Caller) -> None:
    """The developer makes a tenant's secret where the app says so; only its beginning is shown afterwards."""
    body = app_body(tenantIds=[admin.credentials["id"]], credentialManagement="developer")
    app = developer.ok("POST", "/apps", body)["id"]
    admin.ok("POST", f"/app-access/{app}/allow")
    (row,) = developer.listed(f"/apps/{app}/connections")
    path = f"/apps/{app}/connections"
    made = browser.send(f"{path}/{row['id']}/secret", path)
    (value,) = re.findall(r"<code data-key>(cs1\.[^<]+)</code>", made.text)
    assert value not in browser.open(path).text
    assert value[:6] in browser.open(path).text


def test_deletion_wants_the_name(browser: Browser, developer: Caller) -> None:
    """Only the name that is typed right deletes; afterwards the app's pages say that it is gone."""
    app = developer.ok("POST", "/apps", app_body())["id"]
    path = f"/apps/{app}/delete"
    assert browser.send(path, path, name="Dispatch").status_code == 400
    assert "is deleted" in browser.send(path, path, name="Dispatch Helper").text
    assert developer.listed("/apps") == []
    assert browser.open(f"/apps/{app}").status_code == 410


def test_pages_of_others_are_not_there(browser: Browser, world: World, admin: Caller) -> None:
    """Another organization's app has no page for this developer, by whatever path."""
    other = world.developer()
    app = other.ok("POST", "/apps", app_body(tenantIds=[admin.credentials["id"]]))["id"]
    (row,) = other.listed("/connections")
    for part in ("", "/scopes", "/versions", "/tenants", "/connections", "/delete"):
        assert browser.open(f"/apps/{app}{part}").status_code == 404
    ours = "/apps/new"
    for part in ("", "/scopes", "/tenants", "/delete", f"/connections/{row['id']}/secret"):
        answer = browser.send(f"/apps/{app}{part}", ours, scope=[JOBS], do="save", ids="1", name="Dispatch Helper")
        assert answer.status_code == 404, part
    assert other.ok("GET", f"/apps/{app}")["latestVersion"] == 1


def test_names_are_text(browser: Browser, developer: Caller) -> None:
    """Whatever somebody calls an app is shown as it is and does nothing."""
    name = '<script>alert(1)</script>"\u202e\u05d0 &amp;'
    app = developer.ok("POST", "/apps", app_body(name=name))["id"]
    for path in ("/apps", f"/apps/{app}", f"/apps/{app}/delete", f"/apps/{app}/versions"):
        text = browser.open(path).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text
