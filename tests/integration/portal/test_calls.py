"""Who may call: tokens, keys, scopes, and what does not exist for whom."""

import httpx
import pytest
from sqlalchemy import Engine, text

from tests.integration.portal.world import VIEW, Caller, World, app_body, code, held, served


def test_token_answer(developer: Caller) -> None:
    """Good credentials give a bearer token for 900 seconds with the client's scopes, never to be cached."""
    answer = developer.token()

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["expires_in"] == 900
    assert body["token_type"] == "Bearer"
    assert "dp.app.apps:r" in body["scope"].split()


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"client_secret": "cs1.wrong"}, "invalid_client"),
        ({"client_id": "cid.nobody"}, "invalid_client"),
        ({"client_id": "cid.\0"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "invalid_request"),
        ({"scope": "dp.app.apps:r tn.int.appaccess:w"}, "invalid_scope"),
    ],
)
def test_token_refused(developer: Caller, form: dict[str, str], error: str) -> None:
    """Wrong credentials, grants and scopes answer 400 in OAuth's own shape."""
    answer = developer.token(**form)

    assert answer.status_code == 400
    assert answer.json() == {"error": error}


def test_token_that_is_not_a_form(portal_url: str) -> None:
    """Bytes that are no form answer 400, not 500."""
    answer = httpx.post(f"{portal_url}/connect/token", content=b"\xff\xfe=\x00")

    assert answer.json() == {"error": "invalid_request"}


def test_asked_scopes_only(world: World) -> None:
    """A token holds the scopes asked for and no other; a call beyond them answers 403 and names the scope."""
    developer = world.developer()
    token = developer.token(scope="dp.app.apps:r").json()
    assert token["scope"] == "dp.app.apps:r"

    answer = developer("POST", "/apps", json=app_body(), headers={"Authorization": f"Bearer {token['access_token']}"})

    assert code(answer) == (403, "scope_missing")
    assert answer.json()["data"]["requiredScopes"] == ["dp.app.apps:w"]


def test_no_app_key(developer: Caller) -> None:
    """Without a key the answer is 401 with the platform's own title."""
    answer = developer("GET", "/apps", headers={"ST-App-Key": ""})

    assert code(answer) == (401, "app_key_missing")
    assert answer.json()["title"] == "Application key not present, check ST-App-Key header value."


@pytest.mark.parametrize("key", ["ak1.unknown", "\xff\xfe"])
def test_unknown_app_key(developer: Caller, key: str) -> None:
    """A key that nobody has answers 401."""
    answer = developer("GET", "/apps", headers={"ST-App-Key": key.encode("latin-1")})

    assert code(answer) == (401, "app_key_invalid")


def test_foreign_app_key(world: World, developer: Caller) -> None:
    """Another organization's key does not open the door, neither its client's nor its app's, though they are good."""
    other = world.developer()
    keys = other.credentials["appKey"], other.ok("POST", "/apps", app_body())["appKey"]

    for key in keys:
        assert other("GET", "/apps", headers={"ST-App-Key": key}).status_code == 200
        assert code(developer("GET", "/apps", headers={"ST-App-Key": key})) == (401, "app_key_invalid")


def test_own_apps_key_until_it_is_deleted(developer: Caller) -> None:
    """The key of a living app of one's own is good; with the app it dies at once."""
    app = developer.ok("POST", "/apps", app_body())
    key = {"ST-App-Key": app["appKey"]}
    assert developer("GET", "/apps", headers=key).status_code == 200

    developer.ok("DELETE", f"/apps/{app['id']}")

    assert code(developer("GET", "/apps", headers=key)) == (401, "app_key_invalid")


@pytest.mark.parametrize(
    ("header", "expected"),
    [("", "token_missing"), ("Basic abc", "token_missing"), ("Bearer at1.unknown", "token_invalid")],
)
def test_no_token(developer: Caller, header: str, expected: str) -> None:
    """Without a known bearer token the answer is 401 with a challenge."""
    answer = developer("GET", "/apps", headers={"Authorization": header})

    assert code(answer) == (401, expected)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_expired_token(developer: Caller, portal_engine: Engine) -> None:
    """A token is dead once its time is over."""
    fresh = developer.token().json()["access_token"]
    header = {"Authorization": f"Bearer {fresh}"}
    assert developer("GET", "", headers=header).status_code == 200

    with portal_engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE portal.token SET expires_at = now() FROM portal.client c"
                " WHERE c.id = token.client_id AND c.client_id = :client"
            ),
            {"client": developer.credentials["clientId"]},
        )

    assert code(developer("GET", "", headers=header)) == (401, "token_invalid")


