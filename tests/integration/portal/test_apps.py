"""My Apps: create, validate, list, edit, approve, delete."""

import re
from typing import Any

import pytest

from tests.integration.portal.world import JOBS, MODIFY, VIEW, Caller, World, app_body, code, connected

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z")


def test_new_app(developer: Caller, admin: Caller) -> None:
    """A new app has its key, version 1 with all its scopes as added, and its tenant waiting to connect."""
    body = app_body(tenantIds=[admin.credentials["id"]], scopes=[JOBS, VIEW, VIEW], credentialManagement="developer")
    answer = developer("POST", "/apps", json=body)

    assert answer.status_code == 201
    app = answer.json()
    assert answer.headers["location"].endswith(f"/apps/{app['id']}")
    assert app["appKey"].startswith("ak1.")
    assert TIME.fullmatch(app["createdOn"])
    assert {name: app[name] for name in ("createdBy", "latestVersion", "availabilityCount", "active")} == {
        "createdBy": "j.doe",
        "latestVersion": 1,
        "availabilityCount": 1,
        "active": True,
    }
    assert (app["approvalStatus"], app["credentialManagement"]) == ("notRequired", "developer")
    assert developer.ok("GET", f"/apps/{app['id']}") == app
    assert developer.listed("/apps") == [app]
    (first,) = developer.listed(f"/apps/{app['id']}/versions")
    assert (first["version"], first["added"], first["removed"]) == (1, [VIEW, JOBS], [])
    assert [row["status"] for row in developer.listed("/connections")] == ["notConnected"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"organizationName": "x" * 121}, "organizationName"),
        ({"homePageUrl": "acme"}, "homePageUrl"),
        ({"homePageUrl": "javascript:alert(1)"}, "homePageUrl"),
        ({"homePageUrl": "https://acme.example/" + "x" * 250}, "homePageUrl"),
        ({"distribution": "secret"}, "distribution"),
        ({"credentialManagement": "nobody"}, "credentialManagement"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["tn.crm.customers"]}, "scopes"),
        ({"scopes": ["tn.crm.bulktags:r"]}, "scopes"),
        ({"scopes": ["tn.rpt.reports:w"]}, "scopes"),
        ({"tenantIds": ["x"]}, "tenantIds.0"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_new_app_refused(developer: Caller, wrong: dict[str, Any], field: str) -> None:
    """Lengths, addresses and scopes are checked; the answer names the field, and nothing is made."""
    answer = developer("POST", "/apps", json=app_body(**wrong))

    assert code(answer) == (400, "invalid_request")
    assert list(answer.json()["errors"]) == [field]
    assert developer.listed("/apps") == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"name":"\\ud800"}', b"\xff"])
def test_bodies_that_are_none(developer: Caller, content: bytes) -> None:
    """What is no JSON object answers 400."""
    answer = developer("POST", "/apps", content=content, headers={"Content-Type": "application/json"})

    assert code(answer) == (400, "invalid_request")


def test_longest_names_pass(developer: Caller) -> None:
    """Names of 120 characters of any script and addresses of 250 characters are kept as they are."""
    names = {"name": "会" * 120, "organizationName": "ш" * 120, "homePageUrl": "https://a.example/" + "x" * 232}

    made = developer.ok("POST", "/apps", app_body(**names))

    assert names.items() <= made.items()


def test_private_app_serves_one_customer(world: World, developer: Caller) -> None:
    """Two tenants of one customer share a private app; a second customer's tenant is refused, then and later."""
    own, stranger = world.tenants(2, "Bright"), world.tenants(1, "Dim")

    both = developer("POST", "/apps", json=app_body(tenantIds=own + stranger))
    assert code(both) == (409, "second_customer")
    assert "customer" in both.json()["title"]

    app = developer.ok("POST", "/apps", app_body(tenantIds=own))["id"]
    later = developer("PUT", f"/apps/{app}/availability/{stranger[0]}")
    assert code(later) == (409, "second_customer")
    assert len(developer.listed(f"/apps/{app}/availability")) == 2


