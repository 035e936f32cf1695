"""Versions: one for each real change of scopes, immutable, without a gap."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.integration.portal.world import JOBS, MODIFY, VIEW, Caller, World, app_body, code, connected

EXTRA = "tn.acc.invoices:r"


@pytest.fixture
def app(developer: Caller) -> str:
    """The path of an app at version 1 {VIEW}."""
    return f"/apps/{developer.ok('POST', '/apps', app_body())['id']}"


def test_changed_scopes_make_the_next_version(developer: Caller, app: str) -> None:
    """Changed scopes make exactly one version with what came and what went; the app key stays."""
    before = developer.ok("GET", app)
    answer = developer("POST", f"{app}/versions", json={"scopes": [JOBS, MODIFY]})

    assert answer.status_code == 201
    made = answer.json()
    assert (made["version"], made["added"], made["removed"]) == (2, [MODIFY, JOBS], [VIEW])
    assert made["createdBy"]["name"] == "j.doe"
    assert made["scopes"] == [
        {"name": "tn.crm.customers", "displayName": "Customers", "view": False, "modify": True},
        {"name": "tn.jpm.jobs", "displayName": "Jobs", "view": True, "modify": False},
    ]
    after = developer.ok("GET", app)
    assert (after["latestVersion"], after["appKey"]) == (2, before["appKey"])
    assert developer.ok("GET", f"{app}/versions/2") == made
    assert answer.headers["location"].endswith(f"{app}/versions/2")


def test_unchanged_scopes_make_none(developer: Caller, app: str) -> None:
    """The set of the latest version, in whatever order and however often, is no new version."""
    developer.ok("POST", f"{app}/versions", {"scopes": [VIEW, JOBS]})

    answer = developer("POST", f"{app}/versions", json={"scopes": [JOBS, VIEW, JOBS]})

    assert code(answer) == (409, "scopes_unchanged")
    assert developer.ok("GET", app)["latestVersion"] == 2


def test_expected_latest(developer: Caller, app: str) -> None:
    """A release that expects another latest version is refused and told which it is."""
    developer.ok("POST", f"{app}/versions", {"scopes": [JOBS], "expectedLatest": 1})

    answer = developer("POST", f"{app}/versions", json={"scopes": [VIEW], "expectedLatest": 1})

    assert code(answer) == (409, "version_conflict")
    assert answer.json()["data"]["latestVersion"] == 2


@pytest.mark.parametrize("body", [{}, {"scopes": []}, {"scopes": ["tn.no.such:r"]}, {"scopes": [VIEW], "x": 1}])
def test_release_refused(developer: Caller, app: str, body: dict[str, Any]) -> None:
    """A version has scopes of the catalogue, and at least one."""
    assert code(developer("POST", f"{app}/versions", json=body)) == (400, "invalid_request")


def test_history(developer: Caller, app: str) -> None:
    """The history is newest first, sortable, paged over its gapless numbers, with the right differences on any page."""
    for scopes in ([VIEW, JOBS], [VIEW], [VIEW, JOBS, EXTRA]):
        developer.ok("POST", f"{app}/versions", {"scopes": scopes})

    rows = developer.listed(f"{app}/versions")
    assert [row["version"] for row in rows] == [4, 3, 2, 1]
    assert [(row["added"], row["removed"]) for row in rows] == [
        ([EXTRA, JOBS], []),
        ([], [JOBS]),
        ([JOBS], []),
        ([VIEW], []),
    ]
    assert developer.listed(f"{app}/versions", sort="+Version") == rows[::-1]
    second = developer.ok("GET", f"{app}/versions", params={"page": 2, "pageSize": 2, "includeTotal": True})
    assert second["data"] == rows[2:]
    assert (second["hasMore"], second["totalCount"]) == (False, 4)


def test_one_version_is_immutable(developer: Caller, app: str) -> None:
    """A version may be kept for ever; one that does not exist answers 404."""
    answer = developer("GET", f"{app}/versions/1")

    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert code(developer("GET", f"{app}/versions/2")) == (404, "not_found")


def test_diff(developer: Caller, app: str) -> None:
    """A diff is against the version before, or any other, version 0 being the empty set."""
    developer.ok("POST", f"{app}/versions", {"scopes": [VIEW, JOBS]})
    developer.ok("POST", f"{app}/versions", {"scopes": [JOBS, EXTRA]})

    def diff(number: int, **query: object) -> tuple[int, list[str], list[str]]:
        body = developer.ok("GET", f"{app}/versions/{number}/diff", params=query)
        return body["from"], body["added"], body["removed"]

    assert diff(3) == (2, [EXTRA], [VIEW])
    assert diff(1) == (0, [VIEW], [])
    assert diff(3, **{"from": 1}) == (1, [EXTRA, JOBS], [VIEW])
    assert diff(1, **{"from": 3}) == (3, [VIEW], [EXTRA, JOBS])
    assert diff(3, **{"from": 0}) == (0, [EXTRA, JOBS], [])
    assert code(developer("GET", f"{app}/versions/4/diff")) == (404, "not_found")
    assert code(developer("GET", f"{app}/versions/3/diff?from=9")) == (404, "not_found")


def test_upgrades_and_releases_at_once(world: World, developer: Caller) -> None:
    """Releases and upgrades of one app at once: versions 1..N without gap, every accepted one existed, no 5xx."""
    admins = world.admins(12, "Bright")
    tenants = [admin.credentials["id"] for admin in admins]
    app = f"/apps/{developer.ok('POST', '/apps', app_body(tenantIds=tenants))['id']}"
    start = threading.Barrier(16)

    def release(turn: int) -> Counter[int]:
        start.wait()
        sets = [[VIEW, EXTRA], [VIEW, JOBS], [VIEW, MODIFY], [JOBS, EXTRA]]
        return Counter(
            developer("POST", f"{app}/versions", json={"scopes": sets[(turn + n) % 4]}).status_code for n in range(12)
        )

    def accept(admin: Caller) -> Counter[int]:
        start.wait()
        own = f"/app-access{app.removeprefix('/apps')}"
        answers = Counter([admin("POST", f"{own}/allow").status_code])
        for _ in range(8):
            shown = admin.ok("GET", f"{own}/pending")["to"]
            answers[admin("POST", f"{own}/upgrade", json={"version": shown}).status_code] += 1
        return answers

    with ThreadPoolExecutor(16) as pool:
        releases = [pool.submit(release, turn) for turn in range(4)]
        upgrades = [pool.submit(accept, admin) for admin in admins]
        released = sum((future.result() for future in releases), Counter())
        accepted = sum((future.result() for future in upgrades), Counter())

    latest = developer.ok("GET", app)["latestVersion"]
    assert set(released) | set(accepted) <= {200, 201, 409}
    assert latest == 1 + released[201]
    history = developer.listed(f"{app}/versions", sort="+Version", pageSize=500)
    assert [row["version"] for row in history] == list(range(1, latest + 1))
    assert all(before["scopes"] != after["scopes"] for before, after in pairwise(history))
    rows = developer.listed(f"{app}/connections")
    assert {row["status"] for row in rows} == {"connected"}
    assert {row["version"] for row in rows} <= set(range(1, latest + 1))
    # One revision for the allow and one for each upgrade that was answered with success, none lost.
    assert sum(row["revision"] - 1 for row in rows) == accepted[200]


def test_a_hundred_at_once(world: World, developer: Caller) -> None:
    """40 scope changes and 60 upgrades in one instant: no gap, no doublet, no deadlock, nothing but yes or conflict."""
    admins = world.admins(60)
    number = world.approved(developer, tenantIds=[one.credentials["id"] for one in admins])
    for admin in admins:
        admin.ok("POST", f"/app-access/{number}/allow")
    developer.ok("POST", f"/apps/{number}/versions", {"scopes": [VIEW, JOBS]})
    start = threading.Barrier(100)

    def release(turn: int) -> int:
        start.wait()
        sets = [[VIEW, EXTRA], [VIEW, JOBS], [VIEW, MODIFY], [JOBS, EXTRA]]
        return developer("POST", f"/apps/{number}/versions", json={"scopes": sets[turn % 4]}).status_code

    def accept(admin: Caller) -> int:
        start.wait()
        return admin("POST", f"/app-access/{number}/upgrade", json={"version": 2}).status_code

    with ThreadPoolExecutor(100) as pool:
        releases = [pool.submit(release, turn) for turn in range(40)]
        upgrades = [pool.submit(accept, admin) for admin in admins]
        released = Counter(future.result() for future in releases)
        accepted = Counter(future.result() for future in upgrades)

    assert set(released) <= {201, 409}
    assert set(accepted) <= {200, 409}
    history = developer.listed(f"/apps/{number}/versions", sort="+Version", pageSize=500)
    assert [row["version"] for row in history] == list(range(1, 3 + released[201]))
    assert all(before["scopes"] != after["scopes"] for before, after in pairwise(history))
    running = Counter(row["version"] for row in developer.listed("/connections", pageSize=500))
    assert running == Counter({1: 60 - accepted[200], 2: accepted[200]})


def test_only_the_version_shown_is_accepted(developer: Caller, admin: Caller) -> None:
    """An admin who read version 2 does not accept version 3 unseen."""
    app = connected(developer, admin)
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [JOBS]})
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [EXTRA]})

    answer = admin("POST", f"/app-access/{app}/upgrade", json={"version": 2})

    assert code(answer) == (409, "version_conflict")
    assert answer.json()["data"]["latestVersion"] == 3
    assert developer.listed("/connections")[0]["version"] == 1


def test_an_upgrade_waits_for_a_release(developer: Caller, admin: Caller, portal_engine: Engine) -> None:
    """While a version is being released nobody accepts the one before it: the upgrade waits, and is told."""
    app = connected(developer, admin)
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [JOBS]})
    third = text(
        "WITH released AS (UPDATE portal.app SET latest_version = 3 WHERE id = :app)"
        " INSERT INTO portal.version SELECT app_id, 3, ARRAY['x'], created_at, created_by_id, created_by"
        " FROM portal.version WHERE app_id = :app AND number = 2"
    )
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")

    with ThreadPoolExecutor(1) as pool, portal_engine.connect() as connection:
        connection.execute(third, {"app": app})
        upgrade = pool.submit(admin, "POST", f"/app-access/{app}/upgrade", json={"version": 2})
        while not upgrade.done() and not connection.scalar(waiting):
            pass
        connection.commit()
        answer = upgrade.result()

    assert code(answer) == (409, "version_conflict")
    assert answer.json()["data"]["latestVersion"] == 3
