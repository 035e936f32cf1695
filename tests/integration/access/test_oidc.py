"""Signing in through an identity provider: only by a proof that is fresh, for us, and for this browser."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey
from pytest_httpserver import HTTPServer
from sqlalchemy import text
from sqlalchemy.orm import Session as OrmSession

from config.settings import settings
from dashboard.app import application
from dashboard.rates import Rate
from models import Role, db_now
from models.accounts import account_named, disable
from tests.integration.access.callers import PASSWORD, TEST, asked, person
from tests.integration.access.provider_double import CLIENT, SECRET, ProviderDouble

ADA = "ada@acme.example"


class Meeting(NamedTuple):
    """The dashboard and the provider."""

    app: FastAPI
    provider: ProviderDouble
    session: OrmSession


@pytest.fixture
def meeting(
    session: OrmSession, database_url: str, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Meeting]:
    """Both, with roles by the claim `groups`."""
    provider = ProviderDouble.serving(httpserver, int(db_now(session).timestamp()))
    monkeypatch.setenv("UPTAKE_OIDC_ISSUER", provider.issuer)
    monkeypatch.setenv("UPTAKE_OIDC_CLIENT_ID", CLIENT)
    monkeypatch.setenv("UPTAKE_OIDC_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("UPTAKE_OIDC_ROLES", "groups: ops=operator platform=admin")
    settings.cache_clear()
    app = application(database_url)
    yield Meeting(app, provider, session)
    app.state.provider.close()
    monkeypatch.undo()
    settings.cache_clear()


class Way(NamedTuple):
    """Half of a sign-in: the cookie that the browser got, and where the provider sends it back to."""

    cookie: dict[str, str]
    back: str


def there(meeting: Meeting, *, next: str = "/") -> Way:  # noqa: A002 - as the address says
    """Go to the provider, which says yes."""
    begun = asked(meeting.app, "GET", "/sign-in/oidc", params={"next": next})
    assert begun.status_code == 303, begun.text
    found = re.search(r"(uptake-way=upw_[0-9a-f]{72});", begun.headers["set-cookie"])
    assert found
    answer = httpx.get(begun.headers["location"])
    assert answer.status_code == 302
    return Way({"Cookie": found[1]}, answer.headers["location"].removeprefix("http://dashboard"))


def back(meeting: Meeting, way: Way, **headers: str) -> httpx.Response:
    """Come back from there."""
    return asked(meeting.app, "GET", way.back, headers=way.cookie | headers)


def is_refused(meeting: Meeting, answer: httpx.Response) -> bool:
    """Whether nobody was let in, and no account was made."""
    nobody = meeting.session.execute(text("SELECT count(*) FROM sign_in")).scalar_one() == 0
    return answer.status_code in {403, 502} and "uptake=ups_" not in str(answer.headers) and nobody


def test_first_sign_in(meeting: Meeting) -> None:
    """Whom the provider proves gets an account with the role of their claim, and goes where they wanted to."""
    answer = back(meeting, there(meeting, next="/apps/acme:4711"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/apps/acme:4711")
    key = re.search(r"uptake=(ups_\w+)", str(answer.headers.get_list("set-cookie")))
    assert key
    page = asked(meeting.app, "GET", "/", headers={"Cookie": f"uptake={key[1]}"})
    assert f"<bdi>{ADA}</bdi>" in page.text
    account = account_named(meeting.session, ADA)
    assert account
    assert (account.role, account.subject) == (Role.OPERATOR, f"{meeting.provider.issuer} 248289761001")
    (request,) = meeting.provider.asked
    assert request["redirect_uri"] == "http://dashboard/sign-in/oidc/back"
    assert request["scope"] == "openid email profile groups"


def test_the_role_of_now(meeting: Meeting) -> None:
    """Each sign-in gives the role of that day's claims, or none; the subject is who it is, whatever they are called."""
    back(meeting, there(meeting))
    meeting.provider.claims = {"groups": ["platform"], "email": "ada.lane@acme.example"}
    assert back(meeting, there(meeting)).status_code == 303
    rows = meeting.session.execute(text("SELECT name, role FROM account")).all()
    assert [tuple(row) for row in rows] == [(ADA, "admin")]
    meeting.session.execute(text("DELETE FROM sign_in"))
    meeting.session.commit()
    meeting.provider.claims = {"groups": ["sales"]}
    answer = back(meeting, there(meeting))
    assert is_refused(meeting, answer)
    assert "no role here" in answer.text


