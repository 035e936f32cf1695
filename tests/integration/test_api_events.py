"""The feed of events: in commit order with no gap, page by page and as they happen."""

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi import Request, Response
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session as OrmSession

from dashboard.access import Caller, RefusedError
from dashboard.api.events import Window, stream
from dashboard.app import application
from dashboard.listeners import Listeners
from models import Role, Session, db_now
from models.contacts import Person, keep_contacts
from models.opt_out import opt_in, opt_out
from models.queries import event_feed
from models.queries.event_feed import WantedEvents, events_after
from models.queries.tenants import timeline
from models.tokens import revoke_token
from tests.integration.access.callers import TEST, asked, bearer, cookie
from tests.integration.conftest import MONDAY
from tests.integration.models.world import A, B, World
from tests.integration.test_api import refused
from tests.servers import create, drop

STREAM = {"Accept": "text/event-stream"}
WAIT = 60
OF_ANOTHER = """
WITH another AS (
    INSERT INTO app (source_id, external_id, name, first_seen_at, next_poll_at)
    SELECT source_id, '42', 'Another', now(), now() FROM app RETURNING id
) INSERT INTO event (at, type, app_id) SELECT now() - interval '1 day', 'app.deleted', id FROM another
"""


class Own(NamedTuple):
    """A database in which everything is committed."""

    url: str
    engine: Engine
    world: World


@pytest.fixture
def own(alone: str) -> Iterator[Own]:
    """Two tenants that connect, one of which upgrades."""
    url = create(alone, "events", "template")
    engine, before = create_engine(url), dict(Session.kw)
    Session.configure(bind=engine)
    with Session() as session:
        world = World.founded(session, MONDAY, step=timedelta(minutes=15))
        world.put("1", 1)
        world.put("2", 1)
        world.poll()
        session.commit()
        world.release(A, B)
        world.put("1", 2)
        world.poll()
        session.commit()
        yield Own(url, engine, world)
    Session.kw.clear()
    Session.kw.update(before)
    engine.dispose()
    drop(alone, "events")


@pytest.fixture
def mine(own: Own) -> dict[str, str]:
    """A program's token."""
    return bearer(own.world.session)


