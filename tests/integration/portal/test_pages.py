"""The developer's pages, sent and read as a browser would: each does what its API call does."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.portal.people import Browser, people_of
from tests.integration.portal.world import JOBS, VIEW, Caller, World, app_body, connected

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
    assert "Private, for one customer" in arrived.text
    assert "Approval." not in arrived.text


def test_new_app_once(browser: Browser, developer: Caller) -> None:
    """A second click on the button leads to the app that the first one made; another name makes another app."""
    keys = dict(re.findall(r'name="(csrf_token|once)" value="([^"]+)"', browser.open("/apps/new").text))
    fields = FIELDS | SCOPED | keys
    first, second = (browser.http.post("/apps/new", data=fields) for _ in range(2))
    assert first.url == second.url
    assert len(developer.listed("/apps")) == 1
    assert browser.http.post("/apps/new", data=fields | {"name": "Another"}).url != first.url


def test_what_comes_next(browser: Browser, developer: Caller, world: World) -> None:
    """A new app says what is missing until a tenant uses it: approval, tenant IDs, and an admin who allows."""
    app = developer.ok("POST", "/apps", app_body(distribution="public"))["id"]
    path, admin = f"/apps/{app}", world.admin()
    done = 'class="done"><strong>'
    screen = browser.open(path).text
    assert "It is waiting; until then no tenant sees the app." in screen
    assert done not in screen
    world.operator().ok("POST", f"/apps/{app}/approve")
    assert f"{done}Approval." in browser.open(path).text
    developer.ok("PUT", f"/apps/{app}/availability", {"tenantIds": [admin.credentials["id"]]})
    assert f"{done}Tenant IDs." in browser.open(path).text
    admin.ok("POST", f"/app-access/{app}/allow")
    assert "What comes next" not in browser.open(path).text


def test_adoption(browser: Browser, developer: Caller, world: World) -> None:
    """My Apps and an app's page say how many of the tenants that have access run the latest version."""
    admins = world.admins(4, "Bright")
    app = developer.ok("POST", "/apps", app_body(tenantIds=[one.credentials["id"] for one in admins]))["id"]
    assert "no tenant connected" in browser.open("/apps").text
    for one in admins[:3]:
        one.ok("POST", f"/app-access/{app}/allow")
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [JOBS]})
    admins[0].ok("POST", f"/app-access/{app}/upgrade", {"version": 2})
    admins[1].ok("POST", f"/app-access/{app}/disable")
    admins[3].ok("POST", f"/app-access/{app}/allow", {"environment": "integration"})
    for path in ("/apps", f"/apps/{app}"):
        assert "1 of 3 on version 2" in browser.open(path).text


