"""Export feeds: what changed since, deletions included, with tokens that never expire."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.integration.portal.world import (
    JOBS,
    VIEW,
    Caller,
    World,
    app_body,
    code,
    connected,
    held,
    until_waiting,
)

RECENT = {"includeRecentChanges": "true"}


def walked(developer: Caller, feed: str, start: str | None = None, **query: Any) -> tuple[list[Any], str]:
    """Everything a walk gives from *start* on, and where the next walk begins."""
    rows: list[Any] = []
    position = start
    while True:
        page = developer.ok("GET", f"/export/{feed}", params=query | ({"from": position} if position else {}))
        rows += page["data"]
        position = page["continueFrom"]
        if not page["hasMore"]:
            return rows, position


@pytest.fixture
def at(portal_url: str) -> Any:
    """Sets the portal's business clock to a time of day; real time again after the test."""

    def put(now: str | None) -> None:
        value = f"2031-05-01T{now}:00Z" if now else None
        httpx.put(f"{portal_url}/portal/v2/demo/clock", json={"now": value}).raise_for_status()

    yield put
    put(None)


def test_changes_show_after_fifteen_minutes(at: Any, developer: Caller, admin: Caller) -> None:
    """A change waits 15 minutes, or shows at once to whoever asks for recent ones."""
    at("10:00")
    connected(developer, admin)
    for feed in ("apps", "versions", "connections"):
        assert walked(developer, feed)[0] == []
        assert len(walked(developer, feed, **RECENT)[0]) == 1
    at("10:15")
    for feed in ("apps", "versions", "connections"):
        assert len(walked(developer, feed)[0]) == 1


def test_only_what_changed_since(at: Any, world: World, developer: Caller) -> None:
    """From a token on a walk gives the later changes only; an old token still works, and gives them all again."""
    admins = world.admins(3)
    at("10:00")
    app = world.approved(developer, tenantIds=[one.credentials["id"] for one in admins])
    at("11:00")
    first, position = walked(developer, "connections", pageSize=2)
    assert [row["status"] for row in first] == ["notConnected"] * 3
    assert walked(developer, "connections", position) == ([], position)
    admins[1].ok("POST", f"/app-access/{app}/allow")
    at("12:00")
    (changed,), later = walked(developer, "connections", position)
    assert (changed["status"], changed["version"], changed["deleted"]) == ("connected", 1, False)
    assert walked(developer, "connections", later)[0] == []
    assert walked(developer, "connections", position)[0] == [changed]


def test_deletions_are_told(at: Any, developer: Caller, admin: Caller) -> None:
    """A withdrawn tenant id and a deleted app come once more, marked."""
    at("10:00")
    app = connected(developer, admin)
    at("11:00")
    positions = {feed: walked(developer, feed)[1] for feed in ("apps", "versions", "connections")}
    developer.ok("DELETE", f"/apps/{app}")
    at("12:00")
    for feed, position in positions.items():
        (row,) = walked(developer, feed, position)[0]
        assert row["deleted"] is True
    (row,) = walked(developer, "connections", positions["connections"])[0]
    assert (row["status"], row["version"], row["scopes"]) == ("disconnected", None, [])


def test_recent_changes_are_repeated_rather_than_missed(at: Any, developer: Caller, admin: Caller) -> None:
    """A walk that looked at recent changes begins again 15 minutes before its end."""
    at("10:00")
    connected(developer, admin)
    at("10:10")
    first, position = walked(developer, "connections", **RECENT)
    assert walked(developer, "connections", position, **RECENT)[0] == first
    at("10:20")
    again, position = walked(developer, "connections", position, **RECENT)
    assert again == first
    at("10:40")
    assert walked(developer, "connections", position, **RECENT)[0] == []


@pytest.mark.parametrize("crash", [False, True], ids=["walked to its end", "stored on the way"])
def test_late_change_is_told_whatever_the_pages(at: Any, world: World, developer: Caller, crash: bool) -> None:
    """A change that a lock held back while a walk of many pages went over its time is told by the next walk.

    Also when the walk was left on its way, and gone on with from a stored token an hour later.
    """
    admins = world.admins(4)
    at("10:00")
    app = world.approved(developer, tenantIds=[one.credentials["id"] for one in admins])
    for one in admins:
        one.ok("POST", f"/app-access/{app}/allow")
    late = admins[0].credentials["id"]
    row = "SELECT 1 FROM portal.connection WHERE app_id = :app AND tenant_id = :tenant FOR UPDATE"
    at("11:00")
    with ThreadPoolExecutor(1) as pool:
        with held(world, row, app=app, tenant=late):
            stuck = pool.submit(admins[0].ok, "POST", f"/app-access/{app}/disable")
            until_waiting(world)
            at("11:01")
            for one in admins[1:]:
                one.ok("POST", f"/app-access/{app}/disable")
            page = developer.ok("GET", "/export/connections", params=RECENT | {"pageSize": 2})
            while page["hasMore"]:
                at("12:00" if crash else "11:02")
                page = developer.ok(
                    "GET", "/export/connections", params=RECENT | {"pageSize": 1, "from": page["continueFrom"]}
                )
        stuck.result()
    at("13:00")
    told = {
        row["resourceOwner"]["id"]: row["status"] for row in walked(developer, "connections", page["continueFrom"])[0]
    }
    assert told[late] == "disabled"


