"""Signing in to the pages: sessions, forms of our own only, limits, and nobody else's pages."""

import base64
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Interval, bindparam, func, select, text, update

from portal.bootstrap import Bootstrap, NewClient, install
from portal.clock import Clock
from portal.people import hashed_password
from portal.problems import Problem
from portal.rates import Rates
from portal.tables import person, session
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


def shown(browser: Browser, cookie: str) -> str:
    """The path at which somebody arrives who holds only a copy of a *cookie*."""
    copy = Browser(str(browser.http.base_url))
    copy.http.cookies["portal_session"] = cookie
    path = copy.open("/apps").url.path
    copy.http.close()
    return path


def test_signing_out_ends_the_session(browser: Browser, people: dict[str, Any]) -> None:
    """In this browser, and for whoever copied its cookie; another session of the same person goes on."""
    other = Browser(str(browser.http.base_url))
    for one in (browser, other):
        one.sign_in(people["developer"])
    copied = browser.http.cookies["portal_session"]
    assert shown(browser, copied) == "/apps"
    assert browser.send("/sign-out", "/apps").url.path == "/sign-in"
    assert "key" not in base64.b64decode(browser.http.cookies["portal_session"].split(".")[0]).decode()
    assert browser.open("/apps").url.path == "/sign-in"
    assert shown(browser, copied) == "/sign-in"
    assert other.open("/apps").url.path == "/apps"
    other.http.close()


def test_signing_out_takes_our_own_form(browser: Browser, people: dict[str, Any]) -> None:
    """Another site signs nobody out."""
    browser.sign_in(people["developer"])
    assert browser.http.post("/sign-out", data={"csrf_token": "x"}).status_code == 403
    assert browser.http.post("/sign-out").status_code == 403
    assert browser.open("/apps").url.path == "/apps"


def test_signing_in_anew_ends_the_session_before(browser: Browser, people: dict[str, Any]) -> None:
    """A browser has one session; the cookie of the one before opens nothing."""
    browser.sign_in(people["developer"])
    before = browser.http.cookies["portal_session"]
    (token,) = set(TOKEN.findall(browser.open("/apps").text))
    fields = {name: people["developer"][name] for name in ("username", "password")}
    browser.http.post("/sign-in", data={"csrf_token": token, **fields})
    assert browser.open("/apps").url.path == "/apps"
    assert shown(browser, before) == "/sign-in"


def test_session_lasts_eight_hours(world: World, browser: Browser, people: dict[str, Any]) -> None:
    """Counted from the signing in, whatever is done meanwhile; the row goes when the person signs in again."""
    name = people["operator"]["username"]
    mine = session.c.person_id == select(person.c.id).where(person.c.username == name).scalar_subquery()
    aged = update(session).where(mine).values(began_at=session.c.began_at - bindparam("ago", type_=Interval))
    browser.sign_in(people["operator"])
    with world.engine.begin() as connection:
        connection.execute(aged, {"ago": timedelta(hours=7, minutes=59)})
    assert browser.send(f"/approvals/{10**9}", "/approvals", verdict="approve").status_code == 404
    assert browser.open("/").url.path == "/approvals"
    with world.engine.begin() as connection:
        connection.execute(aged, {"ago": timedelta(minutes=1)})
    assert browser.open("/").url.path == "/sign-in"
    browser.http.cookies.clear()
    browser.sign_in(people["operator"])
    with world.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(session).where(mine)) == 1


def test_session_ends_with_the_password(world: World, browser: Browser, people: dict[str, Any]) -> None:
    """A new password ends what the old one began, and so does the removal of the person."""
    browser.sign_in(people["developer"])
    assert browser.open("/").url.path != "/sign-in"
    with world.engine.begin() as connection:
        changed = {"hash": hashed_password("new"), "name": people["developer"]["username"]}
        connection.execute(text("UPDATE portal.person SET password_hash = :hash WHERE username = :name"), changed)
    assert browser.open("/").url.path == "/sign-in"
    browser.sign_in(people["developer"] | {"password": "new"})
    assert browser.open("/").url.path != "/sign-in"
    with world.engine.begin() as connection:
        connection.execute(text("DELETE FROM portal.person WHERE username = :name"), changed)
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
    assert "&lt;b&gt;Loud &amp; clear&lt;/b&gt; is approved" in done.text
    assert f"by <bdi>{people['operator']['name']}</bdi>" in done.text
    assert re.search(r"<h2>Settled \(\d+\)</h2>(.|\n)*Loud &amp; clear", done.text)
    unclear = browser.send(f"/approvals/{app}", "/approvals", verdict="approve!")
    assert unclear.status_code == 400
    assert browser.send(f"/approvals/{10**30}", "/approvals", verdict="reject").status_code == 404
    assert [row["app"]["id"] for row in admin.listed("/app-access")] == [app]
    refused = browser.send(f"/approvals/{app}", "/approvals", verdict="reject")
    assert refused.status_code == 409
    assert "is approved already, and an approved app cannot be rejected any more" in refused.text
    assert browser.open(f"/approvals/{app}/reject").status_code == 409


