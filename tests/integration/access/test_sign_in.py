"""Signing in: by a password or by a link that holds once; sessions begin anew, and end on the server."""

import re
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI, Request
from sqlalchemy import text
from sqlalchemy.orm import Session as OrmSession

from config.settings import settings
from dashboard.app import application
from dashboard.origins import neighbourhood
from dashboard.rates import Rate
from models import Role, Scope, db_now
from models.keys import Prefix, new_key
from models.sessions import link
from tests.integration.access.callers import PASSWORD, SAME_SITE, asked, person, token

TABLES = ("account", "sign_in", "token", "ticket", "audit")
ADA = {"name": "ada", "password": PASSWORD}


@pytest.fixture
def app(session: OrmSession, database_url: str) -> FastAPI:
    """The dashboard."""
    return application(database_url)


def enter(
    app: FastAPI, *, base: str = "http://dashboard", headers: dict[str, str] | None = None, **said: str
) -> httpx.Response:
    """What somebody types into the form."""
    return asked(app, "POST", "/sign-in", base=base, headers=SAME_SITE | (headers or {}), data=ADA | said)


def key_in(answer: httpx.Response) -> str:
    """What the answer leaves in the browser."""
    found = re.search(r"uptake=(ups_[0-9a-f]{72});", answer.headers["set-cookie"])
    assert found
    return found[1]


def is_in(app: FastAPI, key: str) -> bool:
    """Whether a browser with that cookie sees the pages."""
    return asked(app, "GET", "/", headers={"Cookie": f"uptake={key}"}).status_code == 200


def test_password(session: OrmSession, app: FastAPI) -> None:
    """Name and password let somebody in, by a cookie that no script and no other site sends; the name in any case."""
    person(session, password=PASSWORD)
    answer = enter(app, name=" Ada ", next="/apps/acme:4711?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/apps/acme:4711?x=1")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("uptake=ups_")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    page = asked(app, "GET", "/", headers={"Cookie": f"uptake={key_in(answer)}"})
    assert "Sign out" in page.text
    assert "<bdi>ada</bdi>" in page.text


def test_cookie_over_https(session: OrmSession, app: FastAPI) -> None:
    """Where nobody reads along, the browser keeps it from all other hosts and from plain HTTP."""
    person(session, password=PASSWORD)
    answer = enter(app, base="https://dashboard")
    assert answer.headers["set-cookie"].startswith("__Host-uptake=ups_")
    assert "Secure" in answer.headers["set-cookie"]
    plain = {"Cookie": f"uptake={key_in(answer)}"}
    # A cookie that anybody on the way could have planted is none.
    assert asked(app, "GET", "/", base="https://dashboard", headers=plain).status_code == 303