def test_last_page_of_a_walk_points_back(at: Any, developer: Caller) -> None:
    """Not only a walk of one page: the last of many leads back to 15 minutes before the first."""
    at("10:00")
    for _ in range(3):
        developer.ok("POST", "/apps", app_body())
    at("10:05")
    first, position = walked(developer, "apps", pageSize=1, **RECENT)
    assert walked(developer, "apps", position, pageSize=1, **RECENT) == (first, position)


def test_pages_of_one_instant(at: Any, world: World, developer: Caller) -> None:
    """Many changes of one instant are told once each, whatever the page size."""
    ids = world.tenants(25)
    at("10:00")
    developer.ok("POST", "/apps", app_body(distribution="public", tenantIds=ids))
    at("11:00")
    rows, _ = walked(developer, "connections", pageSize=4)
    assert sorted(row["resourceOwner"]["id"] for row in rows) == sorted(ids)


def test_versions_say_what_changed(at: Any, developer: Caller) -> None:
    """Each version of each app with what it added, in the order of their release."""
    at("10:00")
    app = developer.ok("POST", "/apps", app_body())["id"]
    at("10:01")
    other = developer.ok("POST", "/apps", app_body())["id"]
    at("10:02")
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [JOBS]})
    at("11:00")
    rows, _ = walked(developer, "versions", pageSize=1)
    assert [(row["appId"], row["version"], row["added"], row["removed"]) for row in rows] == [
        (app, 1, [VIEW], []),
        (other, 1, [VIEW], []),
        (app, 2, [JOBS], [VIEW]),
    ]


def test_from_a_date(at: Any, developer: Caller) -> None:
    """A date gives what changed after it."""
    at("10:00")
    developer.ok("POST", "/apps", app_body())
    at("11:00")
    assert len(walked(developer, "apps", "2031-05-01T09:59:00Z")[0]) == 1
    assert walked(developer, "apps", "2031-05-01T12:01:00+02:00")[0] == []


def token(*parts: object) -> str:
    """A token of somebody's own making."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


WRONG = ["", "yesterday", "eyJ4IjoxfQ", "WyJhcHBzIl0", "💥", "x" * 201, "2031-05-01"]
WRONG += ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"]
WRONG += [token("apps", "2026-01-01T00:00:00Z", *ids) for ids in ((10**40, 0), (1, 10**10), (-1, 0), ("1", 0), (1,))]
WRONG += [token("apps", "0001-01-01T00:00:00+14:00", 1, 0), token("apps", "2026-01-01T00:00:00", 1, 0)]


@pytest.mark.parametrize("wrong", WRONG)
def test_from_what_is_neither(developer: Caller, wrong: str) -> None:
    """What is no date and no token of this feed is refused, with the field."""
    answer = developer("GET", "/export/apps", params={"from": wrong})
    assert code(answer) == (400, "invalid_request")
    assert list(answer.json()["errors"]) == ["from"]


def test_token_of_another_feed_is_refused(developer: Caller) -> None:
    """A position in one feed means nothing in another."""
    _, position = walked(developer, "apps", **RECENT)
    assert code(developer("GET", "/export/versions", params={"from": position})) == (400, "invalid_request")


def test_feeds_are_the_organizations_own(world: World, developer: Caller, admin: Caller) -> None:
    """Another organization's feeds are empty of ours, and ours are not there for it."""
    connected(developer, admin)
    stranger = world.developer()
    for feed in ("apps", "versions", "connections"):
        assert walked(stranger, feed, **RECENT)[0] == []
        assert code(stranger("GET", f"{developer.home}/export/{feed}")) == (404, "not_found")


def test_faithful_feed_is_as_poor(world: World, admin: Caller) -> None:
    """The feed gives no more than the list."""
    developer = world.developer(faithful=True)
    connected(developer, admin)
    (row,) = walked(developer, "connections", **RECENT)[0]
    (listed,) = developer.listed("/connections")
    assert row == listed | {"deleted": False}
