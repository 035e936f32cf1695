"""`uptake user`, `token` and `audit`, as somebody types them."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session as OrmSession

from models import db_now
from models.audit import Actor, audited
from models.base import engine_for
from models.queries.accounts import audit_chain
from tests.integration.access.conftest import Rows, Typed
from worker.first_link import first_link

PASSWORD = "correct horse battery"
TOKEN = re.compile(r"upt_[0-9a-f]{72}")
ADA = ("user", "add", "Ada@Acme.example", "--role", "admin", "--by", "root")


def data(typed: Typed, *arguments: str, told: str = "") -> Any:
    """What a command answers with --json."""
    done = typed(*arguments, "--json", told=told)
    assert done.returncode == 0, done
    return json.loads(done.stdout)["data"]


def refused(typed: Typed, *arguments: str, told: str = "", said: str) -> None:
    """The command ends with 2 and a sentence."""
    done = typed(*arguments, told=told)
    assert (done.returncode, said in done.stderr) == (2, True), done
    assert done.stderr.startswith("uptake: ")


def test_accounts(typed: Typed, rows: Rows) -> None:
    """Somebody is added, listed, changed, disabled and enabled; the last admin stays one."""
    done = typed(*ADA, "--password-stdin", told=f"{PASSWORD}\n")
    assert (done.returncode, done.stdout) == (0, "ada@acme.example can sign in as admin.\n"), done
    refused(typed, *ADA, "--no-password", said="has an account already")
    (ada,) = data(typed, "user", "list")
    assert (ada["name"], ada["role"], ada["has_password"], ada["sources"]) == ("ada@acme.example", "admin", True, None)
    refused(typed, "user", "disable", "ada@acme.example", said="last admin")
    refused(typed, "user", "role", "ada@acme.example", "--role", "viewer", said="last admin")
    assert data(typed, "user", "add", "bob", "--role", "admin", "--no-password")["name"] == "bob"
    typed("user", "role", "ada@acme.example", "--role", "operator", "--source", "acme")
    assert data(typed, "user", "list")[0]["sources"] == ["acme"]
    assert typed("user", "disable", "ada@acme.example").returncode == 0
    assert "operator" in typed("user", "list").stdout
    assert data(typed, "user", "list")[0]["disabled_at"]
    refused(typed, "user", "link", "ada@acme.example", said="is disabled")
    typed("user", "enable", "ada@acme.example")
    assert data(typed, "user", "list")[0]["disabled_at"] is None
    refused(typed, "user", "enable", "carl", said="Nobody is called carl")
    assert rows("SELECT password_hash LIKE '$argon2id$%' FROM account WHERE name LIKE 'ada%'") == [(True,)]


@pytest.mark.parametrize(
    ("arguments", "told", "said"),
    [
        (("user", "add", "ada", "--role", "viewer"), "", "--password-stdin"),
        (("user", "add", "ada", "--role", "viewer", "--password-stdin"), "short\n", "12 characters"),
        (("user", "add", "ada lane", "--role", "viewer", "--no-password"), "", "no spaces"),
        (("user", "password", "ada", "--password-stdin"), PASSWORD, "Nobody is called ada"),
        (("token", "revoke", "ci"), "", "no token ci"),
        (("token", "make", "a\nb", "--scope", "read"), "", "can be seen"),
        (("token", "make", "ci", "--scope", "read", "--expires", "soon"), "", "is not a duration"),
        (("token", "make", "ci", "--scope", "read", "--expires", "0d"), "", "is too short"),
    ],
)
def test_mistakes(typed: Typed, arguments: tuple[str, ...], told: str, said: str) -> None:
    """Each says what to do instead, and nothing is done."""
    done = typed(*arguments, told=told)
    assert (done.returncode, said in done.stderr) == (2, True), done
    assert "Traceback" not in done.stderr
    assert data(typed, "audit") == []


def test_unknown_source(typed: Typed, rows: Rows) -> None:
    """A mistyped source would be a permission to see nothing."""
    rows("INSERT INTO source (name, kind, next_poll_at) VALUES ('acme', 'portal', now()) RETURNING 1")
    refused(typed, "token", "make", "ci", "--scope", "read", "--source", "acne", said="There is no source acne")
    assert typed("token", "make", "ci", "--scope", "read", "--source", "acme").returncode == 0


def test_tokens(typed: Typed, rows: Rows) -> None:
    """A token is told once, known to scanners by its looks, and not in the database; its name is free once revoked."""
    done = typed("token", "make", "ci", "--scope", "read", "--expires", "90d", "--by", "root")
    assert done.returncode == 0, done
    assert TOKEN.fullmatch(done.stdout.strip())
    assert "cannot be shown again" in done.stderr
    refused(typed, "token", "make", "ci", "--scope", "admin", said="a token ci already")
    (ci,) = data(typed, "token", "list")
    assert (ci["name"], ci["scope"], ci["created_by"], ci["last_used_at"]) == ("ci", "read", "root", None)
    assert ci["expires_at"] > ci["created_at"]
    stored = str(rows("SELECT t::text FROM token t") + rows("SELECT a::text FROM audit a"))
    assert done.stdout.strip()[4:] not in stored + typed("token", "list").stdout
    assert typed("token", "revoke", "ci").returncode == 0
    assert data(typed, "token", "list") == []
    assert len(data(typed, "token", "list", "--all")) == 1
    assert TOKEN.fullmatch(data(typed, "token", "make", "ci", "--scope", "operate")["token"])


def test_audit(typed: Typed, rows: Rows) -> None:
    """Who did what, when and about what; PostgreSQL lets nobody rewrite it, not even who owns the table."""
    typed(*ADA, "--no-password")
    typed("token", "make", "ci", "--scope", "read", "--by", "bob")
    typed("token", "revoke", "ci", "--by", "root")
    told = [(one["who"], one["by_way_of"], one["what"], one["about"]) for one in data(typed, "audit")]
    assert told == [
        ("root", "cli", "token.revoked", "ci"),
        ("bob", "cli", "token.made", "ci"),
        ("root", "cli", "account.added", "ada@acme.example"),
    ]
    assert [one["who"] for one in data(typed, "audit", "--about", "ci", "--who", "bob")] == ["bob"]
    assert "token.revoked" in typed("audit", "--most", "1").stdout
    for sin in ("UPDATE audit SET who = 'bob'", "DELETE FROM audit", "TRUNCATE audit"):
        with pytest.raises(DBAPIError, match="only grows"):
            rows(sin)


def test_edited_trail(typed: Typed, rows: Rows) -> None:
    """Who takes the guard away and edits an entry, or removes one, is found by `uptake doctor audit`."""
    for name in ("ada", "bob", "carl"):
        typed("user", "add", name, "--role", "admin", "--no-password", "--by", "root")
    assert "3 entries, each as it was written" in typed("doctor", "audit").stdout
    rows("ALTER TABLE audit DISABLE TRIGGER only_grows")
    for sin, mended, broken in (
        ("who = 'eve' WHERE id = 2", "who = 'root' WHERE id = 2", 2),
        ("at = at + interval '1 s' WHERE id = 3", "at = at - interval '1 s' WHERE id = 3", 3),
    ):
        rows(f"UPDATE audit SET {sin}")  # noqa: S608 - ours
        done = typed("doctor", "audit")
        assert (done.returncode, f"entry {broken} is not" in done.stdout) == (1, True), done
        rows(f"UPDATE audit SET {mended}")  # noqa: S608 - ours
        assert typed("doctor", "audit").returncode == 0
    rows("DELETE FROM audit WHERE id = 1")
    assert "entry 2 is not" in typed("doctor", "audit").stdout


def test_entries_at_the_same_time(own_database: str) -> None:
    """Those who write something down at once are put one after the other, and the chain holds."""
    engine = engine_for(own_database)

    def write(number: int) -> None:
        with OrmSession(engine) as session, session.begin():
            audited(session, Actor("ada", "api"), "thing.done", str(number), now=db_now(session), number=number)

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(write, range(30)))
    with OrmSession(engine) as session:
        assert audit_chain(session) == (30, None)
    engine.dispose()


def test_link_of_who_starts_it(typed: Typed, own_database: str) -> None:
    """`uptake up` makes an admin the first time, a link every time, and none for an admin whom somebody disabled."""
    links = [first_link(own_database) for _ in range(2)]
    assert len(set(links)) == 2
    assert all(re.fullmatch(r"http://127.0.0.1:8000/sign-in/once/upl_[0-9a-f]{72}", str(link)) for link in links)
    assert [(one["name"], one["role"]) for one in data(typed, "user", "list")] == [("admin", "admin")]
    assert data(typed, "user", "link", "admin")["url"].startswith("http://127.0.0.1:8000/sign-in/once/upl_")
    typed("user", "add", "ada", "--role", "admin", "--no-password")
    typed("user", "disable", "admin")
    assert first_link(own_database) is None
