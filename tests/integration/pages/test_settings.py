"""The settings: what is shown to whom, what can be done there, and that all of it is in the audit trail."""

import re
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session as OrmSession

from models import Role, Scope, db_now
from models.accounts import account_named
from models.sessions import begin, visitor_of
from models.stopped import stop, stopped
from models.tokens import holder_of
from tasks.rules import rules
from tests.integration.access.callers import PASSWORD, asked, bearer, person, token
from tests.integration.models.world import World
from tests.integration.pages.browser import Browser, words
from tests.integration.tasks.conftest import chosen as chosen  # noqa: PLC0414 - a fixture of that folder, for this too

FILE = """
[policy]
receivers = ["ops"]
reminders = "tenants"
settle = "2h"
grace = { blocking = "3d" }

[[policy.override]]
app = "9"
remind_cap = 7

[[receiver]]
name = "ops"
kind = "file"
folder = "outbox"
from = "uptake@acme.example"
to = ["ops@acme.example"]

[[receiver]]
name = "tenants"
kind = "email"
url = "smtp://localhost:9"
from = "uptake@acme.example"

[[receiver]]
name = "chat"
kind = "slack"
url = "env:CHAT_URL"

[[route]]
kinds = ["poll_failing"]
receivers = ["chat"]

[[exemption]]
tenant = "10042"
until = 2027-01-31
reason = "moves <b>house</b>"
"""
SECRET = "http://127.0.0.1:9/s3cr3t"


