"""A POST under an Idempotency-Key works once, however often it is sent."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from tests.integration.portal.world import JOBS, MODIFY, VIEW, Caller, World, app_body, code, connected, using


def keyed(key: str) -> dict[str, Any]:
    """What a call under *key* says besides."""
    return {"headers": {"Idempotency-Key": key}}


def test_second_call_is_answered_like_the_first(developer: Caller) -> None:
    """One app, one answer, and a header that says it is the same one."""
    first, again = (developer("POST", "/apps", json=app_body(), **keyed("k-1")) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert len(developer.listed("/apps")) == 1
    assert developer("POST", "/apps", json=app_body(), **keyed("k-2")).json()["id"] != first.json()["id"]


def test_key_of_another_request_is_refused(developer: Caller) -> None:
    """The same key with another body is a mistake of the caller, and does nothing."""
    developer("POST", "/apps", json=app_body(), **keyed("k"))
    answer = developer("POST", "/apps", json=app_body(name="Other"), **keyed("k"))

    assert code(answer) == (409, "idempotency_key_reused")
    assert [app["name"] for app in developer.listed("/apps")] == ["Dispatch Helper"]


def test_keys_belong_to_their_client(world: World, developer: Caller) -> None:
    """Another client's key is another key."""
    apps = [c("POST", "/apps", json=app_body(), **keyed("k")).json()["id"] for c in (developer, world.developer())]

    assert len(set(apps)) == 2


def test_refused_call_may_be_made_again(developer: Caller, admin: Caller) -> None:
    """What was refused did nothing, so the same key works once the reason is gone."""
    app = connected(developer, admin)
    body = {"version": 2}
    path = f"/app-access/{app}/upgrade"
    assert code(admin("POST", path, json=body, **keyed("k"))) == (409, "already_current")
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [VIEW, JOBS]})
    upgraded = admin("POST", path, json=body, **keyed("k"))
    assert upgraded.status_code == 200
    again = admin("POST", path, json=body, **keyed("k"))
    assert (again.status_code, again.content) == (200, upgraded.content)
    assert code(admin("POST", path, json=body)) == (409, "already_current")


def test_at_once(developer: Caller, admin: Caller) -> None:
    """Ten calls at once under one key: one allows, nine wait and hear the same."""
    app = developer.ok("POST", "/apps", app_body(tenantIds=[admin.credentials["id"]]))["id"]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: admin("POST", f"/app-access/{app}/allow", **keyed("k")), range(10)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a b"])
def test_keys_that_are_none(developer: Caller, key: str) -> None:
    """A key is 1 to 255 visible characters."""
    assert code(developer("POST", "/apps", json=app_body(), **keyed(key))) == (400, "invalid_request")
    assert developer.listed("/apps") == []


def test_old_keys_are_forgotten(world: World, developer: Caller) -> None:
    """After a day the key is free again, and its row is gone."""
    first = developer.ok("POST", "/apps", app_body(), **keyed("k"))["id"]
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE portal.idempotency SET created_at = now() - interval '25 hours'"))
    assert developer.ok("POST", "/apps", app_body(), **keyed("other"))["id"] != first
    assert developer.ok("POST", "/apps", app_body(), **keyed("k"))["id"] != first


def test_what_changes_nothing_is_repeated_too(developer: Caller, admin: Caller) -> None:
    """A decline is answered as it was the first time, though the tenant has upgraded since."""
    app = connected(developer, admin)
    first = admin("POST", f"/app-access/{app}/decline", **keyed("k"))
    admin.ok("POST", f"/app-access/{app}/disable")
    again = admin("POST", f"/app-access/{app}/decline", **keyed("k"))
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert code(admin("POST", f"/app-access/{app}/enable", **keyed("k"))) == (409, "idempotency_key_reused")


def test_keys_of_connections(world: World, developer: Caller) -> None:
    """What an app writes for a tenant is written once a key; another tenant's key is another key."""
    admins = world.admins(2, "Bright")
    body = {"tenantIds": [one.credentials["id"] for one in admins], "scopes": [MODIFY]}
    app = developer.ok("POST", "/apps", app_body(**body))["id"]
    made = []
    for admin in admins:
        admin.ok("POST", f"/app-access/{app}/allow")
        client = using(world, developer, admin, app)
        client.headers["Idempotency-Key"] = "k"
        made += [client.post("crm", "customers", name="Ann").json()["id"] for _ in range(2)]
    assert made[0] == made[1] != made[2] == made[3]
