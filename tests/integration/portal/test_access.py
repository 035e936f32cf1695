"""API Application Access: what a tenant's admin can do, and what it changes."""

import pytest

from tests.integration.portal.world import JOBS, MODIFY, VIEW, Caller, World, app_body, code, connected


def row_of(developer: Caller) -> dict[str, object]:
    """The organization's only connection."""
    (row,) = developer.listed("/connections")
    return dict(row)


def test_allow(developer: Caller, admin: Caller) -> None:
    """Allowing connects at the latest version, with a client id, a time and a name."""
    app = connected(developer, admin)

    row = row_of(developer)
    assert {name: row[name] for name in ("status", "enabled", "version", "scopes", "versionAcceptedBy")} == {
        "status": "connected",
        "enabled": True,
        "version": 1,
        "scopes": [VIEW],
        "versionAcceptedBy": "admin",
    }
    assert str(row["clientId"]).startswith("cid.")
    assert row["allowedOn"] == row["versionAcceptedOn"] == row["modifiedOn"]
    assert code(admin("POST", f"/app-access/{app}/allow")) == (409, "already_connected")


def test_allow_the_version_shown(developer: Caller, admin: Caller) -> None:
    """Allowing may name the version whose scopes were read."""
    body = app_body(tenantIds=[admin.credentials["id"]])
    app = developer.ok("POST", "/apps", body)["id"]
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [JOBS]})

    assert code(admin("POST", f"/app-access/{app}/allow", json={"version": 1})) == (409, "version_conflict")
    assert admin.ok("POST", f"/app-access/{app}/allow", {"version": 2})["version"] == 2


def test_upgrade(developer: Caller, admin: Caller) -> None:
    """New scopes come into play with the upgrade and not before; client id and time of the allow stay."""
    app = connected(developer, admin)
    before = row_of(developer)
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [JOBS, MODIFY]})

    waiting = row_of(developer)
    assert (waiting["version"], waiting["latestVersion"], waiting["scopes"]) == (1, 2, [VIEW])
    (shown,) = admin.listed("/app-access")
    assert shown["newVersionAvailable"] is True
    pending = admin.ok("GET", f"/app-access/{app}/pending")
    assert (pending["from"], pending["to"], pending["added"], pending["removed"]) == (1, 2, [MODIFY, JOBS], [VIEW])
    assert [scope["name"] for scope in pending["scopes"]] == ["tn.crm.customers", "tn.jpm.jobs"]

    upgraded = admin.ok("POST", f"/app-access/{app}/upgrade", {"version": 2})

    assert (upgraded["version"], upgraded["newVersionAvailable"], upgraded["scopes"]) == (2, False, [MODIFY, JOBS])
    after = row_of(developer)
    assert (after["version"], after["scopes"]) == (2, [MODIFY, JOBS])
    assert after["revision"] == int(str(before["revision"])) + 1
    assert (after["clientId"], after["allowedOn"]) == (before["clientId"], before["allowedOn"])
    assert after["versionAcceptedOn"] == after["modifiedOn"] != before["versionAcceptedOn"]


def test_upgrade_refused(developer: Caller, admin: Caller) -> None:
    """An upgrade needs a connection, a newer version, and that version in its body."""
    body = app_body(tenantIds=[admin.credentials["id"]])
    app = developer.ok("POST", "/apps", body)["id"]
    path = f"/app-access/{app}/upgrade"

    assert code(admin("POST", path, json={"version": 1})) == (409, "not_connected")
    admin.ok("POST", f"/app-access/{app}/allow")
    assert code(admin("POST", path, json={"version": 1})) == (409, "already_current")
    assert code(admin("POST", path, json={"version": 2})) == (409, "already_current")
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [JOBS]})
    for wrong in (1, 3):
        assert code(admin("POST", path, json={"version": wrong})) == (409, "version_conflict")
    for body in ({}, {"version": 0}, {"version": "x"}, {"version": 2, "environment": "test"}):
        assert code(admin("POST", path, json=body)) == (400, "invalid_request")
    assert code(admin("POST", path, json={"version": 2, "environment": "integration"})) == (409, "not_connected")


def test_decline_changes_nothing(developer: Caller, admin: Caller) -> None:
    """Declining leaves no trace in the connection."""
    app = connected(developer, admin)
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [JOBS]})
    before = row_of(developer)

    assert admin.ok("POST", f"/app-access/{app}/decline")["newVersionAvailable"] is True

    assert row_of(developer) == before