def test_public_app_waits_for_approval(world: World, developer: Caller, admin: Caller) -> None:
    """Tenants of a public app see nothing before the operator approves it, once; then they can act."""
    body = app_body(distribution="public", tenantIds=[admin.credentials["id"]])
    app = developer.ok("POST", "/apps", body)["id"]
    assert developer.listed("/connections")[0]["status"] == "awaitingApproval"
    assert admin.listed("/app-access") == []
    assert code(admin("POST", f"/app-access/{app}/allow")) == (404, "not_found")

    operator = world.operator()
    operator.ok("POST", f"/apps/{app}/approve")

    seen = developer.ok("GET", f"/apps/{app}")
    assert seen["approvalStatus"] == "approved"
    assert TIME.fullmatch(seen["approvedOn"])
    row = developer.listed("/connections")[0]
    assert (row["status"], row["revision"]) == ("notConnected", 2)
    admin.ok("POST", f"/app-access/{app}/allow")
    assert operator.ok("POST", f"/apps/{app}/approve")["approvedOn"] == seen["approvedOn"]
    assert code(operator("POST", f"/apps/{app}/reject")) == (409, "approval_settled")


def test_rejected_and_approved_after_all(world: World, developer: Caller, admin: Caller) -> None:
    """A rejected app stays out of sight, and may be approved later."""
    body = app_body(distribution="public", tenantIds=[admin.credentials["id"]])
    app = developer.ok("POST", "/apps", body)["id"]
    operator = world.operator()

    operator.ok("POST", f"/apps/{app}/reject")
    assert developer.listed("/connections")[0]["status"] == "awaitingApproval"
    assert admin.listed("/app-access") == []
    operator.ok("POST", f"/apps/{app}/approve")

    assert len(admin.listed("/app-access")) == 1


def test_approval_of_what_needs_none(world: World, developer: Caller) -> None:
    """Private and deleted apps and unknown ids are not approved."""
    app = developer.ok("POST", "/apps", app_body())["id"]
    operator = world.operator()

    assert code(operator("POST", f"/apps/{app}/approve")) == (409, "approval_settled")
    developer.ok("DELETE", f"/apps/{app}")
    assert code(operator("POST", f"/apps/{app}/approve")) == (410, "app_deleted")
    assert code(operator("POST", "/apps/1/approve")) == (404, "not_found")


def test_edit_with_if_match(developer: Caller) -> None:
    """An edit names what was read: none is 428, stale is 412, and of two editors the second one is told."""
    app = developer.ok("POST", "/apps", app_body())["id"]
    path = f"/apps/{app}"
    tag = {"If-Match": developer("GET", path).headers["etag"]}

    assert code(developer("PATCH", path, json={"name": "New"})) == (428, "if_match_required")
    edited = developer("PATCH", path, json={"name": "New", "credentialManagement": "developer"}, headers=tag)
    assert edited.status_code == 200
    assert edited.headers["etag"] == developer("GET", path).headers["etag"] != tag["If-Match"]
    assert code(developer("PATCH", path, json={"name": "Other"}, headers=tag)) == (412, "stale_if_match")
    assert developer("PATCH", path, json={"name": "Third"}, headers={"If-Match": "*"}).json()["name"] == "Third"


@pytest.mark.parametrize("body", [{}, {"name": None}, {"name": ""}, {"scopes": [VIEW]}, {"distribution": "public"}])
def test_edit_refused(developer: Caller, body: dict[str, Any]) -> None:
    """An edit changes the four fields it may, each to a value."""
    app = developer.ok("POST", "/apps", app_body())["id"]

    assert code(developer("PATCH", f"/apps/{app}", json=body, headers={"If-Match": "*"})) == (400, "invalid_request")