def test_operator_rejects_after_a_question(world: World, browser: Browser, people: dict[str, Any]) -> None:
    """Rejecting says first what it means; afterwards it is told plainly, not as a success, and can be turned."""
    developer = world.developer()
    app = developer.ok("POST", "/apps", app_body(distribution="public", name=f"Shady {people['operator']['name']}"))
    browser.sign_in(people["operator"])
    assert re.search(r"<h2>Waiting \(\d+\)</h2>(.|\n)*" + app["name"], browser.open("/approvals").text)
    path = f"/approvals/{app['id']}"
    asked = browser.open(f"{path}/reject").text
    assert f"Reject {app['name']} of " in asked
    assert f'action="{path}"' in asked
    assert 'name="verdict" value="reject"' in asked
    assert developer.ok("GET", f"/apps/{app['id']}")["approvalStatus"] == "pending"
    done = browser.send(path, f"{path}/reject", verdict="reject").text
    assert f'<p class="said note" role="status">{app["name"]} is rejected; no tenant sees it.</p>' in done
    assert "Rejected on " in done
    assert "is approved" in browser.send(path, "/approvals", verdict="approve").text


def test_signing_in_leads_back(browser: Browser, people: dict[str, Any]) -> None:
    """To the very page that was asked for, filters included; whoever is signed in already is not asked again."""
    asked = browser.open("/apps?page=2")
    assert asked.url.params["to"] == "/apps?page=2"
    arrived = browser.sign_in(people["developer"], to="/apps?page=2")
    assert (arrived.url.path, arrived.url.params["page"]) == ("/apps", "2")
    assert browser.open("/sign-in").url.path == "/apps"


def test_form_after_the_session_ended(world: World, browser: Browser, people: dict[str, Any]) -> None:
    """It says that nothing was done, and leads back to the page that the form was on."""
    browser.sign_in(people["developer"])
    fields = {"csrf_token": "x", "name": "x"}
    browser.http.cookies.clear()
    origin = str(browser.http.base_url).rstrip("/")
    answer = browser.http.post("/apps/new", data=fields, headers={"Referer": f"{origin}/apps/new"})
    assert "nothing was done" in answer.text
    assert answer.url.params["to"] == "/apps/new"


def test_too_many_attempts_are_told_the_wait(browser: Browser, people: dict[str, Any]) -> None:
    """The form stays, and says how long to wait."""
    answer = [browser.sign_in(people["developer"] | {"password": "x"}) for _ in range(11)][-1]
    assert answer.status_code == 429
    assert f"Wait {answer.headers['retry-after']} seconds" in answer.text
    assert 'name="password"' in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/apps?page=0", 400),
        ("GET", "/apps?page=abc", 400),
        ("GET", "/apps/abc", 404),
        ("GET", "/access/1?environment=staging", 404),
        ("POST", "/approvals", 405),
        ("GET", "/nonsense", 404),
    ],
)
def test_whatever_is_wrong_is_said_on_a_page(
    browser: Browser, people: dict[str, Any], method: str, path: str, status: int
) -> None:
    """Somebody with a browser never gets JSON, nor a page without its protection."""
    browser.sign_in(people["developer"])
    answer = browser.http.request(method, path, headers={"Accept": "text/html,*/*"})
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.status_code == status
    api = browser.http.get("/portal/v2/nonsense", headers={"Accept": "text/html,*/*"})
    assert api.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("announced", [True, False])
def test_bodies_are_limited(browser: Browser, *, announced: bool) -> None:
    """More than a mebibyte is refused, whether its length was told or not."""
    body = b"username=" + b"x" * (1 << 20)
    content = body if announced else iter([body[:500_000], body[500_000:]])
    sent = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = browser.http.post("/sign-in", content=content, headers=sent)
    assert answer.status_code == 413
    assert "too much at once" in answer.text
    refused = browser.http.post("/connect/token", content=body, headers=sent)
    assert (refused.status_code, refused.headers["content-type"]) == (413, "application/problem+json")


def test_guessing_at_many_names_is_limited() -> None:
    """One address may try so many names a minute; another address is not hindered, nor is the owner of the name."""
    rates = Rates(sign_ins_per_address=12)
    for count in range(12):
        rates.attempt("192.0.2.1", f"name{count}")
    with pytest.raises(Problem, match="Too many calls"):
        rates.attempt("192.0.2.1", "another")
    rates.attempt("192.0.2.2", "name0")


@pytest.mark.parametrize("path", ["/sign-in", "/apps", "/apps/new", "/pages/style.css", "/favicon.ico"])
def test_heads_of_pages(browser: Browser, people: dict[str, Any], path: str) -> None:
    """Whoever asks for the head of a page gets what a GET would get, without its body."""
    browser.sign_in(people["developer"])
    head = browser.http.head(path)
    assert (head.status_code, head.content) == (200, b"")


def test_wrong_password_is_typed_again(browser: Browser, people: dict[str, Any]) -> None:
    """The name stays, and the cursor waits where the password goes."""
    answer = browser.sign_in(people["developer"] | {"password": "x"})
    assert f'value="{people["developer"]["username"]}"' in answer.text
    assert 'type="password" autocomplete="current-password" required autofocus' in answer.text