def test_https_by_the_public_address(session: OrmSession, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a proxy that ends TLS, the address by which others come says that they come by HTTPS."""
    person(session, password=PASSWORD)
    monkeypatch.setenv("UPTAKE_PUBLIC_URL", "https://dashboard")
    monkeypatch.setenv("UPTAKE_SECRET_KEY", "k" * 32)
    settings.cache_clear()
    answer = asked(app, "POST", "/sign-in", headers={"Origin": "https://dashboard"}, data=ADA)
    monkeypatch.undo()
    settings.cache_clear()
    assert answer.headers["set-cookie"].startswith("__Host-uptake=ups_")


@pytest.mark.parametrize(
    "said", [{"password": "x"}, {"name": "bob"}, {"name": ""}, {"password": ""}, {"name": "a\0"}, {"name": "gone"}]
)
def test_what_does_not_fit(session: OrmSession, app: FastAPI, said: dict[str, str]) -> None:
    """The same words whether name or password is wrong, or they are disabled or have no password."""
    person(session, password=PASSWORD)
    person(session, name="bob")
    person(session, name="gone", password=PASSWORD)
    session.execute(text("UPDATE account SET disabled_at = now() WHERE name = 'gone'"))
    session.commit()
    answer = enter(app, **said)  # type: ignore[arg-type]  # as it is typed
    assert answer.status_code == 403
    assert "Name and password do not fit together." in answer.text
    assert "set-cookie" not in answer.headers
    assert PASSWORD not in answer.text


@pytest.mark.parametrize(
    "there",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil",
        "javascript:alert(1)",
        "",
        "/\tx",
        "/\n//x",
    ],
)
def test_only_to_pages_of_ours(session: OrmSession, app: FastAPI, there: str) -> None:
    """Nobody is led elsewhere by a link to the sign-in; the form does not even carry it."""
    person(session, password=PASSWORD)
    assert enter(app, next=there).headers["location"] == "/"
    shown = asked(app, "GET", "/sign-in", params={"next": there}).text
    assert 'name="next" value="/"' in shown


def test_guessing(session: OrmSession, app: FastAPI) -> None:
    """After ten attempts at a name from one address nothing is tried, not even the right password; others go on."""
    person(session, password=PASSWORD)
    person(session, name="bob", password=PASSWORD)
    guesses = [enter(app, name=name, password="guess") for name in ["ada", "ADA ", " aDa"] * 3 + ["ada"]]
    assert {guess.status_code for guess in guesses} == {403}
    answer = enter(app)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert "too many attempts" in answer.text
    assert enter(app, headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 429
    assert enter(app, name="bob").status_code == 303


def test_many_names_from_one_address(session: OrmSession, app: FastAPI) -> None:
    """Nor does it help to guess at one name after the other."""
    app.state.sign_in_addresses = Rate(3)
    statuses = [enter(app, name=f"n{number}").status_code for number in range(4)]
    assert statuses == [403, 403, 403, 429]


def test_very_long_forms(session: OrmSession, app: FastAPI) -> None:
    """What no form of ours sends is not read to its end."""
    assert enter(app, password="x" * 70_000).status_code == 413


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
    ],
)
def test_who_counts_as_one(one: str, other: str, is_same: bool) -> None:
    """One host has a whole network of IPv6 addresses, and gets no more attempts by that."""
    counted = {neighbourhood(Request({"type": "http", "client": (address, 1)})) for address in (one, other)}
    assert (len(counted) == 1) is is_same


def test_session_begins_anew(session: OrmSession, app: FastAPI) -> None:
    """What somebody left in the browser before opens nothing afterwards, be it made up or their own session."""
    person(session, password=PASSWORD)
    planted = new_key(Prefix.SESSION)
    first = key_in(enter(app, headers={"Cookie": f"uptake={planted}"}))
    assert first != planted
    assert not is_in(app, planted)
    second = key_in(enter(app, headers={"Cookie": f"uptake={first}"}))
    assert second != first
    assert not is_in(app, first)
    assert is_in(app, second)


def test_signing_out(session: OrmSession, app: FastAPI) -> None:
    """A copy of the cookie opens nothing any more; other sessions of the same one go on; twice is the same."""
    person(session, password=PASSWORD)
    one, other = key_in(enter(app)), key_in(enter(app))
    for _ in range(2):
        answer = asked(app, "POST", "/sign-out", headers=SAME_SITE | {"Cookie": f"uptake={one}"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        assert 'uptake=""' in answer.headers["set-cookie"]
    assert not is_in(app, one)
    assert is_in(app, other)


@pytest.mark.parametrize(
    ("column", "ago", "holds"),
    [
        ("seen_at", timedelta(hours=11), True),
        ("seen_at", timedelta(hours=12), False),
        ("began_at", timedelta(days=6, hours=23), True),
        ("began_at", timedelta(days=7), False),
    ],
)
def test_sessions_end(session: OrmSession, app: FastAPI, column: str, ago: timedelta, holds: bool) -> None:
    """After half a day without a look, and after a week whatever was done; the next sign-in forgets them."""
    person(session, password=PASSWORD)
    key = key_in(enter(app))
    earlier = f"UPDATE sign_in SET {column} = clock_timestamp() - cast(:ago AS interval)"  # noqa: S608 - named above
    session.execute(text(earlier), {"ago": ago})
    session.commit()
    assert is_in(app, key) is holds
    enter(app)
    assert session.execute(text("SELECT count(*) FROM sign_in")).scalar_one() == (2 if holds else 1)


def test_disabled_in_the_midst_of_it(session: OrmSession, app: FastAPI) -> None:
    """Whoever is disabled while their password is verified begins a session that opens nothing."""
    person(session, password=PASSWORD)
    key = key_in(enter(app))
    session.execute(text("UPDATE account SET disabled_at = now()"))
    session.commit()
    assert not is_in(app, key)


def test_a_look_goes_on(session: OrmSession, app: FastAPI) -> None:
    """Each look begins the half day anew, but is not written down more than once a minute."""
    person(session, password=PASSWORD)
    key = key_in(enter(app))
    seen = "SELECT seen_at > now() - interval '1 hour', xmin::text FROM sign_in"
    session.execute(text("UPDATE sign_in SET seen_at = seen_at - interval '11 hours'"))
    session.commit()
    assert is_in(app, key)
    (is_new, first) = session.execute(text(seen)).one()
    assert is_new
    assert is_in(app, key)
    assert session.execute(text(seen)).one() == (True, first)


def test_only_digests_are_kept(session: OrmSession, app: FastAPI) -> None:
    """Who reads the database can neither go on as anybody, nor sign in, nor call."""
    account = person(session, password=PASSWORD)
    keys = [key_in(enter(app)), token(session, Scope.ADMIN), link(session, account, now=db_now(session))]
    session.commit()
    kept = "".join(str(session.execute(text(f"TABLE {name}")).all()) for name in TABLES)
    kept += "".join(str(session.scalars(text(f"SELECT hash::text FROM {name}")).all()) for name in TABLES[1:4])  # noqa: S608 - ours
    assert kept.count("\\x") >= 3
    assert not any(secret in kept for key in keys for secret in (key, key[4:68], key.encode().hex(), PASSWORD))


def test_link(session: OrmSession, app: FastAPI) -> None:
    """It signs in as whom it was made for, by a look at it; a second look leads nowhere and says how to get another."""
    key = link(session, person(session, Role.ADMIN), now=db_now(session))
    session.commit()
    assert asked(app, "HEAD", f"/sign-in/once/{key}").status_code == 405
    answer = asked(app, "GET", f"/sign-in/once/{key}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert is_in(app, key_in(answer))
    again = asked(app, "GET", f"/sign-in/once/{key}")
    assert again.status_code == 403
    assert "uptake user link" in again.text
    assert "set-cookie" not in again.headers
    assert key not in again.text


@pytest.mark.parametrize("trouble", ["old", "disabled", "cut_off", "other_kind"])
def test_links_that_lead_nowhere(session: OrmSession, app: FastAPI, trouble: str) -> None:
    """Too old, of somebody who was disabled, cut off, or a session's key in its place."""
    key = link(session, person(session, password=PASSWORD), now=db_now(session))
    if trouble == "old":
        session.execute(text("UPDATE ticket SET expires_at = clock_timestamp()"))
    elif trouble == "disabled":
        session.execute(text("UPDATE account SET disabled_at = now()"))
    elif trouble == "cut_off":
        key = key[:-1]
    else:
        key = key_in(enter(app))
    session.commit()
    answer = asked(app, "GET", f"/sign-in/once/{key}")
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


def test_ways_in(session: OrmSession, app: FastAPI) -> None:
    """The page says how to get in by what there is: nobody, nobody with a password, a form."""
    assert "uptake user add NAME --role admin" in asked(app, "GET", "/sign-in").text
    person(session)
    page = asked(app, "GET", "/sign-in").text
    assert "uptake user link NAME" in page
    assert "<form" not in page
    person(session, name="bob", password=PASSWORD)
    page = asked(app, "GET", "/sign-in").text
    assert 'type="password"' in page
    # The page must not be fetched anew while somebody types.
    assert 'http-equiv="refresh"' not in page


def test_it_is_written_down(session: OrmSession, app: FastAPI) -> None:
    """Who began a session, by what and from where; attempts that failed are for the log, or anybody could fill it."""
    person(session, password=PASSWORD)
    enter(app, password="guess")
    enter(app)
    found = session.execute(text("SELECT who, what, about, data FROM audit WHERE what <> 'account.added'")).all()
    assert [tuple(row) for row in found] == [
        ("ada", "session.began", "ada", {"by": "password", "address": "127.0.0.1"})
    ]