def test_lists_are_searched(browser: Browser, developer: Caller, world: World) -> None:
    """My Apps by name and id, an app's tenants by name and id; the API's lists as well."""
    tenants = world.tenants(11, "Bright")
    app = developer.ok("POST", "/apps", app_body(name="Release Radar", tenantIds=tenants))["id"]
    developer.ok("POST", "/apps", app_body(name="100% Other"))
    for words, found in (
        ("radar", ["Release Radar"]),
        (str(app), ["Release Radar"]),
        ("%", ["100% Other"]),
        ("x_", []),
    ):
        assert [row["name"] for row in developer.listed("/apps", search=words)] == found
        text = browser.http.get("/apps", params={"search": words}).text
        assert [name for name in ("Release Radar", "100% Other") if name in text] == found
    path = f"/apps/{app}/tenants"
    assert 'name="search"' in browser.open(path).text
    listed = browser.http.get(path, params={"search": tenants[3]}).text
    assert [one in listed.partition("<table>")[2] for one in tenants] == [one == tenants[3] for one in tenants]
    assert "11 of at most 2000 so far" in listed
    assert "No tenant is called so." in browser.http.get(path, params={"search": "nobody"}).text


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": "x" * 121}, "At most 120 characters; these are 121."),
        ({"name": " "}, "Give the app a name."),
        ({"organizationName": ""}, "Give the name of your organization."),
        ({"homePageUrl": "acme"}, "Write the whole address"),
        ({"tenantIds": "12 x 7y"}, "at most 19 digits. Not so: x, 7y."),
        ({"tenantIds": " ".join(map(str, range(1, 2002)))}, "At most 2000 tenant IDs; these are 2001."),
        ({"tenantIds": "999999999999"}, "No such tenant: 999999999999."),
        ({"scope": []}, "Choose at least one scope."),
        ({"scope": ["nonsense"]}, "not in the catalogue: nonsense"),
        ({"credentialManagement": "x"}, "Choose who makes the client secrets."),
    ],
)
def test_new_app_refused(browser: Browser, developer: Caller, wrong: dict[str, Any], words: str) -> None:
    """What is wrong is said in a summary that leads to the field, what was entered stays, and nothing is made."""
    kept = {"organizationName": "Kept & Co"} if "organizationName" not in wrong else {"name": "Kept & Co"}
    answer = browser.send("/apps/new", "/apps/new", **(FIELDS | SCOPED | kept | wrong))
    assert answer.status_code == 400
    assert "Kept &amp; Co" in answer.text
    ((field, said),) = re.findall(r'<li><a href="#(\w+)">([^<]+)</a></li>', answer.text)
    assert words in said
    assert f'id="{field}"' in answer.text
    assert said in answer.text.partition(f'id="{field}"')[2]
    assert developer.listed("/apps") == []


def test_tenants_come_and_go(browser: Browser, developer: Caller, world: World) -> None:
    """Tenant ids are added and deleted; one that nobody has is refused with the others of its list."""
    tenants = world.tenants(2, "Bright")
    app = developer.ok("POST", "/apps", app_body())["id"]
    path = f"/apps/{app}/tenants"
    assert "2 tenant IDs added; 2 in all." in browser.send(path, path, ids=", ".join(tenants)).text
    again = browser.send(path, path, ids=tenants[0])
    assert '<p class="said note" role="status">All of these were there already' in again.text
    for ids, words in (("999999999999", "No such tenant: 999999999999."), (" ", "Enter a tenant ID.")):
        refused = browser.send(path, path, ids=ids)
        assert words in refused.text.partition('id="tenantIds-wrong"')[2]
    (other,) = world.tenants(1, "Another")
    refused = browser.send(path, path, ids=other)
    assert f"these belong to another: {other}." in refused.text.partition('id="tenantIds-wrong"')[2]
    asked = browser.open(f"{path}/{tenants[0]}/delete").text
    assert "This tenant is not connected" in asked
    assert len(developer.listed(f"/apps/{app}/availability")) == 2
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
    assert f"<code>{VIEW}</code>" in everybody.replace("<wbr>", "")
    ids = [one.credentials["id"] for one in admins]
    for query, found in (({"status": "connected"}, ids[0]), ({"search": ids[1]}, ids[1]), ({"version": "1"}, ids[0])):
        text = browser.http.get(path, params=query).text
        assert [one in text.partition("<table>")[2] for one in ids] == [one == found for one in ids]
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [JOBS]})
    older = browser.http.get(path, params={"version": "older"}).text
    assert '<option value="older" selected>' in older
    assert (ids[0] in older, ids[1] in older) == (True, False)
    assert "1 connection;" in older


@pytest.mark.parametrize(("field", "given"), [("version", "abc"), ("version", "9"), ("status", "x")])
def test_view_connections_refuses(browser: Browser, developer: Caller, field: str, given: str) -> None:
    """A filter that means nothing is marked as such, and no number is said."""
    app = developer.ok("POST", "/apps", app_body())["id"]
    answer = browser.http.get(f"/apps/{app}/connections", params={field: given})
    assert answer.status_code == 400
    assert f'<a href="#{field}">There is no such {field}.</a>' in answer.text
    assert "0 connections" not in answer.text


