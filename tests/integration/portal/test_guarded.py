"""The API that scopes guard: 401 without a key, 403 until the tenant upgrades, 200 after."""

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from portal.catalogue import SCOPES
from tests.integration.portal.world import JOBS, MODIFY, VIEW, Caller, World, code, connected, token_of, using

CUSTOMERS, WORK = ("crm", "customers"), ("jpm", "jobs")


def test_403_until_the_tenant_upgrades(world: World, developer: Caller, admin: Caller) -> None:
    """A released scope comes into play when the tenant accepts it, with the same key and secret."""
    app = connected(developer, admin)
    client = using(world, developer, admin, app)
    assert client.get(*CUSTOMERS).status_code == 200
    assert code(client.get(*WORK)) == (403, "scope_missing")
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [VIEW, JOBS]})
    refused = client.get(*WORK)
    assert code(refused) == (403, "scope_missing")
    assert refused.json()["data"] == {"code": "scope_missing", "requiredScopes": [JOBS], "version": 1}
    admin.ok("POST", f"/app-access/{app}/upgrade", {"version": 2})
    assert client.get(*WORK).status_code == 200
    assert client.renewed() == f"{VIEW} {JOBS}"
    assert client.get(*WORK).status_code == 200


def test_token_fetched_for_some_scopes_opens_no_others(world: World, developer: Caller, admin: Caller) -> None:
    """What was asked for by name and what is in play have to agree; an upgrade widens no such token."""
    app = connected(developer, admin, scopes=[VIEW, MODIFY])
    client = using(world, developer, admin, app)
    assert client.renewed(scope=VIEW) == VIEW
    assert client.get(*CUSTOMERS).status_code == 200
    refused = client.post(*CUSTOMERS, name="Ann")
    assert code(refused) == (403, "scope_missing")
    assert refused.json()["data"]["requiredScopes"] == [MODIFY]
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [MODIFY, JOBS]})
    admin.ok("POST", f"/app-access/{app}/upgrade", {"version": 2})
    assert code(client.get(*WORK)) == (403, "scope_missing")
    assert code(client.get(*CUSTOMERS)) == (403, "scope_missing")
    client.renewed(scope=" ")
    assert client.post(*CUSTOMERS, name="Ann").status_code == 201


def test_token_says_what_is_in_play(world: World, developer: Caller, admin: Caller) -> None:
    """A token is a JWT with the tenant and the scopes that its admin accepted, signed by the key that is published."""
    app = connected(developer, admin)
    client = using(world, developer, admin, app)
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [VIEW, JOBS]})
    admin.ok("POST", f"/app-access/{app}/upgrade", {"version": 2})
    client.renewed()
    keys = published(world)
    told = jwt.decode(client.headers["Authorization"].removeprefix("Bearer "), keys)
    assert told.header | {"kid": ""} == {"alg": "RS256", "typ": "at+jwt", "kid": ""}
    assert told.claims["tenant"] == admin.credentials["id"]
    assert told.claims["scope"] == [VIEW, JOBS]
    assert told.claims["exp"] - told.claims["iat"] == 900
    assert "d" not in keys.as_dict()["keys"][0]


def published(world: World) -> KeySet:
    """The keys by which tokens are verified."""
    return KeySet.import_key_set(httpx.get(f"{world.base}/.well-known/jwks.json").json())


def test_token_says_for_whom_and_by_whom(world: World, developer: Caller, admin: Caller) -> None:
    """It has every claim that RFC 9068 requires, and either its organization, or its tenant, or neither."""
    app = connected(developer, admin)
    secret = admin.ok("POST", f"/app-access/{app}/client-secrets")
    tenant = {"tenant": admin.credentials["id"]}
    expected = [
        (developer.token(), developer.credentials["clientId"], {"organization": developer.credentials["id"]}),
        (admin.token(), admin.credentials["clientId"], tenant),
        (token_of(world, secret), secret["clientId"], tenant),
        ((operator := world.operator()).token(), operator.credentials["clientId"], {}),
    ]
    for answer, client, owner in expected:
        claims = jwt.decode(answer.json()["access_token"], published(world)).claims
        assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} <= set(claims)
        assert (claims["iss"], claims["aud"]) == ("urn:portal", "urn:portal:api")
        assert (claims["sub"], claims["client_id"]) == (client, client)
        assert {name: claims[name] for name in ("organization", "tenant") if name in claims} == owner


def test_token_of_ones_own_making_opens_nothing(world: World, developer: Caller, admin: Caller) -> None:
    """What a token says counts for nothing unless it was issued: not when it is changed, not without a signature."""
    app = connected(developer, admin)
    client = using(world, developer, admin, app)
    head, _, tail = client.headers["Authorization"].partition(".")
    for forged in (f"{head}.{tail[:-4]}AAAA", f"{head}.{tail.partition('.')[0]}."):
        client.headers["Authorization"] = forged
        assert code(client.get(*CUSTOMERS)) == (401, "token_invalid")