def test_disable_and_enable(developer: Caller, admin: Caller) -> None:
    """Disabling pauses and enabling resumes: version and client id stay, and doing it twice changes nothing."""
    app = connected(developer, admin)
    before = row_of(developer)

    for _ in range(2):
        assert admin.ok("POST", f"/app-access/{app}/disable")["status"] == "disabled"
    paused = row_of(developer)
    assert (paused["status"], paused["enabled"], paused["version"]) == ("disabled", False, 1)
    assert (paused["clientId"], paused["revision"]) == (before["clientId"], int(str(before["revision"])) + 1)
    for _ in range(2):
        assert admin.ok("POST", f"/app-access/{app}/enable")["status"] == "connected"

    assert row_of(developer)["revision"] == int(str(before["revision"])) + 2


def test_upgrade_while_disabled(developer: Caller, admin: Caller) -> None:
    """A paused connection may be upgraded and stays paused."""
    app = connected(developer, admin)
    admin.ok("POST", f"/app-access/{app}/disable")
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [JOBS]})

    admin.ok("POST", f"/app-access/{app}/upgrade", {"version": 2})

    row = row_of(developer)
    assert (row["status"], row["version"]) == ("disabled", 2)


def test_revoke_and_allow_again(developer: Caller, admin: Caller) -> None:
    """Revoking ends a life; the next allow has a new client id and the version that is latest then."""
    app = connected(developer, admin)
    before = row_of(developer)
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [JOBS]})

    assert admin("DELETE", f"/app-access/{app}").status_code == 204

    gone = row_of(developer)
    assert (gone["status"], gone["version"], gone["clientId"], gone["scopes"]) == ("disconnected", None, None, [])
    assert gone["allowedOn"] is gone["versionAcceptedOn"] is gone["versionAcceptedBy"] is None
    assert code(admin("DELETE", f"/app-access/{app}")) == (409, "not_connected")
    admin.ok("POST", f"/app-access/{app}/allow")
    again = row_of(developer)
    assert (again["id"], again["version"], again["status"]) == (before["id"], 2, "connected")
    assert again["clientId"] != before["clientId"]


@pytest.mark.parametrize("step", ["disable", "enable"])
def test_switches_need_a_connection(developer: Caller, admin: Caller, step: str) -> None:
    """What is not connected can be neither paused nor resumed."""
    app = developer.ok("POST", "/apps", app_body(tenantIds=[admin.credentials["id"]]))["id"]

    assert code(admin("POST", f"/app-access/{app}/{step}")) == (409, "not_connected")


def test_environments_are_two_connections(developer: Caller, admin: Caller) -> None:
    """An integration connection exists once it is allowed, and lives its own life."""
    app = connected(developer, admin)
    assert code(admin("GET", f"/app-access/{app}?environment=integration")) == (404, "not_found")
    admin.ok("POST", f"/app-access/{app}/allow", {"environment": "integration"})
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [JOBS]})

    admin.ok("POST", f"/app-access/{app}/upgrade", {"version": 2, "environment": "integration"})
    admin.ok("DELETE", f"/app-access/{app}?environment=production")

    rows = {row["environment"]: row for row in developer.listed("/connections")}
    assert (rows["production"]["status"], rows["integration"]["version"]) == ("disconnected", 2)
    assert [row["environment"] for row in admin.listed("/app-access", environment="integration")] == ["integration"]
    assert admin.ok("GET", f"/app-access/{app}?environment=integration")["version"] == 2


def test_pending_before_the_first_allow(developer: Caller, admin: Caller) -> None:
    """Before the first allow, everything is added and nothing is a new version."""
    app = developer.ok("POST", "/apps", app_body(tenantIds=[admin.credentials["id"]], scopes=[VIEW, JOBS]))["id"]

    pending = admin.ok("GET", f"/app-access/{app}/pending")

    assert (pending["from"], pending["to"], pending["newVersionAvailable"]) == (0, 1, False)
    assert pending["added"] == [VIEW, JOBS]


def test_apps_that_do_not_name_the_tenant(world: World, developer: Caller, admin: Caller) -> None:
    """A tenant sees the apps that list its id, page by page, and no other."""
    mine = [connected(developer, admin) for _ in range(3)]
    connected(developer, world.admin())

    first = admin.ok("GET", "/app-access", params={"pageSize": 2, "includeTotal": True})

    assert [row["app"]["id"] for row in first["data"]] == mine[:2]
    assert (first["hasMore"], first["totalCount"]) == (True, 3)
