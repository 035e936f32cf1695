"""Two that want the same at once: the second waits, and then decides by what the first one did.

The first is a transaction that the test holds open, so that the order is never a matter of luck; where the lock is
missing, the second decides by what it read before it had to wait.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.integration.portal.test_telling import URL, queued
from tests.integration.portal.world import JOBS, VIEW, Caller, World, app_body, code, connected, held, until_waiting

RELEASED = """WITH next AS (
    INSERT INTO portal.version (app_id, number, scopes, created_at, created_by_id, created_by)
    SELECT :app, 2, cast(:scopes AS text[]), now(), created_by_id, created_by FROM portal.version WHERE app_id = :app
) UPDATE portal.app SET latest_version = 2 WHERE id = :app"""
EDITED = "UPDATE portal.app SET name = 'Theirs' WHERE id = :app"
DELETED = "UPDATE portal.app SET deleted_at = now(), app_key = NULL WHERE id = :app"
SECRETS = """WITH locked AS (SELECT client_id FROM portal.connection WHERE app_id = :app FOR UPDATE)
INSERT INTO portal.client_secret (access_id, hash, value_prefix, created_at, created_by)
SELECT client_id, '\\x00', 'cs1.xx', now(), 'them' FROM locked, generate_series(1, 2)"""
ADDED = """WITH listed AS (
    INSERT INTO portal.availability (app_id, tenant_id, created_at, created_by) VALUES (:app, :tenant, now(), 'them')
) UPDATE portal.app SET modified_at = now() WHERE id = :app"""
ALLOWED = """WITH seen AS (SELECT id FROM portal.app WHERE id = :app FOR SHARE)
UPDATE portal.connection SET state = 'connected', version = 1, client_id = 'cid.' || connection.id,
    allowed_at = now(), version_accepted_at = now(), version_accepted_by = 'them'
FROM seen WHERE app_id = seen.id"""


def second(world: World, first: str, call: Callable[[], httpx.Response], **named: Any) -> httpx.Response:
    """What *call* answers that began while *first* was done and not yet committed."""
    with ThreadPoolExecutor(1) as pool, held(world, first, **named) as transaction:
        answer = pool.submit(call)
        until_waiting(world)
        transaction.commit()
        return answer.result()


def test_edit_after_an_edit(world: World, developer: Caller) -> None:
    """An edit that was based on what another one is just changing is stale."""
    app = developer.ok("POST", "/apps", app_body())["id"]
    tag = {"If-Match": developer("GET", f"/apps/{app}").headers["etag"]}
    edit = lambda: developer("PATCH", f"/apps/{app}", json={"name": "Ours"}, headers=tag)  # noqa: E731
    assert code(second(world, EDITED, edit, app=app)) == (412, "stale_if_match")
    assert developer.ok("GET", f"/apps/{app}")["name"] == "Theirs"


def test_end_after_an_end(world: World, developer: Caller) -> None:
    """An app ends once; who comes second is told that it is gone."""
    app = developer.ok("POST", "/apps", app_body())["id"]
    answer = second(world, DELETED, lambda: developer("DELETE", f"/apps/{app}"), app=app)
    assert code(answer) == (410, "app_deleted")


def test_release_after_a_release(world: World, developer: Caller) -> None:
    """The scopes that somebody else is just releasing are no further version."""
    app = developer.ok("POST", "/apps", app_body())["id"]
    release = lambda: developer("POST", f"/apps/{app}/versions", json={"scopes": [VIEW, JOBS]})  # noqa: E731
    assert code(second(world, RELEASED, release, app=app, scopes=[VIEW, JOBS])) == (409, "scopes_unchanged")


@pytest.mark.parametrize("step", ["allow", "upgrade"])
def test_acceptance_after_a_release(world: World, developer: Caller, admin: Caller, step: str) -> None:
    """What a tenant accepts is the latest version when it is accepted, not when it was shown."""
    app = developer.ok("POST", "/apps", app_body(tenantIds=[admin.credentials["id"]]))["id"]
    if step == "upgrade":
        admin.ok("POST", f"/app-access/{app}/allow")
    accept = lambda: admin("POST", f"/app-access/{app}/{step}", json={"version": 1})  # noqa: E731
    answer = second(world, RELEASED, accept, app=app, scopes=[VIEW, JOBS])
    assert code(answer) == (409, "version_conflict")


@pytest.mark.parametrize("mode", ["developer", "resourceOwner"])
def test_third_secret_after_two(world: World, developer: Caller, admin: Caller, mode: str) -> None:
    """Two secrets work at a time, also when the other two are just being made."""
    app = connected(developer, admin, credentialManagement=mode)
    number = developer.listed("/connections")[0]["id"]
    of_developer = developer, f"/apps/{app}/connections/{number}/client-secrets"
    maker, path = of_developer if mode == "developer" else (admin, f"/app-access/{app}/client-secrets")
    answer = second(world, SECRETS, lambda: maker("POST", path), app=app)
    assert code(answer) == (409, "limit_exceeded")
    assert len(maker.ok("GET", path)["data"]) == 2


def test_last_tenant_after_the_last(world: World, developer: Caller) -> None:
    """The 2001st tenant id is refused, also when the 2000th is just being added."""
    tenants = world.tenants(2001, "Bright")
    app = developer.ok("POST", "/apps", app_body(tenantIds=tenants[:1999]))["id"]
    add = lambda: developer("PUT", f"/apps/{app}/availability/{tenants[2000]}")  # noqa: E731
    assert code(second(world, ADDED, add, app=app, tenant=tenants[1999])) == (409, "limit_exceeded")
    assert developer.ok("GET", f"/apps/{app}")["availabilityCount"] == 2000


def test_withdrawal_after_an_allowance(world: World, developer: Caller, admin: Caller) -> None:
    """An access that is just being allowed ends with the withdrawal, and its end is told."""
    tenant = admin.credentials["id"]
    app = developer.ok("POST", "/apps", app_body(tenantIds=[tenant]))["id"]
    subscription = developer.ok("POST", "/event-subscriptions", {"url": URL, "types": ["connection.revoked"]})["id"]
    withdraw = lambda: developer("DELETE", f"/apps/{app}/availability/{tenant}")  # noqa: E731
    assert second(world, ALLOWED, withdraw, app=app).status_code == 204
    assert [event["tenantId"] for event in queued(world, subscription)] == [tenant]
    assert developer.listed("/connections") == []