def test_replayed(meeting: Meeting) -> None:
    """An answer that was used begins no second session, not even in the same browser."""
    way = there(meeting)
    assert back(meeting, way).status_code == 303
    meeting.session.execute(text("DELETE FROM sign_in"))
    meeting.session.commit()
    answer = back(meeting, way)
    assert is_refused(meeting, answer)
    # By us: the provider is not even asked, which may be less strict.
    assert "is over already" in answer.text


def test_other_browser(meeting: Meeting) -> None:
    """A code that another browser was given signs nobody in, without its cookie or with one's own."""
    mine, other = there(meeting), there(meeting)
    assert is_refused(meeting, back(meeting, Way({}, mine.back)))
    answer = back(meeting, Way(other.cookie, mine.back))
    assert is_refused(meeting, answer)
    # By its state, before the provider is asked.
    assert answer.status_code == 403
    # Nor the code alone, with the state of one's own.
    code = re.search("code=([^&]+)", there(meeting).back)
    victim = there(meeting)
    assert code
    mixed = re.sub("code=[^&]+", f"code={code[1]}", victim.back)
    assert is_refused(meeting, back(meeting, Way(victim.cookie, mixed)))


def test_too_late(meeting: Meeting) -> None:
    """Ten minutes are enough to say who one is."""
    way = there(meeting)
    meeting.session.execute(text("UPDATE ticket SET expires_at = clock_timestamp()"))
    meeting.session.commit()
    answer = back(meeting, way)
    assert is_refused(meeting, answer)
    assert "too long ago" in answer.text


LATE, FUTURE = -timedelta(hours=1).total_seconds(), timedelta(hours=1).total_seconds()


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"iss": "https://evil.example"}, id="iss"),
        pytest.param({"iss": None}, id="no_iss"),
        pytest.param({"aud": "other"}, id="aud"),
        pytest.param({"aud": None}, id="no_aud"),
        pytest.param({"aud": []}, id="empty_aud"),
        pytest.param({"aud": [CLIENT, "other"]}, id="several_aud_without_azp"),
        pytest.param({"azp": "other"}, id="azp"),
        pytest.param({"nonce": "other"}, id="nonce"),
        pytest.param({"nonce": None}, id="no_nonce"),
        pytest.param({"exp": LATE}, id="expired"),
        pytest.param({"exp": None}, id="no_exp"),
        pytest.param({"iat": FUTURE}, id="issued_in_the_future"),
        pytest.param({"nbf": FUTURE}, id="not_yet"),
        pytest.param({"sub": None}, id="no_sub"),
        pytest.param({"sub": 7}, id="sub_is_no_text"),
    ],
)
def test_claims(meeting: Meeting, claims: dict[str, object]) -> None:
    """A proof that is not for us, not for this sign-in, or not of now is none; the log says which claim."""
    times = {name: int(meeting.provider.now + claims[name]) for name in ("exp", "iat", "nbf") if claims.get(name)}  # type: ignore[operator]  # seconds
    meeting.provider.claims = claims | times
    assert is_refused(meeting, back(meeting, there(meeting)))


@pytest.mark.parametrize("forgery", ["none", "hmac", "other_key", "no_signature", "other_claims", "no_token"])
def test_signatures(meeting: Meeting, forgery: str) -> None:
    """Unsigned, by a secret that everybody knows, by a key that is not published, or changed afterwards."""
    provider = meeting.provider
    stranger = ECKey.generate_key("P-256", {"kid": "1"})

    def sign(claims: dict[str, object]) -> str:
        proper = jwt.encode({"alg": "ES256", "kid": "1"}, claims, provider.key)
        head, body, tail = proper.split(".")
        changed = jwt.encode({"alg": "ES256", "kid": "1"}, claims | {"groups": ["platform"]}, provider.key)
        return {
            "none": provider.unsigned(claims),
            "hmac": provider.by_public_key(claims),
            "other_key": jwt.encode({"alg": "ES256", "kid": "1"}, claims, stranger),
            "no_signature": f"{head}.{body}.",
            "other_claims": f"{head}.{changed.split('.')[1]}.{tail}",
            "no_token": "x",
        }[forgery]

    provider.sign = sign
    assert is_refused(meeting, back(meeting, there(meeting)))


def test_the_proper_one_passes_each_of_these(meeting: Meeting) -> None:
    """What the forgeries were made of is let in, also for several audiences with us as the one it was made for."""
    meeting.provider.claims = {"aud": [CLIENT, "other"], "azp": CLIENT}
    assert back(meeting, there(meeting)).status_code == 303


