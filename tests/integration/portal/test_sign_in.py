"""Signing in to the pages: sessions, forms of our own only, limits, and nobody else's pages."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from portal.bootstrap import Bootstrap, NewClient, install
from portal.clock import Clock
from portal.people import hashed_password
from tests.integration.portal.people import TOKEN, Browser, people_of
from tests.integration.portal.world import Caller, World, app_body, code


@pytest.fixture
def browser(portal_url: str) -> Iterator[Browser]:
    """A browser that nobody has used before."""
    browser = Browser(portal_url)
    yield browser
    browser.http.close()


@pytest.fixture
def people(world: World) -> dict[str, Any]:
    """One of each kind, with their passwords."""
    return people_of(world)


def test_password_is_told_once_and_stored_hashed(world: World, people: dict[str, Any]) -> None:
    """What the database holds is argon2id."""
    with world.engine.connect() as connection:
        stored = connection.execute(text("SELECT password_hash FROM portal.person")).scalars().all()
    assert all(one.startswith("$argon2id$") for one in stored)
    assert not any(people["developer"]["password"] in one for one in stored)


def test_wrong_password(browser: Browser, people: dict[str, Any]) -> None:
    """Name and password have to fit; a name that nobody has is answered the same."""
    wrong = browser.sign_in(people["developer"] | {"password": "x"})
    nobody = browser.sign_in({"username": "nobody-at-all", "password": "x"})
    assert (wrong.status_code, nobody.status_code) == (403, 403)
    assert "do not fit together" in wrong.text
    assert "do not fit together" in nobody.text
    assert browser.open("/").url.path == "/sign-in"


def test_guessing_is_limited(browser: Browser, people: dict[str, Any]) -> None:
    """After ten attempts at one name the right password has to wait as well; other names do not."""
    statuses = [browser.sign_in(people["developer"] | {"password": "x"}).status_code for _ in range(11)]
    assert statuses[-1] == 429
    assert browser.sign_in(people["developer"]).status_code == 429
    assert browser.sign_in(people["operator"]).status_code != 429


def test_guessing_is_limited_however_the_name_is_spelled(browser: Browser, people: dict[str, Any]) -> None:
    """What the look-up takes for one name counts as one."""
    name = people["developer"]["username"]
    spelled = [{"username": name + "\0" * count, "password": "x"} for count in range(11)]
    assert [browser.sign_in(person).status_code for person in spelled][-1] == 429


def test_form_of_somebody_else_is_refused(browser: Browser, people: dict[str, Any], portal_url: str) -> None:
    """A form without our token, or with that of another session, does nothing."""
    fields = {"username": people["developer"]["username"], "password": people["developer"]["password"]}
    assert browser.http.post("/sign-in", data=fields).status_code == 403
    other = Browser(portal_url)
    (token,) = TOKEN.findall(other.open("/sign-in").text)
    other.http.close()
    answer = browser.http.post("/sign-in", data=fields | {"csrf_token": token})
    assert answer.status_code == 403
    assert "This form has expired" in answer.text


@pytest.mark.parametrize("to", ["//evil.example", "/\\evil.example", "https://evil.example"])
def test_never_sent_elsewhere(browser: Browser, people: dict[str, Any], to: str) -> None:
    """Where the visitor wanted to go is a page of ours, or their own beginning."""
    assert str(browser.sign_in(people["developer"], to=to).url).startswith(str(browser.http.base_url))


def test_session_ends(world: World, browser: Browser, people: dict[str, Any]) -> None:
    """By signing out, and by a new password."""
    browser.sign_in(people["developer"])
    assert "Sign out" in browser.open("/sign-in").text or browser.open("/").url.path != "/sign-in"
    with world.engine.begin() as connection:
        changed = {"hash": hashed_password("new"), "name": people["developer"]["username"]}
        connection.execute(text("UPDATE portal.person SET password_hash = :hash WHERE username = :name"), changed)
    assert browser.open("/").url.path == "/sign-in"


def test_cookie_and_headers(browser: Browser, people: dict[str, Any]) -> None:
    """The session is out of reach of scripts and other sites; pages run nothing but what is ours."""
    answer = browser.open("/sign-in")
    (token,) = TOKEN.findall(answer.text)
    cookie = browser.http.post(
        "/sign-in",
        data={"csrf_token": token, **{name: people["operator"][name] for name in ("username", "password")}},
        follow_redirects=False,
    ).headers["set-cookie"]
    assert "httponly" in cookie.lower()
    assert "samesite=lax" in cookie.lower()
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


def test_sessions_open_no_api(browser: Browser, people: dict[str, Any], developer: Caller) -> None:
    """The API knows keys and tokens only."""
    browser.sign_in(people["developer"])
    assert code(browser.http.get(developer.home + "/apps")) == (401, "app_key_missing")


def test_taken_name_is_refused(world: World, people: dict[str, Any]) -> None:
    """No two people sign in by one name."""
    again = NewClient(name="another", username=people["operator"]["username"])
    with pytest.raises(ValueError, match="is taken"), world.engine.begin() as connection:
        install(connection, Bootstrap(operators=(again,)), Clock())


@pytest.mark.parametrize("kind", ["developer", "admin", "operator"])
def test_everybody_has_their_own_pages(browser: Browser, people: dict[str, Any], kind: str) -> None:
    """After signing in the visitor is at their own beginning; the others' pages are not there for them."""
    homes = {"developer": "/apps", "admin": "/access", "operator": "/approvals"}
    assert browser.open(homes[kind]).url.path == "/sign-in"
    arrived = browser.sign_in(people[kind], to=homes[kind])
    assert (arrived.status_code, arrived.url.path) == (200, homes[kind])
    for other in homes.values():
        answer = browser.open(other)
        assert answer.status_code == (200 if other == homes[kind] else 404)
        assert answer.headers["content-type"].startswith("text/html")


def test_operator_approves_by_hand(world: World, browser: Browser, people: dict[str, Any], admin: Caller) -> None:
    """An app that waits is approved with a button, after which its tenant sees it."""
    developer = world.developer()
    body = app_body(distribution="public", name="<b>Loud & clear</b>", tenantIds=[admin.credentials["id"]])
    app = developer.ok("POST", "/apps", body)["id"]
    arrived = browser.sign_in(people["operator"])
    assert "&lt;b&gt;Loud &amp; clear&lt;/b&gt;" in arrived.text
    done = browser.send(f"/approvals/{app}", "/approvals", verdict="approve")
    assert f"App {app} is approved." in done.text
    unclear = browser.send(f"/approvals/{app}", "/approvals", verdict="approve!")
    assert unclear.status_code == 400
    assert browser.send(f"/approvals/{10**30}", "/approvals", verdict="reject").status_code == 404
    assert [row["app"]["id"] for row in admin.listed("/app-access")] == [app]
    refused = browser.send(f"/approvals/{app}", "/approvals", verdict="reject")
    assert refused.status_code == 409
    assert "settled" in refused.text
