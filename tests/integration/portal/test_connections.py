"""View Connections: every filter, stable pages, and the faithful mode."""

from typing import Any

import pytest

from tests.integration.portal.world import JOBS, VIEW, Caller, World, app_body, code, connected


def ids(caller: Caller, path: str = "/connections", **query: Any) -> list[int]:
    """The ids of a list of connections."""
    return [row["id"] for row in caller.listed(path, **query)]


@pytest.fixture
def mixed(world: World, developer: Caller) -> dict[str, int]:
    """One connection of each status in one organization, by status; `disabled` runs version 2 of 2."""
    admins = world.admins(4)
    tenants = [admin.credentials["id"] for admin in admins]
    app = developer.ok("POST", "/apps", app_body(tenantIds=tenants[:1]))["id"]
    waiting = developer.ok("POST", "/apps", app_body(distribution="public", tenantIds=tenants[:1]))["id"]
    public = developer.ok("POST", "/apps", app_body(distribution="public", tenantIds=tenants[1:]))["id"]
    world.operator().ok("POST", f"/apps/{public}/approve")
    for admin in admins[1:]:
        admin.ok("POST", f"/app-access/{public}/allow")
    developer.ok("POST", f"/apps/{public}/versions", {"scopes": [JOBS]})
    admins[2].ok("POST", f"/app-access/{public}/upgrade", {"version": 2})
    admins[2].ok("POST", f"/app-access/{public}/disable")
    admins[3].ok("DELETE", f"/app-access/{public}")
    rows = developer.listed("/connections")
    assert {row["appId"] for row in rows} == {app, waiting, public}
    return {row["status"]: row["id"] for row in rows}


def test_status_filter(developer: Caller, mixed: dict[str, int]) -> None:
    """Each status finds its own, several find all of theirs."""
    assert len(mixed) == 5
    for status, number in mixed.items():
        assert ids(developer, status=status) == [number]
    assert ids(developer, status="awaitingApproval,notConnected") == sorted(
        [mixed["awaitingApproval"], mixed["notConnected"]]
    )
    assert ids(developer, status=["connected", "disabled"]) == sorted([mixed["connected"], mixed["disabled"]])


def test_other_filters(developer: Caller, mixed: dict[str, int]) -> None:
    """Version, lag, environment, owner, id and time filter, alone and together."""
    rows = {row["id"]: row for row in developer.listed("/connections")}
    one = rows[mixed["connected"]]
    assert ids(developer, version=1) == ids(developer, versionLessThan=2) == [one["id"]]
    assert ids(developer, version=2) == [mixed["disabled"]]
    assert ids(developer, environment="integration") == []
    assert len(ids(developer, environment="production")) == 5
    owner = one["resourceOwner"]["id"]
    assert ids(developer, resourceOwner=owner) == [one["id"]]
    assert ids(developer, ids=f"{one['id']},1") == [one["id"]]
    assert one["id"] in ids(developer, modifiedOnOrAfter=one["modifiedOn"])
    assert ids(developer, modifiedBefore="2020-01-01T00:00:00Z", status="connected") == []
    assert ids(developer, f"/apps/{one['appId']}/connections", status="connected", version=1) == [one["id"]]
    assert ids(developer, f"/apps/{one['appId']}/connections", status="notConnected") == []


def test_order_and_pages(developer: Caller, mixed: dict[str, int]) -> None:
    """Pages follow the id, or the time of change with the id; together they are the whole list, each row once."""
    everything = ids(developer)
    assert everything == sorted(mixed.values())
    assert ids(developer, sort="-Id") == everything[::-1]
    assert [number for page in (1, 2, 3) for number in ids(developer, page=page, pageSize=2)] == everything
    stamps = [row["modifiedOn"] for row in developer.listed("/connections", sort="-ModifiedOn")]
    assert stamps == sorted(stamps, reverse=True)
    page = developer.ok("GET", "/connections", params={"pageSize": 2, "includeTotal": True, "status": "connected"})
    assert (page["hasMore"], page["totalCount"]) == (False, 1)


@pytest.mark.parametrize(
    "query",
    [
        {"status": "x"},
        {"version": 0},
        {"environment": "test"},
        {"resourceOwner": "x"},
        {"pageSize": 501},
        {"sort": "x"},
    ],
)
def test_filters_refused(developer: Caller, query: dict[str, Any]) -> None:
    """A filter that means nothing answers 400."""
    assert code(developer("GET", "/connections", params=query)) == (400, "invalid_request")


def test_never_connected(developer: Caller, admin: Caller) -> None:
    """A tenant that never connected has no version, no scopes, no client id and no time of an allow."""
    developer.ok("POST", "/apps", app_body(tenantIds=[admin.credentials["id"]]))

    (row,) = developer.listed("/connections")

    assert (row["status"], row["enabled"], row["version"], row["latestVersion"]) == ("notConnected", False, None, 1)
    assert (row["scopes"], row["clientId"], row["allowedOn"]) == ([], None, None)


def test_one_connection(world: World, developer: Caller, admin: Caller) -> None:
    """A connection reads as it is listed, with a tag; under another app, or of an unknown id, there is none."""
    app = connected(developer, admin)
    other = developer.ok("POST", "/apps", app_body())["id"]
    (row,) = developer.listed(f"/apps/{app}/connections")

    answer = developer("GET", f"/apps/{app}/connections/{row['id']}")

    assert answer.json() == row
    assert answer.headers["etag"].startswith('W/"')
    assert code(developer("GET", f"/apps/{other}/connections/{row['id']}")) == (404, "not_found")
    assert code(developer("GET", f"/apps/{app}/connections/1")) == (404, "not_found")


def test_faithful_mode(world: World, admin: Caller) -> None:
    """A faithful organization gets no times and no revision, and the latest version for who never connected."""
    developer, other = world.developer(faithful=True), world.admin()
    app = connected(developer, admin)
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [VIEW, JOBS]})
    public = developer.ok("POST", "/apps", app_body(tenantIds=[other.credentials["id"]]))["id"]
    developer.ok("POST", f"/apps/{public}/versions", {"scopes": [JOBS]})

    live, never = developer.listed("/connections")

    dropped = {"allowedOn", "versionAcceptedOn", "versionAcceptedBy", "modifiedOn", "revision"}
    assert not dropped & (set(live) | set(never))
    assert (live["version"], live["latestVersion"], live["scopes"]) == (1, 2, [VIEW])
    assert (never["version"], never["clientId"], never["enabled"]) == (2, None, False)
    assert not dropped & set(developer.ok("GET", f"/apps/{app}/connections/{live['id']}"))
