"""Reminders and messages by the API: threads, what was sent to whom, and one message once more."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from dashboard.app import application
from models import Scope
from models.queries.wellbeing import queues
from tasks.deliver import deliver_now
from tasks.evaluate import evaluate_now
from tasks.flush import flush_now
from tests.integration.access.callers import asked, bearer
from tests.integration.models.world import World
from tests.integration.tasks.test_remind import DAY, HOUR, lagging, reminded
from tests.integration.test_api import got, refused

__all__ = ["lagging"]


@pytest.fixture
def app(lagging: World, database_url: str) -> FastAPI:
    """Tenants 1 and 2 lag, of which 1 was reminded; 3 was reminded, and upgraded; alerts on them were told."""
    world = lagging
    for tenant in "23":
        world.put(tenant, 1)
    world.poll()
    world.session.execute(
        text("INSERT INTO contact (tenant_id, email) SELECT id, 'c@b.example' FROM tenant WHERE external_id = '3'")
    )
    evaluate_now(world.app_id, now=world.now)
    assert reminded(world) == 2
    assert deliver_now(now=world.now) + deliver_now(now=world.now + HOUR) == 2
    world.put("3", 2)
    world.poll()
    evaluate_now(world.app_id, now=world.now + 20 * DAY)
    flush_now(now=world.now + 20 * DAY)
    assert flush_now(now=world.now + 20 * DAY + timedelta(minutes=5)) >= 1
    world.session.execute(
        text("""INSERT INTO notice (key, receiver, "to", reason, subject, body, state, created_at, due_at)
                VALUES ('capped:x', 'ops', 'ops', 'capped', 'More waits', '', 'failed', now(), now())""")
    )
    world.session.commit()
    return application(database_url)


@pytest.fixture
def mine(lagging: World) -> dict[str, str]:
    """A program's token."""
    return bearer(lagging.session)


@pytest.fixture
def ops(lagging: World) -> dict[str, str]:
    """A program's token that may do something."""
    return bearer(lagging.session, Scope.OPERATE, name="ops")


def rows(app: FastAPI, headers: dict[str, str], path: str) -> list[dict[str, Any]]:
    """A list."""
    found: list[dict[str, Any]] = got(app, path, headers)["data"]
    return found


def paged(app: FastAPI, headers: dict[str, str], path: str) -> list[dict[str, Any]]:
    """The same list, row by row."""
    found, cursor = [], ""
    while cursor is not None:
        page = got(app, f"{path}&limit=1{cursor and '&cursor='}{cursor}", headers)
        found += page["data"]
        cursor = page["next"]
    return found


def test_threads(app: FastAPI, mine: dict[str, str], lagging: World) -> None:
    """Open ones by when they are due, stopped ones with why; by app, tenant, and whose turn has come."""
    first, second = rows(app, mine, "reminders")
    assert {first["tenant"], second["tenant"]} == {"1", "2"}
    assert first["due_at"] <= second["due_at"]
    reminded_one = first if first["tenant"] == "1" else second
    assert (reminded_one["app"], reminded_one["sent"], reminded_one["target_version"]) == ("acme:4711", 1, 2)
    assert {one["tenant"]: one["held_reason"] for one in (first, second)}["2"] == "no_contact"
    (over,) = rows(app, mine, "reminders?state=stopped")
    assert (over["tenant"], over["state"], over["stop_reason"]) == ("3", "stopped", "upgraded")
    assert rows(app, mine, "reminders?state=stopped&tenant=acme:3&app=acme:4711") == [over]
    assert rows(app, mine, "reminders?tenant=3") == rows(app, mine, "reminders?tenant=nobody") == []
    assert [one["tenant"] for one in rows(app, mine, "reminders?tenant=2")] == ["2"]
    assert rows(app, mine, "reminders?app=acme:4711&due=true") == [first, second]
    lagging.session.execute(text("UPDATE reminder SET due_at = NULL WHERE id = :id"), {"id": first["id"]})
    lagging.session.commit()
    assert [one["id"] for one in rows(app, mine, "reminders")] == [second["id"], first["id"]]
    assert [one["id"] for one in rows(app, mine, "reminders?due=true")] == [second["id"]]
    for path in ("reminders?", "reminders?app=acme:4711&", "reminders?state=stopped&"):
        assert paged(app, mine, path) == rows(app, mine, path)
    refused(asked(app, "GET", "/api/v1/reminders?app=acme:1", headers=mine), 404)
    assert len(asked(app, "GET", "/api/v1/reminders.csv", headers=mine).text.splitlines()) == 3