def test_new_keys(meeting: Meeting) -> None:
    """A key that is new is looked for once a minute at most: not for every forger."""
    assert back(meeting, there(meeting)).status_code == 303
    meeting.provider.turn_key("2")
    assert back(meeting, there(meeting)).status_code == 502
    meeting.app.state.provider._keys = (meeting.app.state.provider._keys[0] - 61, meeting.app.state.provider._keys[1])
    assert back(meeting, there(meeting)).status_code == 303
    assert meeting.provider.fetched == ["configuration", "keys", "keys"]


@pytest.mark.parametrize(
    "published",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "ftp://127.0.0.1/token"},
        {"jwks_uri": None},
    ],
)
def test_another_provider(meeting: Meeting, published: dict[str, object]) -> None:
    """What does not call itself as the settings do, or sends us elsewhere, is not asked; nobody is sent there."""
    meeting.provider.published = published
    answer = asked(meeting.app, "GET", "/sign-in/oidc")
    assert answer.status_code == 502
    assert "set-cookie" not in answer.headers
    assert "could not be asked" in answer.text


def test_it_says_no(meeting: Meeting) -> None:
    """Who changes their mind there is told so here; what comes with it is no markup."""
    way = there(meeting)
    state = re.search("state=([^&]+)", way.back)
    assert state
    refused = f"/sign-in/oidc/back?error=access_denied&error_description=<b>no</b>&state={state[1]}"
    answer = back(meeting, Way(way.cookie, refused))
    assert is_refused(meeting, answer)
    assert "did not sign you in" in answer.text
    assert "<b>no" not in answer.text


@pytest.mark.parametrize("trouble", ["password", "other_subject", "disabled"])
def test_somebody_elses_account(meeting: Meeting, trouble: str) -> None:
    """An account with a password, of another subject, or disabled, is nobody's to take by having its name."""
    if trouble == "password":
        person(meeting.session, Role.ADMIN, name=ADA, password=PASSWORD)
    elif trouble == "other_subject":
        person(meeting.session, Role.ADMIN, name=ADA, subject="https://id.example 1")
    else:
        back(meeting, there(meeting))
        person(meeting.session, Role.ADMIN, name="bob")
        disable(meeting.session, ADA, actor=TEST, now=db_now(meeting.session))
        meeting.session.commit()
    answer = back(meeting, there(meeting))
    assert is_refused(meeting, answer)
    assert ("is disabled" if trouble == "disabled" else "Another account has your name") in answer.text


@pytest.mark.parametrize(
    ("claims", "is_in"),
    [
        ({}, True),
        ({"email_verified": None}, False),
        ({"email_verified": "true"}, False),
        ({"email": "eve@acme.example"}, False),
        ({"email": None, "preferred_username": ADA}, False),
    ],
)
def test_invited(meeting: Meeting, monkeypatch: pytest.MonkeyPatch, claims: dict[str, object], is_in: bool) -> None:
    """Without roles by a claim, an account must wait for them, by an address that the provider has verified."""
    monkeypatch.delenv("UPTAKE_OIDC_ROLES")
    settings.cache_clear()
    person(meeting.session, Role.ADMIN, name=ADA)
    meeting.provider.claims = claims
    answer = back(meeting, there(meeting))
    assert (answer.status_code == 303) is is_in
    if not is_in:
        assert is_refused(meeting, answer)
        assert "No account waits for you" in answer.text


def test_the_button(meeting: Meeting) -> None:
    """The page leads there, with where one wanted to go; nothing of the provider's is fetched for that."""
    page = asked(meeting.app, "GET", "/sign-in", params={"next": "/apps/acme:1"}).text
    assert 'href="/sign-in/oidc?next=/apps/acme%3A1"' in page
    assert "Sign in with localhost" in page
    assert meeting.provider.fetched == []


def test_too_many_ways(meeting: Meeting) -> None:
    """Nobody fills the database, or has the provider asked, by going there again and again."""
    meeting.app.state.sign_in_addresses = Rate(3)
    answers = [asked(meeting.app, "GET", "/sign-in/oidc") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [303, 303, 303, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_no_provider(session: OrmSession, database_url: str) -> None:
    """Where none is set up, both ways say so."""
    for path in ("/sign-in/oidc", "/sign-in/oidc/back"):
        assert asked(database_url, "GET", path).status_code == 404
