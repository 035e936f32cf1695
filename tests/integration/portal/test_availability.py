"""Availability: tenant ids added and withdrawn at any time, up to 2000."""

from typing import Any

import pytest

from tests.integration.portal.world import Caller, World, app_body, code, connected


@pytest.fixture
def app(developer: Caller) -> str:
    """The path of a private app of one customer's, without tenants."""
    return f"/apps/{developer.ok('POST', '/apps', app_body())['id']}"


def test_add_note_and_read(developer: Caller, admin: Caller, app: str) -> None:
    """A tenant id is added with a note (201), the note changed (200), and the entry read and listed."""
    path = f"{app}/availability/{admin.credentials['id']}"

    assert developer("PUT", path, json={"note": "pilot"}).status_code == 201
    assert developer("PUT", path).status_code == 200
    assert developer.ok("GET", path)["note"] == "pilot"
    assert developer("PUT", path, json={"note": "live"}).status_code == 200

    entry = developer.ok("GET", path)
    assert entry["resourceOwner"]["id"] == admin.credentials["id"]
    assert (entry["note"], entry["createdBy"]) == ("live", "j.doe")
    assert developer.listed(f"{app}/availability") == [entry]
    assert developer.ok("GET", app)["availabilityCount"] == 1
    assert len(admin.listed("/app-access")) == 1


@pytest.mark.parametrize("body", [{"note": "x" * 4001}, {"note": "\0"}, {"note": None}, {"x": 1}])
def test_note_refused(developer: Caller, admin: Caller, app: str, body: dict[str, Any]) -> None:
    """A note has at most 4000 characters."""
    answer = developer("PUT", f"{app}/availability/{admin.credentials['id']}", json=body)

    assert code(answer) == (400, "invalid_request")


def test_unknown_tenants(developer: Caller, admin: Caller, app: str) -> None:
    """A tenant id that nobody has is refused, and with it the whole list it came in."""
    answer = developer("PUT", f"{app}/availability", json={"tenantIds": [admin.credentials["id"], "999999999"]})

    assert code(answer) == (404, "not_found")
    assert answer.json()["data"]["tenantIds"] == ["999999999"]
    assert developer.listed(f"{app}/availability") == []
    assert code(developer("GET", f"{app}/availability/{admin.credentials['id']}")) == (404, "not_found")
    assert code(developer("DELETE", f"{app}/availability/{admin.credentials['id']}")) == (404, "not_found")


def test_at_most_2000(world: World, developer: Caller) -> None:
    """The 2001st tenant id is refused, whichever way it comes; those that are there already count once."""
    tenants = world.tenants(2001, "Bright")
    app = f"/apps/{developer.ok('POST', '/apps', app_body(tenantIds=tenants[:1000]))['id']}"

    many = developer.ok("PUT", f"{app}/availability", {"tenantIds": tenants[500:2000]})
    assert many == {"added": 1000, "availabilityCount": 2000}
    one = developer("PUT", f"{app}/availability/{tenants[2000]}")
    assert code(one) == (409, "limit_exceeded")
    assert one.json()["data"]["limit"] == 2000
    assert code(developer("PUT", f"{app}/availability", json={"tenantIds": tenants[2000:]})) == (409, "limit_exceeded")
    for answer in (
        developer("POST", "/apps", json=app_body(tenantIds=tenants)),
        developer("PUT", f"{app}/availability", json={"tenantIds": tenants}),
    ):
        assert code(answer) == (409, "limit_exceeded")
        assert answer.json()["errors"] == {"tenantIds": ["At most 2000 tenant IDs; these are 2001."]}

    page = developer.ok("GET", f"{app}/availability", params={"page": 4, "pageSize": 500, "includeTotal": True})
    assert (len(page["data"]), page["hasMore"], page["totalCount"]) == (500, False, 2000)
    rows = [row for number in range(1, 5) for row in developer.listed("/connections", page=number, pageSize=500)]
    assert [row["id"] for row in rows] == sorted({row["id"] for row in rows})
    assert len(rows) == 2000


def test_withdrawing_ends_access(developer: Caller, admin: Caller) -> None:
    """A withdrawn tenant id takes the app out of sight, its access away and its connections off the lists."""
    app = connected(developer, admin)
    admin.ok("POST", f"/app-access/{app}/allow", {"environment": "integration"})
    path = f"/apps/{app}/availability/{admin.credentials['id']}"
    (row, _) = developer.listed("/connections")

    assert developer("DELETE", path).status_code == 204

    assert developer.listed("/connections") == developer.listed(f"/apps/{app}/connections") == []
    assert code(developer("GET", f"/apps/{app}/connections/{row['id']}")) == (404, "not_found")
    assert admin.listed("/app-access") == []
    assert code(admin("POST", f"/app-access/{app}/disable")) == (404, "not_found")
    developer.ok("PUT", path)
    # The integration connection is back only once it is allowed there again.
    (again,) = developer.listed("/connections")
    assert (again["id"], again["status"], again["version"], again["clientId"]) == (
        row["id"],
        "disconnected",
        None,
        None,
    )
    assert admin.ok("POST", f"/app-access/{app}/allow")["clientId"] != row["clientId"]
    admin.ok("POST", f"/app-access/{app}/allow", {"environment": "integration"})
    assert {row["environment"] for row in developer.listed("/connections")} == {"production", "integration"}


def test_never_connected_comes_and_goes(developer: Caller, admin: Caller, app: str) -> None:
    """A tenant that never connected is `notConnected` again when its id returns, in the same row."""
    path = f"{app}/availability/{admin.credentials['id']}"
    developer.ok("PUT", path)
    (row,) = developer.listed("/connections")

    developer.ok("DELETE", path)
    developer.ok("PUT", path)

    (again,) = developer.listed("/connections")
    assert (again["id"], again["status"], again["revision"]) == (row["id"], "notConnected", row["revision"] + 2)


def test_second_customer_after_the_first_left(world: World, developer: Caller, app: str) -> None:
    """Whose app a private one is, is decided by the tenants it has now."""
    first, second = world.tenants(1, "Bright"), world.tenants(1, "Dim")
    developer.ok("PUT", f"{app}/availability", {"tenantIds": first})

    assert code(developer("PUT", f"{app}/availability", json={"tenantIds": second})) == (409, "second_customer")
    developer.ok("DELETE", f"{app}/availability/{first[0]}")

    developer.ok("PUT", f"{app}/availability", {"tenantIds": second})