def test_messages(app: FastAPI, ops: dict[str, str]) -> None:
    """The newest first, by kind, receiver, state, app and tenant, each filter also with the others."""
    whole = rows(app, ops, "notices")
    assert [one["id"] for one in whole] == sorted((one["id"] for one in whole), reverse=True)
    assert {one["kind"] for one in whole} == {"reminder", "alert", "other"}
    reminders = rows(app, ops, "notices?kind=reminder")
    assert {(one["to"], one["tenant"], one["state"]) for one in reminders} == {
        ("a@b.example", "1", "sent"),
        ("c@b.example", "3", "sent"),
    }
    assert rows(app, ops, "notices?receiver=tenants") == reminders
    assert [one["reason"] for one in rows(app, ops, "notices?state=failed")] == ["capped"]
    about = rows(app, ops, "notices?app=acme:4711")
    assert about == [one for one in whole if one["kind"] != "other"]
    (one,) = rows(app, ops, "notices?tenant=acme:1")
    assert one["to"] == "a@b.example"
    assert rows(app, ops, "notices?tenant=3&app=acme:4711&kind=reminder&state=sent") == [
        one for one in reminders if one["tenant"] == "3"
    ]
    assert rows(app, ops, "notices?tenant=nobody") == []
    for path in ("notices?", "notices?app=acme:4711&", "notices?tenant=3&"):
        assert paged(app, ops, path) == rows(app, ops, path)
    assert len(asked(app, "GET", "/api/v1/notices.csv?kind=reminder", headers=ops).text.splitlines()) == 3


def test_one_message_for_several_threads(app: FastAPI, ops: dict[str, str], lagging: World) -> None:
    """It is listed once with each app and tenant that it speaks for, in its place, though it is about none alone."""
    session = lagging.session
    session.execute(
        text("""WITH made AS (
                    INSERT INTO notice (key, receiver, "to", reason, reminder_id, subject, body, state, created_at,
                        due_at)
                    SELECT 'digest', 'tenants', 'a@b.example', 'ladder', min(id), 'All', '', 'failed', now(), now()
                    FROM reminder RETURNING id
                )
                INSERT INTO notice_reminder (notice_id, reminder_id, number)
                SELECT made.id, r.id, 2 FROM made, reminder r""")
    )
    session.execute(text("UPDATE notice SET state = 'failed' WHERE group_id IS NOT NULL"))
    session.commit()
    whole = rows(app, ops, "notices")
    assert [one["subject"] for one in whole].count("All") == 1
    of_app = rows(app, ops, "notices?app=acme:4711")
    assert of_app == [one for one in whole if one["kind"] != "other"]
    for wanted in ("kind=reminder", "kind=alert", "kind=other", "state=failed", "receiver=tenants", "receiver=ops"):
        name, _, value = wanted.partition("=")
        assert rows(app, ops, f"notices?app=acme:4711&{wanted}") == [one for one in of_app if one[name] == value]
    for tenant in "123":
        assert rows(app, ops, f"notices?tenant={tenant}")[0]["subject"] == "All"
        assert rows(app, ops, f"notices?tenant={tenant}&app=acme:4711") == rows(app, ops, f"notices?tenant={tenant}")
    assert paged(app, ops, "notices?app=acme:4711") == of_app
    session.execute(
        text("""INSERT INTO app (source_id, external_id, name, first_seen_at, next_poll_at)
                SELECT source_id, '9', 'Nine', now(), now() FROM app""")
    )
    session.commit()
    for path in (
        "notices?",
        "notices?state=failed&",
        "notices?tenant=1&",
        "reminders?",
        "reminders?state=stopped&",
        "reminders?tenant=1&",
    ):
        assert rows(app, ops, f"{path}app=acme:9") == []
        assert rows(app, ops, f"{path}app=acme:4711") != []
    other = bearer(session, name="elsewhere", sources=["other"])
    refused(asked(app, "GET", "/api/v1/notices?app=acme:4711", headers=other), 404)
    assert rows(app, other, "notices") == []