def feed(own: Own, headers: dict[str, str], **query: Any) -> Any:
    """An answer of the feed."""
    answer = asked(own.url, "GET", "/api/v1/events", headers=headers, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def write(session: OrmSession, kind: str) -> None:
    """An event about app 4711."""
    session.execute(text("INSERT INTO event (at, type, app_id) SELECT now(), :kind, id FROM app"), {"kind": kind})


def types(found: Any) -> list[str]:
    """Of which types the events are."""
    return [one["type"] for one in found["data"]]


def test_the_feed(own: Own, mine: dict[str, str]) -> None:
    """All that happened in order, each with what it is about; from page to page, and on from the last."""
    whole = feed(own, mine)
    assert sorted(types(whole)) == sorted(kind for (kind,) in own.world.rows("SELECT type FROM event"))
    upgraded = next(one for one in whole["data"] if one["type"] == "tenant.upgraded")
    assert (upgraded["app"], upgraded["tenant"], upgraded["environment"]) == ("acme:4711", "1", "production")
    assert whole["next"] is None
    assert whole["last"] == whole["data"][-1]["id"]
    found: list[Any] = []
    answer = {"next": "0-0"}
    while answer["next"]:
        answer = feed(own, mine, after=answer["next"], limit=2)
        found += answer["data"]
    assert found == whole["data"]
    assert feed(own, mine, after=whole["last"]) == {"data": [], "next": None, "last": whole["last"]}
    assert feed(own, mine, after="now") == {"data": [], "next": None, "last": whole["last"]}
    write(own.world.session, "alert.raised")
    own.world.session.commit()
    assert types(feed(own, mine, after=whole["last"])) == ["alert.raised"]
    lines = asked(own.url, "GET", "/api/v1/events.csv", headers=mine).text.splitlines()
    assert len(lines) == len(found) + 2


def test_filters(own: Own, mine: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """By type, app, tenant and time; however few are meant, none is missed, and where to go on is told."""
    own.world.session.execute(text(OF_ANOTHER))
    own.world.session.commit()
    whole = feed(own, mine)
    assert set(types(feed(own, mine, type="tenant.*"))) == {"tenant.connected", "tenant.upgraded"}
    assert types(feed(own, mine, type="tenant.upgraded", app="acme:4711")) == ["tenant.upgraded"]
    assert [one["app"] for one in whole["data"]].count("acme:42") == 1
    assert types(feed(own, mine, app="acme:42")) == ["app.deleted"]
    assert "app.deleted" not in types(feed(own, mine, app="acme:4711"))
    assert feed(own, mine, type="tenant_*")["data"] == []
    assert {one["tenant"] for one in feed(own, mine, tenant="acme:2")["data"]} == {"2"}
    assert feed(own, mine, tenant="nobody")["data"] == []
    last = max(one["at"] for one in whole["data"])
    assert {one["at"] for one in feed(own, mine, since=last)["data"]} == {last}
    refused(asked(own.url, "GET", "/api/v1/events?app=acme:1", headers=mine), 404)
    monkeypatch.setattr(event_feed, "REACH", 1)
    found: list[str] = []
    answer, asks = {"next": "0-0"}, 0
    while answer["next"]:
        answer = feed(own, mine, after=answer["next"], type="tenant.upgraded", limit=1)
        found, asks = found + types(answer), asks + 1
    assert found == ["tenant.upgraded"]
    assert asks > 2
    lines = asked(own.url, "GET", "/api/v1/events.csv?type=tenant.upgraded", headers=mine).text.splitlines()
    assert len(lines) == 2


def test_of_a_tenant_itself(own: Own, mine: dict[str, str]) -> None:
    """Feed, timeline and command tell the same of a tenant, also what is about none of its connections."""
    world = own.world
    keep_contacts(world.session, [Person("acme", tenant, "ada@t.example") for tenant in "12"])
    ((first,), _) = world.rows("SELECT id FROM tenant ORDER BY external_id")
    assert opt_out(world.session, [first], "ada@t.example", now=world.now)
    assert opt_in(world.session, [first], "ada@t.example", now=world.now)
    world.session.commit()
    found = feed(own, mine, tenant="acme:1")
    assert types(found)[-2:] == ["contact.opted_out", "contact.opted_in"]
    assert found["data"][-1]["tenant"] == "1"
    theirs = bearer(world.session, name="theirs", sources=["acme"])
    assert types(feed(own, theirs, tenant="acme:1")) == types(found)
    assert "contact.opted_in" in types(feed(own, theirs))
    assert types(feed(own, mine, tenant="acme:2")) == ["tenant.connected"]
    told = types(found)
    for path, wanted in (("", told), ("?order=newest", told[::-1]), ("?about=reminders", told[-2:])):
        answer = asked(own.url, "GET", f"/api/v1/tenants/acme:1/timeline{path}", headers=mine).json()
        assert types(answer) == wanted
    answer = asked(own.url, "GET", "/api/v1/tenants/acme:1/timeline?app=acme:4711", headers=mine).json()
    assert types(answer) == told[:-2]
    assert [one.type for one in timeline(world.session, "1")] == told


def test_places_that_are_none(own: Own, mine: dict[str, str]) -> None:
    """What is no event's id is told to be none; nobody waits for one that is of before a restore, say."""
    for after in ("", "x", "1", "1-", "-1", "1-x", "01-1", "1-1-1", f"{2**64}-1", f"1-{2**63}", "²-1"):
        answer = asked(own.url, "GET", "/api/v1/events", headers=mine, params={"after": after})
        assert "no event's id" in refused(answer, 400)
    answer = asked(own.url, "GET", "/api/v1/events?after=9999999999-1", headers=mine)
    assert "restore" in refused(answer, 400)


def test_only_their_sources(own: Own) -> None:
    """Who sees other sources is told nothing of this one, and nothing of what is about none."""
    own.world.session.execute(text("INSERT INTO event (at, type) VALUES (now(), 'of.nobody')"))
    own.world.session.commit()
    theirs = bearer(own.world.session, name="theirs", sources=["acme"])
    assert "of.nobody" not in types(feed(own, theirs))
    assert types(feed(own, theirs)) != []
    others = bearer(own.world.session, name="others", sources=["other"])
    assert feed(own, others)["data"] == []
    refused(asked(own.url, "GET", "/api/v1/events?app=acme:4711", headers=others), 404)


def test_commits_out_of_order(own: Own, mine: dict[str, str]) -> None:
    """What a transaction wrote first and commits last is not missed by whoever read in between."""
    after = feed(own, mine)["last"]
    with Session() as slow, Session() as quick:
        write(slow, "first.written")
        write(quick, "last.written")
        quick.commit()
        waiting = feed(own, mine, after=after)
        assert (waiting["data"], waiting["last"]) == ([], after)
        assert feed(own, mine, after="now")["last"] == after
        slow.commit()
    assert types(feed(own, mine, after=waiting["last"])) == ["first.written", "last.written"]


def test_one_look_for_all(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many listen, the database is asked once a second; each hears everything, from where it began."""
    looks: list[int] = []
    monkeypatch.setattr("dashboard.listeners.EVERY", 0.05)
    begun = threading.Event()

    def counted(*arguments: Any, **named: Any) -> Any:
        looks.append(1)
        return events_after(*arguments, **named)

    monkeypatch.setattr("dashboard.listeners.events_after", counted)

    async def one(listeners: Listeners, after: event_feed.Place | None) -> list[str]:
        heard: list[str] = []
        async for _, found in listeners.listen(after, is_still=lambda: True):
            heard += [event.type for event in found]
            if "the.end" in heard:
                return heard
        return heard

    async def all_of_them() -> list[list[str]]:
        listeners = Listeners()
        old = [asyncio.create_task(one(listeners, event_feed.FIRST)) for _ in range(2)]
        new = [asyncio.create_task(one(listeners, None)) for _ in range(10)]
        await asyncio.sleep(0.5)
        begun.set()
        looks.clear()
        write(own.world.session, "a.b")
        own.world.session.commit()
        await asyncio.sleep(0.5)
        write(own.world.session, "the.end")
        own.world.session.commit()
        return await asyncio.wait_for(asyncio.gather(*old, *new), WAIT)

    whole = [one.type for one in events_after(own.world.session, wanted=WantedEvents()).events]
    heard = asyncio.run(all_of_them())
    assert heard == [[*whole, "a.b", "the.end"]] * 2 + [["a.b", "the.end"]] * 10
    assert 2 <= len(looks) <= 25


def test_many_at_once(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever listens keeps up with more events than are read at once: a look reads on until there are no more."""
    monkeypatch.setattr("dashboard.listeners._AT_ONCE", 10)
    monkeypatch.setattr("dashboard.listeners._KEPT", 200)
    many = [f"a.b{number}" for number in range(150)]
    heard: list[str] = []

    async def one() -> None:
        listeners = Listeners()
        clock = asyncio.get_running_loop()
        # The first look finds out where the feed is: what happens from then on is told by the next.
        async for _, found in listeners.listen(None, is_still=lambda: True):
            heard.extend(event.type for event in found)
            if not heard:
                continue
            begun.append(clock.time())
            if len(heard) >= len(many):
                return

    begun: list[float] = []

    def happen() -> None:
        with own.engine.begin() as connection:
            for kind in many:
                write(connection, kind)  # type: ignore[arg-type]  # executes as a session does

    threading.Timer(1.5, happen).start()
    asyncio.run(asyncio.wait_for(one(), WAIT))
    assert heard == many
    assert len(begun) <= 2, "one look, or two where the first of them fell into the commit"


def test_streams_are_counted_when_they_are_admitted(own: Own, mine: dict[str, str]) -> None:
    """Of many that ask at the same time ten are admitted, and whoever never reads gives the place back."""
    listeners = Listeners()
    left = [leave for leave in (listeners.admit("ada") for _ in range(30)) if leave is not None]
    assert len(left) == 10
    assert listeners.admit("bob")
    left[0]()
    assert listeners.admit("ada")
    assert listeners.admit("ada") is None
    app = application(own.url)
    request = Request({"type": "http", "app": app, "headers": []})
    caller = Caller("ada", Role.VIEWER, key="ada")
    for _ in range(20):
        answer = stream(caller, request, Window(), None)
        assert answer.status_code == 200
        del answer
        gc.collect()
    kept = [stream(caller, request, Window(), None) for _ in range(10)]
    with pytest.raises(RefusedError, match="ten streams") as told:
        stream(caller, request, Window(), None)
    assert (told.value.status, told.value.headers) == (429, {"Retry-After": "5"})
    # One that has ended gives its place back at once, though somebody may know of it still.
    app.state.listeners.close()
    asyncio.run(sent(kept[0]))
    assert stream(caller, request, Window(), None).status_code == 200


async def sent(answer: Response) -> None:
    """Send the *answer* to its end, to nobody."""

    async def nobody(*_: object) -> Any:
        await asyncio.sleep(0)

    await answer({"type": "http", "asgi": {"spec_version": "2.4"}}, nobody, nobody)


@pytest.fixture
def served(own: Own) -> Iterator[subprocess.Popen[bytes]]:
    """A dashboard in a process of its own; its address is where `base` says."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {"DATABASE_URL": own.url, "UPTAKE_DASHBOARD_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", "dashboard"], env=environment)
    process.base = f"http://127.0.0.1:{port}"  # type: ignore[attr-defined]  # of ours
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{process.base}/healthz")  # type: ignore[attr-defined]  # as above
            break
        except httpx.TransportError:
            time.sleep(0.05)
    yield process
    process.kill()
    process.wait(WAIT)


class Heard(NamedTuple):
    """What a stream has told so far."""

    ids: list[str]
    events: list[dict[str, Any]]


def listen(base: str, headers: dict[str, str], *, until: str | None, path: str = "events") -> Heard:
    """Listen *until* there is an event of that type, or (None) until the stream ends."""
    heard = Heard([], [])
    with httpx.stream("GET", f"{base}/api/v1/{path}", headers=headers | STREAM, timeout=WAIT) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            field, _, value = line.partition(": ")
            if field == "id":
                heard.ids.append(value)
            elif field == "data":
                heard.events.append(json.loads(value))
                if heard.events[-1]["type"] == until:
                    return heard
    assert until is None
    return heard


def later(own: Own, *kinds: str, seconds: float = 2.5) -> threading.Timer:
    """Events that happen in a while."""

    def happen() -> None:
        with own.engine.begin() as connection:
            for kind in kinds:
                write(connection, kind)  # type: ignore[arg-type]  # executes as a session does

    timer = threading.Timer(seconds, happen)
    timer.start()
    return timer


def test_streams(own: Own, mine: dict[str, str], served: Any) -> None:
    """Events are told as they happen, by either path, and a stream that broke off goes on where it was."""
    later(own, "a.b", "c.d")
    heard = listen(served.base, mine, until="c.d")
    assert [one["type"] for one in heard.events] == ["a.b", "c.d"]
    assert heard.events[0]["app"] == "acme:4711"
    again = listen(served.base, mine | {"Last-Event-ID": heard.ids[-2]}, until="c.d", path="events/stream")
    assert [one["id"] for one in again.events] == [heard.events[1]["id"]]
    later(own, "e.f", "g.h")
    some = listen(served.base, mine, until="g.h", path="events?type=g.*&app=acme:4711&after=0-0")
    assert [one["type"] for one in some.events] == ["g.h"]
    missing = httpx.get(f"{served.base}/api/v1/events?app=acme:1", headers=mine | STREAM)
    assert missing.status_code == 404


def test_streams_of_some_sources(own: Own, served: Any) -> None:
    """Who sees other sources hears nothing of this one."""
    with own.engine.begin() as connection:
        connection.execute(
            text("""INSERT INTO source (name, kind, next_poll_at) VALUES ('other', 'portal', now());
                    INSERT INTO tenant (source_id, external_id, first_seen_at)
                    SELECT id, '9', now() FROM source WHERE name = 'other'""")
        )
    theirs = bearer(own.world.session, name="theirs", sources=["other"])
    later(own, "of.acme")

    about_theirs = "INSERT INTO event (at, type, tenant_id) SELECT now(), 'of.other', id FROM tenant"

    def happen() -> None:
        with own.engine.begin() as connection:
            connection.execute(text(f"{about_theirs} WHERE external_id = '9'"))

    threading.Timer(4, happen).start()
    heard = listen(served.base, theirs, until="of.other")
    assert [one["type"] for one in heard.events] == ["of.other"]


def test_streams_end(own: Own, mine: dict[str, str], served: Any) -> None:
    """With the token, with the session, and with the dashboard, which does not wait for those who listen."""

    def revoke() -> None:
        with Session.begin() as session:
            assert revoke_token(session, "test", actor=TEST, now=db_now(session))

    signed_in = cookie(own.world.session, Role.VIEWER)
    threading.Timer(1, revoke).start()
    began = time.monotonic()
    listen(served.base, mine, until=None)
    assert time.monotonic() - began < WAIT / 2

    def sign_out() -> None:
        with own.engine.begin() as connection:
            connection.execute(text("DELETE FROM sign_in"))

    threading.Timer(1, sign_out).start()
    listen(served.base, signed_in, until=None)
    other = bearer(own.world.session, name="other")
    threading.Timer(2, served.send_signal, (signal.SIGTERM,)).start()
    listen(served.base, other, until=None)
    assert served.wait(WAIT / 2) in {0, -signal.SIGTERM}


def test_not_too_many_streams(own: Own, mine: dict[str, str], served: Any) -> None:
    """A caller has ten at most, whoever else listens; who goes makes room."""
    with httpx.Client(base_url=served.base, headers=mine | STREAM, timeout=WAIT) as client:
        streams = [client.send(client.build_request("GET", "/api/v1/events"), stream=True) for _ in range(10)]
        lines = [stream.iter_lines() for stream in streams]
        assert [next(line) for line in lines] == ["retry: 2000"] * 10
        answer = client.get("/api/v1/events")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        other = bearer(own.world.session, name="other") | STREAM
        with httpx.stream("GET", f"{served.base}/api/v1/events", headers=other) as told:
            assert told.status_code == 200
        streams[0].close()
        deadline = time.monotonic() + WAIT
        status = 429
        while status == 429 and time.monotonic() < deadline:
            time.sleep(0.2)
            with client.stream("GET", "/api/v1/events") as told:
                status = told.status_code
        assert status == 200
        for stream in streams:
            stream.close()


def test_in_process(own: Own, mine: dict[str, str]) -> None:
    """An application that is told to close ends its streams."""
    app = application(own.url)
    threading.Timer(1, app.state.listeners.close).start()
    answer = asked(app, "GET", "/api/v1/events/stream", headers=mine)
    assert answer.text.startswith("retry: 2000")