def test_the_tag_does_not_depend_on_the_token(world: World, developer: Caller) -> None:
    """Two tokens see the same tag for the same state."""
    app = developer.ok("POST", "/apps", app_body())["id"]
    other = {"Authorization": f"Bearer {developer.token().json()['access_token']}"}

    tags = {developer("GET", f"/apps/{app}", headers=headers).headers["etag"] for headers in ({}, other)}

    assert len(tags) == 1
    assert tags.pop().startswith('W/"')


def test_delete(developer: Caller, admin: Caller) -> None:
    """Deleting ends the app for good: 410, no key, no connections, no access; the list shows it only when asked."""
    app = connected(developer, admin)

    assert developer("DELETE", f"/apps/{app}").status_code == 204

    for path in ("", "/versions", "/versions/1", "/connections", "/availability"):
        assert code(developer("GET", f"/apps/{app}{path}")) == (410, "app_deleted"), path
    assert code(developer("DELETE", f"/apps/{app}")) == (410, "app_deleted")
    assert code(developer("POST", f"/apps/{app}/versions", json={"scopes": [MODIFY]})) == (410, "app_deleted")
    assert developer.listed("/apps") == developer.listed("/connections") == admin.listed("/app-access") == []
    for step in ("allow", "disable", "enable", "decline"):
        assert code(admin("POST", f"/app-access/{app}/{step}")) == (404, "not_found")
    (shown,) = developer.listed("/apps", includeDeleted=True)
    assert (shown["id"], shown["active"], shown["appKey"]) == (app, False, None)
    assert TIME.fullmatch(shown["deletedOn"])


def test_list_filters(world: World, developer: Caller) -> None:
    """Apps are filtered, sorted, paged and counted as asked."""
    made = [developer.ok("POST", "/apps", app_body(name=f"App {n}"))["id"] for n in range(3)]
    public = developer.ok("POST", "/apps", app_body(distribution="public"))["id"]

    def ids(**query: object) -> list[int]:
        return [row["id"] for row in developer.listed("/apps", **query)]

    assert ids() == [*made, public]
    assert ids(sort="-Id") == [public, *reversed(made)]
    assert ids(sort="+ModifiedOn") == [*made, public]
    assert ids(distribution="public") == ids(approvalStatus="pending,rejected") == [public]
    assert ids(ids=f"{made[0]},{public}") == [made[0], public]
    assert ids(page=2, pageSize=3) == [public]
    assert ids(createdBefore="2020-01-01T00:00:00Z") == ids(modifiedBefore="2020-01-01T00:00:00Z") == []
    assert len(ids(createdOnOrAfter="2020-01-01T00:00:00.0000000Z", modifiedOnOrAfter="2020-01-01T00:00:00Z")) == 4
    page = developer.ok("GET", "/apps", params={"pageSize": 3, "includeTotal": True})
    assert (page["page"], page["pageSize"], page["hasMore"], page["totalCount"]) == (1, 3, True, 4)
    assert "totalCount" not in developer.ok("GET", "/apps")


@pytest.mark.parametrize(
    "query",
    [
        {"page": 0},
        {"page": 2**31},
        {"pageSize": 0},
        {"pageSize": 501},
        {"sort": "Name"},
        {"sort": "--Id"},
        {"ids": "x"},
        {"ids": ",".join("1" * 51)},
        {"createdBefore": "yesterday"},
        {"createdBefore": "2026-01-01T00:00:00"},
        {"createdBefore": "0001-01-01T00:00:00+14:00"},
        {"distribution": "x"},
    ],
)
def test_queries_refused(developer: Caller, query: dict[str, Any]) -> None:
    """A query that means nothing answers 400 and names the parameter."""
    answer = developer("GET", "/apps", params=query)

    assert code(answer) == (400, "invalid_request")
    assert next(iter(answer.json()["errors"])).startswith(next(iter(query)))
