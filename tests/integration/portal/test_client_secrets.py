"""Client id and secret per app, tenant and environment: who makes them, how many work, when they end."""

from typing import Any

import pytest
from sqlalchemy import text

from tests.integration.portal.world import VIEW, Caller, World, app_body, code, connected, token_of


def by_developer(developer: Caller, admin: Caller) -> tuple[int, str]:
    """An app whose developer makes the secrets, and the path of its one connection's secrets."""
    app = connected(developer, admin, credentialManagement="developer")
    (row,) = developer.listed(f"/apps/{app}/connections")
    return app, f"/apps/{app}/connections/{row['id']}/client-secrets"


def by_tenant(developer: Caller, admin: Caller) -> tuple[int, str]:
    """An app whose tenants make the secrets, and the path of theirs."""
    app = connected(developer, admin)
    return app, f"/app-access/{app}/client-secrets"


def test_shown_once_and_stored_hashed(world: World, developer: Caller, admin: Caller) -> None:
    """The value is in the answer that made it and nowhere else, neither in lists nor in the database."""
    app, path = by_developer(developer, admin)
    answer = developer("POST", path)
    made = answer.json()

    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert made["value"][:6] == made["valuePrefix"]
    shown = {name: made[name] for name in ("id", "valuePrefix", "createdOn", "createdBy")}
    assert developer.ok("GET", path)["data"] == [shown]
    (row,) = developer.listed(f"/apps/{app}/connections")
    assert row["clientSecrets"] == [shown]
    assert row["clientId"] == made["clientId"]
    with world.engine.connect() as connection:
        rows = connection.execute(text("SELECT cast(s AS text) FROM portal.client_secret s")).scalars()
        assert not any(made["value"] in row for row in rows)


@pytest.mark.parametrize("mode", [by_developer, by_tenant])
def test_two_work_at_a_time(world: World, developer: Caller, admin: Caller, mode: Any) -> None:
    """Two secrets open the same access, a third is refused; an ended one opens nothing."""
    app, path = mode(developer, admin)
    maker = developer if mode is by_developer else admin
    first, second = maker.ok("POST", path), maker.ok("POST", path)
    assert code(maker("POST", path)) == (409, "limit_exceeded")
    for secret in (first, second):
        answer = token_of(world, secret)
        assert (answer.status_code, answer.json()["scope"]) == (200, VIEW)
    maker.ok("DELETE", f"{path}/{first['id']}")
    assert token_of(world, first).json() == {"error": "invalid_client"}
    assert token_of(world, second).status_code == 200
    assert code(maker("DELETE", f"{path}/{first['id']}")) == (404, "not_found")
    assert maker.ok("POST", path)["clientId"] == second["clientId"]
    assert app


def test_the_app_says_who_makes_them(developer: Caller, admin: Caller) -> None:
    """The other side may look at them, and is told who makes them."""
    app, path = by_developer(developer, admin)
    assert code(admin("POST", f"/app-access/{app}/client-secrets")) == (409, "managed_by_developer")
    developer.ok("POST", path)
    assert len(admin.ok("GET", f"/app-access/{app}/client-secrets")["data"]) == 1
    assert code(admin("DELETE", f"/app-access/{app}/client-secrets/1")) == (409, "managed_by_developer")

    app, _ = by_tenant(developer, admin)
    (row,) = developer.listed(f"/apps/{app}/connections")
    path = f"/apps/{app}/connections/{row['id']}/client-secrets"
    assert code(developer("POST", path)) == (409, "managed_by_tenant")
    assert developer.ok("GET", path)["data"] == []


def test_none_before_allowing_and_none_left_after(world: World, developer: Caller, admin: Caller) -> None:
    """Before the tenant allows there is no client id; revoking ends id and secrets, and the next life has others."""
    body = app_body(tenantIds=[admin.credentials["id"]])
    app = developer.ok("POST", "/apps", body)["id"]
    path = f"/app-access/{app}/client-secrets"
    assert code(admin("POST", path)) == (409, "not_connected")
    admin.ok("POST", f"/app-access/{app}/allow")
    old = admin.ok("POST", path)
    admin.ok("POST", f"/app-access/{app}/disable")
    assert token_of(world, old).json() == {"error": "invalid_client"}
    admin.ok("POST", f"/app-access/{app}/enable")
    assert token_of(world, old).status_code == 200
    admin.ok("DELETE", f"/app-access/{app}")
    admin.ok("POST", f"/app-access/{app}/allow")
    assert admin.ok("GET", path)["data"] == []
    new = admin.ok("POST", path)
    assert new["clientId"] != old["clientId"]
    assert token_of(world, old).json() == {"error": "invalid_client"}


def test_environments_have_their_own(developer: Caller, admin: Caller) -> None:
    """Each environment has a client id and secrets apart; the app key is the same."""
    app, path = by_tenant(developer, admin)
    admin.ok("POST", f"/app-access/{app}/allow", {"environment": "integration"})
    ids = {admin.ok("POST", path, params={"environment": e})["clientId"] for e in ("production", "integration")}

    assert len(ids) == 2


def test_repeated_call_makes_no_second_one_and_tells_no_secret(developer: Caller, admin: Caller) -> None:
    """Under an Idempotency-Key one secret is made; the repetition says which, and not its value."""
    _, path = by_tenant(developer, admin)
    first, again = (admin.ok("POST", path, headers={"Idempotency-Key": "k"}) for _ in range(2))

    assert first["value"] is not None
    assert again == first | {"value": None}
    assert len(admin.ok("GET", path)["data"]) == 1


def test_others_see_nothing(world: World, developer: Caller, admin: Caller) -> None:
    """Another organization's developer and another tenant's admin learn of no connection."""
    app, path = by_developer(developer, admin)
    stranger, neighbour = world.developer(), world.admin()
    for method in ("GET", "POST"):
        assert code(stranger(method, path)) == (404, "not_found")
        assert code(stranger(method, developer.home + path)) == (404, "not_found")
        assert code(neighbour(method, f"/app-access/{app}/client-secrets")) == (404, "not_found")
        assert code(neighbour(method, f"{admin.home}/app-access/{app}/client-secrets")) == (404, "not_found")
    assert code(stranger("DELETE", path + "/1")) == (404, "not_found")
    assert code(neighbour("DELETE", f"/app-access/{app}/client-secrets/1")) == (404, "not_found")
