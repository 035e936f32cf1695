"""The demo's clock: every business time obeys it, tokens do not."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.integration.portal.world import JOBS, VIEW, Caller, World, app_body, code, connected, served

Clock = Callable[[object], httpx.Response]
ANY = {"If-Match": "*"}
# Somebody waits for a lock that this very transaction holds.
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))")


@pytest.fixture
def clock(portal_url: str) -> Iterator[Clock]:
    """Sets the portal's business time; afterwards it is real again."""

    def put(now: object) -> httpx.Response:
        return httpx.put(f"{portal_url}/portal/v2/demo/clock", json={"now": now})

    yield put
    assert put(None).status_code == 200


def test_business_time_is_what_was_set(developer: Caller, admin: Caller, clock: Clock) -> None:
    """Apps, versions and acceptances carry the time that was set, in UTC with seven digits; tokens live on."""
    clock("2026-01-01T02:00:00.1234567+02:00")
    app = connected(developer, admin)
    clock("2026-01-08T00:00:00Z")
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [JOBS]})
    clock("2026-02-01T00:00:00Z")
    admin.ok("POST", f"/app-access/{app}/upgrade", {"version": 2})

    assert developer.ok("GET", f"/apps/{app}")["createdOn"] == "2026-01-01T00:00:00.1234560Z"
    assert developer.ok("GET", f"/apps/{app}/versions/2")["createdOn"] == "2026-01-08T00:00:00.0000000Z"
    (row,) = developer.listed("/connections")
    assert row["allowedOn"] == "2026-01-01T00:00:00.1234560Z"
    assert row["versionAcceptedOn"] == row["modifiedOn"] == "2026-02-01T00:00:00.0000000Z"
    assert developer.listed("/connections", modifiedOnOrAfter="2026-02-01T00:00:00.0000001Z") == [row]


@pytest.mark.parametrize("kind", ["release", "edit", "approval", "upgrade"])
def test_time_is_taken_when_the_locks_are_held(
    world: World, developer: Caller, admin: Caller, clock: Clock, kind: str
) -> None:
    """A change that had to wait for another carries no time before it."""
    clock("2026-01-01T00:00:00Z")
    app = connected(developer, admin)
    public, operator = developer.ok("POST", "/apps", app_body(distribution="public"))["id"], world.operator()
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [JOBS]})
    changes: dict[str, tuple[int, Callable[[], Any]]] = {
        "release": (app, lambda: developer.ok("POST", f"/apps/{app}/versions", {"scopes": [VIEW]})["createdOn"]),
        "edit": (app, lambda: developer.ok("PATCH", f"/apps/{app}", {"name": "x"}, headers=ANY)["modifiedOn"]),
        "approval": (public, lambda: operator.ok("POST", f"/apps/{public}/approve")["approvedOn"]),
        "upgrade": (app, lambda: admin.ok("POST", f"/app-access/{app}/upgrade", {"version": 2}) and accepted()),
    }

    def accepted() -> Any:
        return developer.listed(f"/apps/{app}/connections")[0]["versionAcceptedOn"]

    locked, change = changes[kind]
    with ThreadPoolExecutor(1) as elsewhere:
        with world.engine.begin() as connection:
            connection.execute(text("SELECT 1 FROM portal.app WHERE id = :id FOR UPDATE"), {"id": locked})
            said = elsewhere.submit(change)
            while not connection.scalar(WAITING):
                time.sleep(0.01)
            clock("2026-01-02T00:00:00Z")
        assert said.result(30) == "2026-01-02T00:00:00.0000000Z"


def test_real_time_again(developer: Caller, clock: Clock) -> None:
    """Null goes back to real time."""
    clock("2020-01-01T00:00:00Z")

    assert not clock(None).json()["now"].startswith("2020")
    assert not developer.ok("POST", "/apps", app_body())["createdOn"].startswith("2020")


ENDS = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]


@pytest.mark.parametrize("body", ["2026-01-01T00:00:00", "tomorrow", 7.5, "7", {}, *ENDS])
def test_clock_refused(clock: Clock, body: dict[str, Any]) -> None:
    """A time without a zone, at an end of the calendar, or none at all, is refused."""
    answer = clock(body)

    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["now"]


def test_no_clock_without_the_switch(portal_database: str, developer: Caller) -> None:
    """A portal that was not started with the switch has no such path."""
    with served(portal_database, demo_clock=False) as base:
        answer = httpx.put(f"{base}/portal/v2/demo/clock", json={"now": None})

    assert code(answer) == (404, "not_found")