def test_one_message(app: FastAPI, ops: dict[str, str]) -> None:
    """As it was written, with every try and the threads that it speaks for."""
    (line,) = rows(app, ops, "notices?tenant=1")
    whole = got(app, f"notices/{line['id']}", ops)
    assert {name: whole[name] for name in line} == line
    assert "Dispatch Helper" in whole["body"]
    assert whole["payload"]["type"]
    assert [(one["number"], one["outcome"]) for one in whole["tries"]] == [(1, "sent")]
    (spoken,) = whole["speaks_for"]
    assert (spoken["app_name"], spoken["tenant_name"]) == ("Dispatch Helper", "Tenant 1")
    assert (spoken["app"], spoken["tenant"], spoken["number"], spoken["target_version"]) == ("acme:4711", "1", 1, 2)
    mark = asked(app, "GET", f"/api/v1/notices/{line['id']}", headers=ops).headers["etag"]
    again = asked(app, "GET", f"/api/v1/notices/{line['id']}", headers=ops | {"If-None-Match": mark})
    assert again.status_code == 304
    refused(asked(app, "GET", "/api/v1/notices/999999", headers=ops), 404)


def test_whose_message_it_is(app: FastAPI, lagging: World) -> None:
    """A message is its source's by whatever it is about: in the list, by itself and among what waits it is the same."""
    session = lagging.session
    session.execute(
        text("""INSERT INTO notice (key, receiver, "to", reason, subject, body, state, created_at, due_at,
                    source_id, app_id, tenant_id)
                SELECT about, 'waits', 'ops', 'first', about, '', 'due', now(), now(),
                    CASE about WHEN 'source' THEN (SELECT min(id) FROM source) END,
                    CASE about WHEN 'app' THEN (SELECT min(id) FROM app) END,
                    CASE about WHEN 'tenant' THEN (SELECT min(id) FROM tenant) END
                FROM unnest(ARRAY['source', 'app', 'tenant', 'none']) AS t (about)""")
    )
    session.commit()
    found = dict(lagging.rows("SELECT subject, id FROM notice WHERE receiver = 'waits'"))
    of_source = {"source", "app", "tenant"}
    for sources, seen in ((["acme"], of_source), (["other"], set()), (None, of_source | {"none"})):
        mine = bearer(session, name=str(sources), sources=sources)
        answers = {about: asked(app, "GET", f"/api/v1/notices/{found[about]}", headers=mine) for about in found}
        assert {about for about in found if answers[about].status_code == 200} == seen
        assert {one["subject"] for one in rows(app, mine, "notices?receiver=waits")} == seen
        waiting = {one.receiver: one.waiting for one in queues(session, now=lagging.now, sources=sources)}
        assert waiting.get("waits", 0) == len(seen)


def test_what_viewers_are_told(app: FastAPI, mine: dict[str, str]) -> None:
    """Whom a reminder went to and what stood in it, with the link that ends them, is for operators."""
    reminders = rows(app, mine, "notices?kind=reminder")
    assert {one["to"] for one in reminders} == {None}
    whole = got(app, f"notices/{reminders[0]['id']}", mine)
    assert [whole[name] for name in ("to", "body", "html", "payload")] == [None] * 4
    assert "b.example" not in asked(app, "GET", "/api/v1/notices.csv", headers=mine).text
    alerts = rows(app, mine, "notices?kind=alert")
    assert {one["to"] for one in alerts} == {None}
    assert got(app, f"notices/{alerts[0]['id']}", mine)["body"]


