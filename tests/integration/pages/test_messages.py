"""The pages about messages: what was sent to whom, one of them whole, once more, and what would come next."""

import re
from html import unescape

import pytest
from sqlalchemy import text

from models import Role, db_now
from models.stopped import stop, tell_elsewhere
from tests.integration.access.callers import asked
from tests.integration.models.world import World
from tests.integration.pages.browser import Browser, words
from tests.integration.tasks.conftest import chosen as chosen  # noqa: PLC0414 - a fixture of that folder, for this too
from tests.integration.tasks.test_api_messages import app as app  # noqa: PLC0414 - as above
from tests.integration.tasks.test_remind import lagging as lagging  # noqa: PLC0414 - as above

pytestmark = pytest.mark.usefixtures("app")


def ids(page: str) -> list[int]:
    """The messages that a list leads to."""
    return [int(one) for one in re.findall(r'href="/messages/(\d+)"', page)]


def one(world: World, where: str) -> int:
    """The id of the one message of which that is true."""
    ((found,),) = world.rows(f"SELECT id FROM notice WHERE {where}")  # noqa: S608 - the tests' own words
    return int(found)


def test_list(lagging: World, database_url: str) -> None:
    """The newest first, by kind, state, receiver, app and tenant; the CSV is asked for the same."""
    operator = Browser(lagging.session, database_url, Role.OPERATOR)
    everything = ids(operator.opens("/messages"))
    assert everything == sorted(everything, reverse=True)
    assert len(everything) == lagging.rows("SELECT count(*) FROM notice")[0][0]
    reminders = ids(operator.opens("/messages?kind=reminder"))
    assert reminders
    assert set(reminders) < set(everything)
    assert ids(operator.opens("/messages?kind=other&state=failed")) == [one(lagging, "key = 'capped:x'")]
    assert ids(operator.opens("/messages?receiver=nobody")) == []
    assert ids(operator.opens("/messages?tenant=3&kind=nonsense")) == [one(lagging, "\"to\" = 'c@b.example'")]
    assert "/api/v1/notices.csv?kind=reminder" in operator.opens("/messages?kind=reminder&after=")
    assert "There is no such app" in operator.opens("/messages?app=acme:1")
    assert "none of this list" in operator.opens("/messages?after=x")


def test_pages_of_the_list(lagging: World, database_url: str) -> None:
    """From page to page every message is there once."""
    lagging.session.execute(
        text("""INSERT INTO notice (key, receiver, "to", reason, subject, body, state, created_at, due_at)
                SELECT 'n' || n, 'ops', 'ops', 'capped', 'More', '', 'sent', now(), now()
                FROM generate_series(1, 70) n""")
    )
    operator = Browser(lagging.session, database_url, Role.OPERATOR)
    first = operator.opens("/messages?kind=other")
    (older,) = re.findall(r'href="([^"]*after=[^"]*)" rel="next"', first)
    rest = operator.opens(unescape(older))
    assert len(ids(first)) == 50
    assert len(set(ids(first) + ids(rest))) == 71


def test_threads(lagging: World, database_url: str) -> None:
    """Whose turn is next and why others wait; those that are over with why. Operators are led to the next one."""
    operator = Browser(lagging.session, database_url, Role.OPERATOR)
    page = operator.opens("/messages/reminders")
    assert "no contact" in words(page)
    assert page.count("/messages/next?") == 2
    assert "upgraded" in words(operator.opens("/messages/reminders?state=stopped"))
    assert "Nobody is to be reminded" not in operator.opens("/messages/reminders?tenant=nobody")
    assert "No reminder is like that" in operator.opens("/messages/reminders?tenant=nobody")
    viewer = Browser(lagging.session, database_url, Role.VIEWER, name="bob")
    assert "/messages/next?" not in viewer.opens("/messages/reminders")