def test_removed_scope_goes_with_the_upgrade(world: World, developer: Caller, admin: Caller) -> None:
    """What a version takes away works until the tenant accepts that version."""
    app = connected(developer, admin, scopes=[VIEW, JOBS])
    client = using(world, developer, admin, app)
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [VIEW]})
    assert client.get(*WORK).status_code == 200
    admin.ok("POST", f"/app-access/{app}/upgrade", {"version": 2})
    assert code(client.get(*WORK)) == (403, "scope_missing")


def test_view_and_modify_are_two_things(world: World, developer: Caller, admin: Caller) -> None:
    """View does not write, Modify does not read; both do both."""
    app = connected(developer, admin, scopes=[VIEW])
    client = using(world, developer, admin, app)
    assert code(client.post(*CUSTOMERS, name="Ann")) == (403, "scope_missing")
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [MODIFY]})
    admin.ok("POST", f"/app-access/{app}/upgrade", {"version": 2})
    made = client.post(*CUSTOMERS, name="Ann")
    assert made.status_code == 201
    assert code(client.get(*CUSTOMERS)) == (403, "scope_missing")
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [VIEW, MODIFY]})
    admin.ok("POST", f"/app-access/{app}/upgrade", {"version": 3})
    assert client.get(*CUSTOMERS).json()["data"] == [made.json()]


def test_key_and_token_are_both_needed(world: World, developer: Caller, admin: Caller) -> None:
    """Without a key, with another app's key, without a token, with an organization's token: 401 each."""
    app = connected(developer, admin)
    other = connected(developer, admin)
    client = using(world, developer, admin, app)
    bare = httpx.get(client.address(*CUSTOMERS))
    assert code(bare) == (401, "app_key_missing")
    assert bare.json()["title"] == "Application key not present, check ST-App-Key header value."
    assert code(httpx.get(client.address(*CUSTOMERS), headers={"ST-App-Key": client.key})) == (401, "token_missing")
    foreign = client.headers | {"ST-App-Key": developer.ok("GET", f"/apps/{other}")["appKey"]}
    assert code(httpx.get(client.address(*CUSTOMERS), headers=foreign)) == (401, "app_key_invalid")
    assert code(developer("GET", client.address(*CUSTOMERS))) == (401, "token_invalid")


@pytest.mark.parametrize("end", ["disabled", "revoked", "withdrawn", "deleted"])
def test_access_that_is_over(world: World, developer: Caller, admin: Caller, end: str) -> None:
    """A token still young opens nothing once the access it was made for is over."""
    app = connected(developer, admin)
    client = using(world, developer, admin, app)
    assert client.get(*CUSTOMERS).status_code == 200
    match end:
        case "disabled":
            admin.ok("POST", f"/app-access/{app}/disable")
        case "revoked":
            admin.ok("DELETE", f"/app-access/{app}")
        case "withdrawn":
            developer.ok("DELETE", f"/apps/{app}/availability/{admin.credentials['id']}")
        case _:
            developer.ok("DELETE", f"/apps/{app}")

    assert code(client.get(*CUSTOMERS)) == (401, "token_invalid")


def test_tenants_data_is_its_own(world: World, developer: Caller) -> None:
    """A tenant's token reads nothing of another tenant, not even that it is there."""
    admins = world.admins(2)
    body = {"tenantIds": [one.credentials["id"] for one in admins], "distribution": "public"}
    app = world.approved(developer, scopes=[VIEW, MODIFY], **body)
    for admin in admins:
        admin.ok("POST", f"/app-access/{app}/allow")
    first, second = (using(world, developer, admin, app) for admin in admins)
    first.post(*CUSTOMERS, name="Ann")
    assert second.get(*CUSTOMERS).json()["data"] == []
    assert code(httpx.get(first.address(*CUSTOMERS), headers=second.headers)) == (404, "not_found")


def test_every_scope_guards_something(world: World, developer: Caller, admin: Caller) -> None:
    """Each scope of the catalogue has its resource, readable and writable as its levels say."""
    app = connected(developer, admin, scopes=[f"{s.name}:{level}" for s in SCOPES.values() for level in s.levels])
    client = using(world, developer, admin, app)
    for scope in SCOPES.values():
        _, module, resource = scope.name.split(".")
        assert client.get(module, resource).status_code == (200 if "r" in scope.levels else 405)
        assert client.post(module, resource, name="x").status_code == (201 if "w" in scope.levels else 405)
    assert code(client.get("crm", "nothing")) == (404, "not_found")
    assert client.post("rpt", "reports", name="x").headers["allow"] == "GET"