def test_what_servers_said(app: FastAPI, mine: dict[str, str], ops: dict[str, str], lagging: World) -> None:
    """A server's words may name whom it refused: viewers are told that it did, by which fault, and our own reasons."""
    session, (line,) = lagging.session, rows(app, ops, "notices?tenant=1")

    def is_so(state: str, reason: str) -> tuple[Any, ...]:
        session.execute(
            text("UPDATE notice SET state = :state, settle_reason = :reason WHERE id = :id"),
            {"state": state, "reason": reason, "id": line["id"]},
        )
        session.execute(
            text("UPDATE attempt SET outcome = 'permanent', fault = 'recipient', answer = :said WHERE notice_id = :id"),
            {"said": reason, "id": line["id"]},
        )
        session.commit()
        shown = got(app, f"notices/{line['id']}", mine)
        assert rows(app, mine, "notices?tenant=1")[0]["settle_reason"] == shown["settle_reason"]
        whole = got(app, f"notices/{line['id']}", ops)
        assert (whole["settle_reason"], whole["tries"][0]["answer"]) == (reason, reason)
        (tried,) = shown["tries"]
        return shown["state"], shown["settle_reason"], tried["outcome"], tried["fault"], tried["answer"]

    assert is_so("failed", "550 <a@b.example> unknown") == ("failed", None, "permanent", "recipient", None)
    assert is_so("failed", "unknown") == ("failed", None, "permanent", "recipient", None)
    assert is_so("cancelled", "opted_out") == ("cancelled", "opted_out", "permanent", "recipient", None)
    assert is_so("cancelled", "told to a@b.example")[1] is None


def test_once_more(app: FastAPI, ops: dict[str, str], mine: dict[str, str], lagging: World) -> None:
    """A message is queued once more, and that is written down; what is not sent again, and why, is told."""
    (one,) = rows(app, ops, "notices?tenant=1")
    done = asked(app, "POST", f"/api/v1/notices/{one['id']}/replay", headers=ops)
    assert done.status_code == 202
    assert done.json()["replay_of"] == one["id"]
    made = done.json()["id"]
    assert rows(app, ops, "notices?state=due&tenant=1")[0]["id"] == made

    def post(number: int, body: object = None) -> str:
        return refused(asked(app, "POST", f"/api/v1/notices/{number}/replay", headers=ops, json=body), 409)

    assert "goes out by itself" in post(made)
    (over,) = rows(app, ops, "notices?tenant=3")
    assert "nothing more to ask" in post(over["id"])
    anyway = asked(app, "POST", f"/api/v1/notices/{over['id']}/replay", headers=ops, json={"anyway": True})
    assert anyway.status_code == 202
    lagging.session.execute(text("UPDATE contact SET opted_out_at = now()"))
    lagging.session.commit()
    assert "opted out" in post(one["id"], {"anyway": True})
    refused(asked(app, "POST", f"/api/v1/notices/{one['id']}/replay", headers=mine), 403)
    refused(asked(app, "POST", "/api/v1/notices/999999/replay", headers=ops), 404)
    assert lagging.rows("SELECT who, about FROM audit WHERE what = 'notice.replayed' ORDER BY id") == [
        ("token ops", f"message {one['id']}"),
        ("token ops", f"message {over['id']}"),
    ]


def test_nothing_of_other_sources(app: FastAPI, ops: dict[str, str], lagging: World) -> None:
    """Who sees other sources sees no thread and no message of this one, and sends none once more."""
    (one,) = rows(app, ops, "notices?tenant=1")
    theirs = bearer(lagging.session, Scope.OPERATE, name="theirs", sources=["other"])
    for path in ("reminders", "reminders?state=stopped", "reminders?tenant=1", "notices", "notices?tenant=1"):
        assert rows(app, theirs, path) == []
    for path in ("reminders?app=acme:4711", "notices?app=acme:4711", f"notices/{one['id']}"):
        refused(asked(app, "GET", f"/api/v1/{path}", headers=theirs), 404)
    refused(asked(app, "POST", f"/api/v1/notices/{one['id']}/replay", headers=theirs), 404)
    acmes = bearer(lagging.session, name="acmes", sources=["acme"])
    assert {one["kind"] for one in rows(app, acmes, "notices")} == {"reminder", "alert"}
    assert len(rows(app, acmes, "reminders")) == 2