def test_one_message(lagging: World, database_url: str) -> None:
    """Its words line by line, every try, whom it is about; what a reminder says is not told to viewers."""
    reminder = one(lagging, "\"to\" = 'c@b.example'")
    lagging.session.execute(
        text("UPDATE notice SET body = :body, subject = 'For <b>you</b>' WHERE id = :id"),
        {"body": "one\n\ntwo </pre><script>", "id": reminder},
    )
    operator = Browser(lagging.session, database_url, Role.OPERATOR)
    page = operator.opens(f"/messages/{reminder}")
    assert "one\n\ntwo &lt;/pre&gt;&lt;script&gt;" in page
    assert "For &lt;b&gt;you&lt;/b&gt;" in page
    said = words(page)
    assert "c@b.example" in said
    assert "Tenant 3 3 Dispatch Helper production v2 number 1" in said
    assert re.search(r"Tries to send it 1 .* sent", said)
    viewer = Browser(lagging.session, database_url, Role.VIEWER, name="bob")
    hidden = viewer.opens(f"/messages/{reminder}")
    assert "c@b.example" not in hidden
    assert "one\n" not in hidden
    assert "Send it once more" not in hidden
    assert "c@b.example" not in viewer.opens("/messages")
    assert "Nothing is known of" in words(operator.opens("/messages/999999", 404))


def test_what_a_server_said_is_told_to_operators(lagging: World, database_url: str) -> None:
    """That a receiver refuses us is told to all; its words, which may name somebody, are nowhere for a viewer."""
    session, now, said = lagging.session, db_now(lagging.session), "550 <d@b.example> is unknown here"
    stop(session, "ops", reason=said, now=now)
    session.execute(
        text("""INSERT INTO notice (key, receiver, "to", reason, subject, body, state, created_at, due_at, html)
                VALUES ('waits', 'ops', '', 'first', 'New', 'Something fires.', 'due', now(), now(), NULL),
                    ('stopped:ops:1:log', 'log', '', 'receiver_stopped', 'Stopped', cast(:said AS text), 'sent',
                        now(), now(), '<p>' || cast(:said AS text))"""),
        {"said": said},
    )
    assert tell_elsewhere(session, "log", ["log"], now=now)
    session.commit()
    fallback, told = one(lagging, "key LIKE 'fallback:%waits%'"), one(lagging, "reason = 'receiver_stopped'")
    ((alert,),) = lagging.rows("SELECT min(id) FROM alert WHERE state = 'firing'")
    places = ["/health", "/settings/receivers", f"/alerts/{alert}", "/tenants/acme:1?app=acme:4711"]
    places += [f"/messages/{fallback}", f"/messages/{told}", f"/api/v1/notices/{fallback}", f"/api/v1/notices/{told}"]
    operator = Browser(session, database_url, Role.OPERATOR)
    viewer = Browser(session, database_url, Role.VIEWER, name="bob")
    for place in places:
        assert "is unknown here" in operator.opens(place), place
        assert "is unknown here" not in viewer.opens(place), place
    assert "Receiver ops cannot be used" in words(viewer.opens("/health"))
    assert "is told to operators" in words(viewer.opens(f"/messages/{fallback}"))
    assert "is unknown here" in operator.opens(f"/messages/{told}/letter")
    assert "not for you" in viewer.opens(f"/messages/{told}/letter", 404)