def test_pages_behind_the_last(browser: Browser, developer: Caller, world: World) -> None:
    """Whoever asks for a page that a list does not have gets its last one, with the filters kept."""
    app = developer.ok("POST", "/apps", app_body(distribution="public", tenantIds=world.tenants(51)))["id"]
    for path in (f"/apps/{app}/connections?status=awaitingApproval&page=99", f"/apps/{app}/tenants?page=99"):
        answer = browser.open(path)
        assert (answer.status_code, answer.url.params["page"]) == (200, "2")
        assert answer.text.count("<tr>") == 2
        assert "Page 2 of 2" in answer.text
    assert browser.open("/apps?page=99").url.params["page"] == "1"


def test_connections_of_nobody(browser: Browser, developer: Caller) -> None:
    """Without tenants the page leads to where they are added; without a match it leads back to all."""
    app = developer.ok("POST", "/apps", app_body())["id"]
    path = f"/apps/{app}/connections"
    assert f'<a href="/apps/{app}/tenants">add tenant IDs</a>' in browser.open(path).text
    assert f'<a href="{path}">Show all</a>' in browser.open(f"{path}?status=connected").text


def test_deleting_a_connected_tenant_is_a_question_first(browser: Browser, developer: Caller, admin: Caller) -> None:
    """It names the tenant, how it stands, and the client ID that would stop working."""
    app = connected(developer, admin)
    (row,) = developer.listed(f"/apps/{app}/connections")
    tenant = admin.credentials["id"]
    asked = browser.open(f"/apps/{app}/tenants/{tenant}/delete").text
    assert f"Delete {row['resourceOwner']['name']} ({tenant}) from Dispatch Helper?" in asked
    assert "In production it is Connected on version 1" in asked
    assert row["clientId"] in asked


def test_deletion_wants_the_name(browser: Browser, developer: Caller) -> None:
    """Only the name that is typed right deletes; afterwards the app's pages say that it is gone."""
    app = developer.ok("POST", "/apps", app_body())["id"]
    path = f"/apps/{app}/delete"
    wrong = browser.send(path, path, name="Dispatch")
    assert wrong.status_code == 400
    assert "nothing was deleted" in wrong.text
    assert "No tenant is connected." in wrong.text
    assert "is deleted" in browser.send(path, path, name="Dispatch Helper").text
    assert developer.listed("/apps") == []
    assert browser.open(f"/apps/{app}").status_code == 410


def test_pages_of_others_are_not_there(browser: Browser, world: World, admin: Caller) -> None:
    """Another organization's app has no page for this developer, by whatever path."""
    other = world.developer()
    app = other.ok("POST", "/apps", app_body(tenantIds=[admin.credentials["id"]]))["id"]
    (row,) = other.listed("/connections")
    for part in ("", "/scopes", "/versions", "/tenants", "/connections", "/delete", "/tenants/1/delete"):
        assert browser.open(f"/apps/{app}{part}").status_code == 404
    ours = "/apps/new"
    for part in ("", "/scopes", "/tenants", "/delete", f"/connections/{row['id']}/secret"):
        fields = {"scope": [JOBS], "do": "save", "ids": "1", "name": "Dispatch Helper", "once": "0123456789abcdef"}
        answer = browser.send(f"/apps/{app}{part}", ours, **fields)
        assert answer.status_code == 404, part
    assert other.ok("GET", f"/apps/{app}")["latestVersion"] == 1


def test_names_are_text(browser: Browser, developer: Caller, world: World) -> None:
    """Whatever somebody calls an app is shown as it is and does nothing."""
    name = '<script>alert(1)</script>"\u202e\u05d0 &amp;'
    app = developer.ok("POST", "/apps", app_body(name=name))["id"]
    (tenant,) = world.tenants(1)
    developer.ok("PUT", f"/apps/{app}/availability", {"tenantIds": [tenant]})
    parts = ("", "/delete", "/versions", f"/tenants/{tenant}/delete")
    for path in ("/apps", *(f"/apps/{app}{part}" for part in parts)):
        text = browser.open(path).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text