def test_secrets_are_stored_hashed(developer: Caller, portal_engine: Engine) -> None:
    """Neither secrets nor tokens can be read from the database."""
    token = developer.token().json()["access_token"]

    with portal_engine.connect() as connection:
        dump = connection.scalar(
            text(
                "SELECT string_agg(row_to_json(c)::text, '') || (SELECT string_agg(row_to_json(t)::text, '')"
                " FROM portal.token t) FROM portal.client c"
            )
        )

    assert developer.credentials["clientId"] in dump
    for secret in (developer.credentials["clientSecret"], token):
        # Bytes are printed in hexadecimal.
        assert secret not in dump
        assert secret.encode().hex() not in dump


def test_sides_do_not_mix(developer: Caller, admin: Caller) -> None:
    """A tenant's token cannot read an organization, nor an organization's token a tenant."""
    assert code(admin("GET", developer.home)) == (403, "scope_missing")
    assert code(developer("GET", f"{admin.home}/app-access")) == (403, "scope_missing")
    assert code(developer("POST", f"{developer.base}/portal/v2/operator/apps/1/approve")) == (403, "scope_missing")


@pytest.mark.parametrize("path", ["/nowhere", "/apps/x", "/apps/0", "/apps/99999999999999999999", "/apps/1/versions/0"])
def test_unknown_paths(developer: Caller, path: str) -> None:
    """Whatever is not there answers 404 as a problem."""
    assert code(developer("GET", path)) == (404, "not_found")


def test_wrong_method(developer: Caller) -> None:
    """A method that a path does not know answers 405 as a problem."""
    assert code(developer("PUT", "/apps")) == (405, "method_not_allowed")


def test_trace_id_is_the_callers(developer: Caller) -> None:
    """A call that names its request finds the name in the problem."""
    assert developer("GET", "/apps/1", headers={"X-Request-Id": "r-17"}).json()["traceId"] == "r-17"


def test_organization_and_catalogue(developer: Caller) -> None:
    """The organization reads itself, and at least 40 scopes in groups, some of one level only."""
    assert developer.ok("GET", "")["environments"] == ["production", "integration"]
    groups = developer.listed("/scope-groups")

    scopes = [scope for group in groups for scope in group["scopes"]]
    assert len(scopes) >= 40
    assert len({scope["name"] for scope in scopes}) == len(scopes)
    levels = {(scope["hasRead"], scope["hasWrite"]) for scope in scopes}
    assert levels == {(True, True), (True, False), (False, True)}
    assert VIEW.rpartition(":")[0] in {scope["name"] for scope in scopes}


@pytest.mark.parametrize(
    ("path", "wrong"),
    [("/connections", "statuss"), ("/apps", "Page"), ("", "x"), ("/export/apps", "page"), ("/scope-groups", "page")],
)
def test_unknown_parameters(developer: Caller, path: str, wrong: str) -> None:
    """A parameter that a call does not know is refused by name; it would answer with everything."""
    answer = developer("GET", path, params={wrong: "1"})
    assert code(answer) == (400, "invalid_request")
    assert list(answer.json()["errors"]) == [wrong]


def test_lock_that_is_held_for_long(world: World, developer: Caller) -> None:
    """Whoever waits too long for another call is told that the portal is busy, not that it is broken."""
    app = developer.ok("POST", "/apps", app_body())["id"]
    with held(world, "SELECT 1 FROM portal.app WHERE id = :app FOR UPDATE", app=app):
        answer = developer("DELETE", f"/apps/{app}")
    assert code(answer) == (503, "busy")
    assert int(answer.headers["retry-after"]) > 0


def test_without_its_database() -> None:
    """When PostgreSQL does not answer, the portal says so with 503 and when to come back; it does not fail."""
    headers = {"ST-App-Key": "ak1.x", "Authorization": "Bearer at1.x"}

    with served("postgresql+psycopg://nobody@127.0.0.1:1/none") as base:
        answer = httpx.get(f"{base}/portal/v2/organization/1/apps", headers=headers)

    assert code(answer) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