def test_letter(lagging: World, database_url: str) -> None:
    """A letter is shown in a sandbox: nothing of it runs, is loaded or leads anywhere; only to who may read it."""
    reminder = one(lagging, "\"to\" = 'c@b.example'")
    operator = Browser(lagging.session, database_url, Role.OPERATOR)
    page = operator.opens(f"/messages/{reminder}")
    assert re.search(rf'<iframe [^>]*src="/messages/{reminder}/letter"[^>]* sandbox ', page)
    answer = asked(database_url, "GET", f"/messages/{reminder}/letter", headers=operator.headers)
    assert answer.status_code == 200
    assert "Dispatch Helper" in answer.text
    policy = answer.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "form-action 'none'", "frame-ancestors 'self'", "sandbox"} <= set(policy)
    assert not any("script" in one for one in policy)
    assert answer.headers["x-content-type-options"] == "nosniff"
    page_itself = asked(database_url, "GET", f"/messages/{reminder}", headers=operator.headers)
    assert "frame-ancestors 'none'" in page_itself.headers["content-security-policy"]
    viewer = Browser(lagging.session, database_url, Role.VIEWER, name="bob")
    viewer.opens(f"/messages/{reminder}/letter", 404)
    others = Browser(lagging.session, database_url, Role.ADMIN, name="cy", sources=["other"])
    for path in ("", "/letter"):
        others.opens(f"/messages/{reminder}{path}", 404)
    assert ids(others.opens("/messages")) == []
    plain = one(lagging, "key = 'capped:x'")
    operator.opens(f"/messages/{plain}/letter", 404)


def test_once_more(lagging: World, database_url: str) -> None:
    """As `uptake replay` does it: refused in words, done, in the trail, and each leads to the other."""
    operator = Browser(lagging.session, database_url, Role.OPERATOR)
    over, lags = one(lagging, "\"to\" = 'c@b.example'"), one(lagging, "key = 'capped:x'")
    assert "nothing more to ask in it: upgraded" in words(operator.opens(f"/messages/{over}"))
    refused = operator.sends(f"/messages/{over}")
    assert (refused.status_code, "nothing more to ask" in refused.text) == (409, True)
    done = operator.sends(f"/messages/{over}", anyway="true")
    assert done.status_code == 303
    assert "goes out with the next tick" in operator.opens(done.headers["location"])
    made = int(re.findall(r"/messages/(\d+)\?", done.headers["location"])[0])
    said = words(operator.opens(f"/messages/{made}"))
    assert f"it repeats message {over} , as ada asked" in said
    assert "does so by itself: once more would be twice" in said
    assert operator.sends(f"/messages/{made}").status_code == 409
    assert f"message {made}" in words(operator.opens(f"/messages/{over}"))
    assert operator.sends(f"/messages/{lags}").status_code == 303
    assert lagging.rows("SELECT who, by_way_of, about FROM audit WHERE what = 'notice.replayed' ORDER BY id") == [
        ("ada", "page", f"message {over}"),
        ("ada", "page", f"message {lags}"),
    ]
    viewer = Browser(lagging.session, database_url, Role.VIEWER, name="bob")
    assert viewer.sends(f"/messages/{lags}").status_code == 403
    assert operator.sends("/messages/999999").status_code == 404


def test_next(lagging: World, database_url: str) -> None:
    """The next reminder as it would be, to nobody where there is no contact; nothing of it for viewers."""
    operator = Browser(lagging.session, database_url, Role.OPERATOR)
    page = words(operator.opens("/messages/next?app=acme:4711&tenant=1"))
    assert "Dispatch Helper" in page
    assert "Nothing is sent by looking at it" in page
    assert "no contact of theirs" in words(operator.opens("/messages/next?app=acme:4711&tenant=2"))
    assert "Dispatch Helper" in operator.opens("/messages/next/letter?app=acme:4711&tenant=1")
    assert "lacks nothing" in words(operator.opens("/messages/next?app=acme:4711&tenant=3"))
    operator.opens("/messages/next/letter?app=acme:4711&tenant=3", 404)
    operator.opens("/messages/next?app=acme:1&tenant=3", 404)
    before = lagging.rows("SELECT count(*) FROM notice")
    viewer = Browser(lagging.session, database_url, Role.VIEWER, name="bob")
    for path in ("next", "next/letter"):
        viewer.opens(f"/messages/{path}?app=acme:4711&tenant=1", 403)
    assert lagging.rows("SELECT count(*) FROM notice") == before