@pytest.fixture(autouse=True)
def file(chosen: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An uptake.toml with a little of everything."""
    monkeypatch.setenv("CHAT_URL", SECRET)
    chosen.write_text(FILE)
    rules.cache_clear()
    return chosen


def trail(session: OrmSession) -> list[tuple[str, str, str]]:
    """Who did what about what, in order; not the sign-ins of tests."""
    query = text("SELECT who, what, about FROM audit WHERE who <> 'test' ORDER BY id")
    return [tuple(row) for row in session.execute(query)]


def secret_of(page: str) -> str:
    """What a page shows once."""
    (found,) = re.findall(r'<pre id="secret"[^>]*>([^<]*)</pre>', page)
    return unescape(found)


def test_rules(session: OrmSession, database_url: str, file: Path) -> None:
    """Every value says whether a line of the file made it; what is in the file is text."""
    page = Browser(session, database_url, Role.VIEWER).opens("/settings")
    said = words(page)
    assert "settle 2 hours a new version is left alone so long: a fix may follow line 5" in said
    assert "grace.blocking 3 days so long may a tenant lack scopes before an alert fires line 6" in said
    assert re.search(r"grace.trimming 60 days [a-z ]+ default", said)
    assert "app 9 remind_cap 7 line 8" in said
    assert "poll failing" in said
    assert "&lt;b&gt;house" in page
    assert 'nothing goes to "chat"' not in said
    file.write_text(FILE.replace("2h", "3h"))
    assert "was changed since" in words(Browser(session, database_url, name="bob").opens("/settings"))
    file.write_text("[policy]\nsettel = 1\n")
    assert "settel" in words(Browser(session, database_url, name="cy").opens("/settings"))
    assert "settel" not in Browser(session, database_url, name="dee", sources=["acme"]).opens("/settings")
    rules.cache_clear()
    assert "cannot use" in Browser(session, database_url, name="eve").opens("/settings")
    assert "cannot use" in Browser(session, database_url, name="fay").opens("/settings/receivers")


def test_rules_of_others(session: OrmSession, database_url: str) -> None:
    """Whom a rule without a source names is told to who sees all sources, and to nobody else."""
    limited = Browser(session, database_url, Role.ADMIN, sources=["acme"])
    assert "10042" not in limited.opens("/settings")
    assert "10042" in Browser(session, database_url, name="bob").opens("/settings")


def test_receivers_hide_secrets(world: World, database_url: str) -> None:
    """An address is told by its host, and those of people to who may send to them."""
    viewer = Browser(world.session, database_url, Role.VIEWER).opens("/settings/receivers")
    assert "127.0.0.1" in viewer
    assert "s3cr3t" not in viewer
    assert "ops@acme.example" not in viewer
    assert "Send a test" not in viewer
    assert "ops@acme.example" in Browser(world.session, database_url, Role.OPERATOR, name="bob").opens(
        "/settings/receivers"
    )


def test_try_a_receiver(session: OrmSession, database_url: str, file: Path) -> None:
    """A test goes out, its answer is told, what waited goes on; a refusal is told and no secret with it."""
    operator = Browser(session, database_url, Role.OPERATOR)
    now = db_now(session)
    stop(session, "ops", reason="gone", now=now)
    stop(session, "chat", reason="gone", now=now)
    session.commit()
    assert "cannot be used" in operator.opens("/settings/receivers")
    sent = operator.sends("/settings/receivers", receiver="ops")
    assert "Sent to ops@acme.example" in words(sent.text)
    (letter,) = (file.parent / "outbox").iterdir()
    assert "This is a test message" in letter.read_text()
    refused = operator.sends("/settings/receivers", receiver="chat")
    assert "Refused by chat" in words(refused.text)
    assert "s3cr3t" not in refused.text
    assert [one.name for one in stopped(session)] == ["chat"]
    assert "no address of its own" in operator.sends("/settings/receivers", receiver="tenants").text
    assert operator.sends("/settings/receivers", receiver="chta").status_code == 404
    tested = ("ada", "receiver.tested")
    assert trail(session) == [(*tested, "receiver ops"), (*tested, "receiver chat"), (*tested, "receiver tenants")]


def test_let_somebody_in(session: OrmSession, database_url: str) -> None:
    """An account without a password and its link, which is shown once and holds once."""
    admin = Browser(session, database_url)
    page = admin.sends("/settings/people", name="Bob@Acme.example", role="operator").text
    url = secret_of(page)
    assert "hx-get" not in page
    assert url.startswith("http://dashboard/sign-in/once/")
    assert asked(database_url, "GET", url.removeprefix("http://dashboard")).status_code == 303
    account = account_named(session, "bob@acme.example")
    assert account
    assert (account.role, account.password_hash, account.sources) == (Role.OPERATOR, None, None)
    assert "bob@acme.example" in admin.opens("/settings/people")
    assert "once/" not in admin.opens("/settings/people")
    taken = admin.sends("/settings/people", name="bob@acme.example", role="admin")
    assert (taken.status_code, "has an account already" in taken.text) == (422, True)
    spaced = admin.sends("/settings/people", name="bob bobson", role="admin")
    assert (spaced.status_code, "A name is a word" in spaced.text) == (422, True)
    strange = admin.sends("/settings/people", name="zoe", role="viewer", source="acne")
    assert strange.status_code == (422 if session.scalar(text("SELECT count(*) FROM source")) else 200)
    assert [row for row in trail(session) if row[0] == "ada"][:2] == [
        ("ada", "account.added", "bob@acme.example"),
        ("ada", "link.made", "bob@acme.example"),
    ]


def test_change_somebody(world: World, database_url: str) -> None:
    """Role, sources, in and out; never the last admin, and nobody who is not there."""
    session = world.session
    admin = Browser(session, database_url)
    person(session, name="bob")
    assert admin.sends("/settings/people/role", name="bob", role="operator", source="acme").status_code == 303
    account = account_named(session, "bob")
    assert account
    session.refresh(account)
    assert (account.role, account.sources) == (Role.OPERATOR, ["acme"])
    assert admin.sends("/settings/people/role", name="bob", role="operator", source="acne").status_code == 422
    assert admin.sends("/settings/people/state", name="bob", to="disabled").status_code == 303
    assert "disabled: enable them first" in admin.sends("/settings/people/link", name="bob").text
    assert admin.sends("/settings/people/state", name="bob", to="enabled").status_code == 303
    assert "/sign-in/once/" in secret_of(admin.sends("/settings/people/link", name="bob").text)
    assert "the last admin" in admin.sends("/settings/people/role", name="ada", role="viewer").text
    assert "the last admin" in admin.sends("/settings/people/state", name="ada", to="disabled").text
    for path, form in (("role", {"role": "viewer"}), ("state", {"to": "enabled"}), ("link", {})):
        assert admin.sends(f"/settings/people/{path}", name="nobody", **form).status_code == 404
    done = [what for who, what, _ in trail(session) if who == "ada"]
    assert done == ["account.role_changed", "account.disabled", "account.enabled", "link.made"]


def test_tokens(world: World, database_url: str) -> None:
    """A token is made, shown once, listed without what it holds, and revoked."""
    session = world.session
    admin = Browser(session, database_url)
    page = admin.sends("/settings/tokens", name="ci", scope="operate", days="30", source="acme").text
    key = secret_of(page)
    holder = holder_of(session, key, now=db_now(session))
    assert holder
    assert (holder.name, holder.scope, holder.sources) == ("ci", Scope.OPERATE, ["acme"])
    assert holder_of(session, key, now=db_now(session) + timedelta(days=31)) is None
    listed = admin.opens("/settings/tokens")
    assert "ci" in listed
    assert key not in listed
    assert "a token ci already" in admin.sends("/settings/tokens", name="ci", scope="read").text
    assert "a few words" in admin.sends("/settings/tokens", name="  ", scope="read").text
    assert admin.sends("/settings/tokens", name="x", scope="read", source="acne").status_code == 422
    assert admin.sends("/settings/tokens/revoke", name="ci").status_code == 303
    assert holder_of(session, key, now=db_now(session)) is None
    assert admin.sends("/settings/tokens/revoke", name="ci").status_code == 404
    assert "There is none" in admin.opens("/settings/tokens")
    assert "revoked" in admin.opens("/settings/tokens?revoked=true")
    assert [what for who, what, _ in trail(session) if who == "ada"] == ["token.made", "token.revoked"]


def test_trail(session: OrmSession, database_url: str) -> None:
    """Everything that was done, by who did it or about what, in pages of which none repeats an entry."""
    admin = Browser(session, database_url)
    for number in range(103):
        token(session, name=f"t{number}")
    first = admin.opens("/settings/audit")
    assert len(re.findall("token made", first)) == 100
    (older,) = re.findall(r'href="([^"]*after=[^"]*)"', first)
    rest = admin.opens(unescape(older))
    assert sorted(set(re.findall(r"<bdi>(t\d+)</bdi>", first + rest))) == sorted(f"t{one}" for one in range(103))
    assert words(admin.opens("/settings/audit?about=t7")).count("token made") == 1
    assert "Nothing was done" in admin.opens("/settings/audit?who=%00nobody")


def test_own_account(session: OrmSession, database_url: str) -> None:
    """One's sessions elsewhere end, and not this one; another password takes the present one."""
    mine = Browser(session, database_url, Role.VIEWER, password=PASSWORD)
    account = account_named(session, "ada")
    assert account
    elsewhere = begin(session, account.id, now=db_now(session))
    session.commit()
    assert "Sign out everywhere else" in mine.opens("/settings/account")
    assert mine.sends("/settings/account/sessions").status_code == 303
    assert visitor_of(session, elsewhere, now=db_now(session)) is None
    assert "Sign out everywhere else" not in mine.opens("/settings/account")
    new = "another correct battery"
    for present, first, second, said in (
        ("wrong horse battery", new, new, "is another one"),
        (PASSWORD, new, new + "!", "are not the same"),
        (PASSWORD, "short", "short", "12 characters"),
    ):
        answer = mine.sends("/settings/account", present=present, new=first, again=second)
        assert (answer.status_code, said in answer.text) == (422, True), answer.text
    elsewhere = begin(session, account.id, now=db_now(session))
    changed = mine.sends("/settings/account", present=PASSWORD, new=new, again=new)
    assert changed.status_code == 303
    assert visitor_of(session, elsewhere, now=db_now(session)) is None
    mine.headers["Cookie"] = changed.headers["set-cookie"].partition(";")[0]
    assert "The password is changed" in mine.opens("/settings/account?said=password")
    assert [what for who, what, _ in trail(session) if who == "ada"] == ["sessions.ended", "account.password_changed"]


def test_accounts_without_a_password(session: OrmSession, database_url: str) -> None:
    """Who has no password is not asked for one; a program has no account at all."""
    assert "Another password" not in Browser(session, database_url).opens("/settings/account")
    headers = bearer(session)
    assert "there is no account" in asked(database_url, "GET", "/settings/account", headers=headers).text
    assert asked(database_url, "POST", "/settings/account/sessions", headers=headers).status_code == 409


FORMS = (
    ("people", {"name": "zoe", "role": "admin"}),
    ("people/role", {"name": "ada", "role": "admin"}),
    ("people/state", {"name": "ada", "to": "disabled"}),
    ("people/link", {"name": "ada"}),
    ("tokens", {"name": "x", "scope": "admin"}),
    ("tokens/revoke", {"name": "test"}),
    ("receivers", {"receiver": "log"}),
)


@pytest.mark.parametrize(
    ("role", "sources"), [(Role.VIEWER, None), (Role.OPERATOR, None), (Role.ADMIN, ["acme"])], ids=str
)
def test_nobody_gives_more_than_they_have(
    session: OrmSession, database_url: str, role: Role, sources: list[str] | None
) -> None:
    """Who is no admin, or one of some sources only, sees no people, tokens or trail, and changes none."""
    caller = Browser(session, database_url, role, name="mallory", sources=sources)
    person(session, Role.ADMIN, name="root")
    for path in ("people", "tokens", "audit"):
        caller.opens(f"/settings/{path}", 403)
        assert f"/settings/{path}" not in caller.opens("/settings")
    may_try = role is Role.OPERATOR
    for path, form in FORMS:
        expected = 200 if may_try and path == "receivers" else 403
        assert caller.sends(f"/settings/{path}", **form).status_code == expected, path
    assert [what for who, what, _ in trail(session) if who == "mallory"] == ["receiver.tested"] * may_try


def test_the_same_for_programs(session: OrmSession, database_url: str) -> None:
    """An admin's token lists accounts, tokens and the trail, also as CSV; no other does."""
    root = bearer(session, Scope.ADMIN, name="root")
    others = [
        bearer(session, Scope.OPERATE, name="ops"),
        bearer(session, Scope.ADMIN, name="some", sources=["acme"]),
    ]
    person(session, name="bob")
    for path, first in (("accounts", "bob"), ("tokens", "ops"), ("audit", "bob")):
        answer = asked(database_url, "GET", f"/api/v1/{path}?limit=1", headers=root)
        assert first in answer.json()["data"][0].values(), path
        table = asked(database_url, "GET", f"/api/v1/{path}.csv", headers=root)
        assert first in table.text
        for other in others:
            assert asked(database_url, "GET", f"/api/v1/{path}", headers=other).status_code == 403
            assert asked(database_url, "GET", f"/api/v1/{path}.csv", headers=other).status_code == 403
    page = asked(database_url, "GET", "/api/v1/tokens?limit=1", headers=root).json()
    rest = asked(database_url, "GET", f"/api/v1/tokens?cursor={page['next']}", headers=root).json()
    assert [one["name"] for one in page["data"] + rest["data"]] == ["ops", "root", "some"]
    entries = asked(database_url, "GET", "/api/v1/audit?about=ops", headers=root).json()["data"]
    assert [one["what"] for one in entries] == ["token.made"]
