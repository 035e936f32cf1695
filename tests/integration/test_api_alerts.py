"""Alerts and silences by the API: what they say, who may do what with them, and that it is written down."""

import json
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from dashboard.app import application
from models import Role, Scope
from models.groups import arouse_all
from tests.integration.access.callers import SAME_SITE, asked, bearer, cookie
from tests.integration.models.world import A, B, World
from tests.integration.test_api import got, refused
from uptake.policies import Policies
from uptake.policy import DEFAULT

AHEAD = "2100-01-01T00:00:00Z"


@pytest.fixture
def app(world: World, database_url: str) -> FastAPI:
    """Four tenants that are blocked for so long that it fires, of which one upgrades, and one in its grace."""
    for tenant in "1234":
        world.put(tenant, 1)
    world.poll()
    world.release(A, B)
    world.poll()
    world.evaluate(after=timedelta(days=20))
    world.put("4", 2)
    world.put("5", 1)
    world.poll()
    world.evaluate()
    world.session.execute(
        text("UPDATE alert SET severity = 'critical' WHERE id = (SELECT max(id) FROM alert WHERE state = 'firing')")
    )
    world.session.commit()
    return application(database_url)


@pytest.fixture
def mine(world: World) -> dict[str, str]:
    """A program's token."""
    return bearer(world.session)


@pytest.fixture
def ops(world: World) -> dict[str, str]:
    """A program's token that may do something."""
    return bearer(world.session, Scope.OPERATE, name="ops")


def listed(app: FastAPI, headers: dict[str, str], query: str = "") -> list[dict[str, Any]]:
    """The alerts."""
    found: list[dict[str, Any]] = got(app, f"alerts{query}", headers)["data"]
    return found


def audited(world: World) -> list[tuple[Any, ...]]:
    """What was written down, but for the making of tokens and accounts."""
    return world.rows("SELECT who, what, about FROM audit WHERE what !~ '^(token|account)' ORDER BY id")


def test_alerts(app: FastAPI, mine: dict[str, str]) -> None:
    """Those that fire, the most severe first, with what each is about in words; resolved ones when asked for."""
    firing = listed(app, mine)
    assert [one["severity"] for one in firing] == ["critical", "info", "info"]
    assert {one["app"] for one in firing} == {"acme:4711"}
    assert B in firing[0]["about"]
    assert firing[0]["quiet"] is None
    (pending,) = listed(app, mine, "?state=pending")
    assert (pending["tenant"], pending["severity"]) == ("5", None)
    assert listed(app, mine, "?state=open") == [*firing, pending]
    (over,) = listed(app, mine, "?state=resolved")
    assert (over["tenant"], over["resolve_reason"]) == ("4", "upgraded")


def test_filters(app: FastAPI, mine: dict[str, str]) -> None:
    """By kind, severity, app, tenant, environment and time; what is no such thing is told."""
    assert len(listed(app, mine, "?kind=tenant_lagging&app=acme:4711&environment=production")) == 3
    assert listed(app, mine, "?kind=poll_failing") == listed(app, mine, "?environment=dev") == []
    assert [one["severity"] for one in listed(app, mine, "?severity=critical")] == ["critical"]
    assert listed(app, mine, "?state=pending&severity=critical") == []
    assert [one["tenant"] for one in listed(app, mine, "?tenant=acme:2")] == ["2"]
    assert [one["tenant"] for one in listed(app, mine, "?tenant=2&app=acme:4711")] == ["2"]
    assert [one["tenant"] for one in listed(app, mine, "?tenant=4&state=resolved")] == ["4"]
    assert listed(app, mine, "?tenant=nobody") == []
    assert listed(app, mine, f"?since={AHEAD}") == listed(app, mine, f"?state=resolved&since={AHEAD}") == []
    assert len(listed(app, mine, "?state=resolved&since=2000-01-01T00:00:00Z")) == 1
    assert len(listed(app, mine, "?since=2000-01-01T00:00:00Z&acknowledged=false")) == 3
    assert listed(app, mine, "?acknowledged=true") == []
    assert "no such app" in refused(asked(app, "GET", "/api/v1/alerts?app=acme:1", headers=mine), 404)
    assert "since" in refused(asked(app, "GET", "/api/v1/alerts?since=2000-01-01T00:00:00", headers=mine), 422)
    assert "kind" in refused(asked(app, "GET", "/api/v1/alerts?kind=late", headers=mine), 422)


@pytest.mark.parametrize("query", ["", "state=open&", "state=resolved&", "app=acme:4711&", "state=open&tenant=5&"])
def test_pages(app: FastAPI, mine: dict[str, str], query: str) -> None:
    """From cursor to cursor each alert is there once, in the order of the whole; the CSV has them all."""
    whole = listed(app, mine, f"?{query}")
    found, cursor = [], ""
    while cursor is not None:
        page = got(app, f"alerts?{query}limit=1{cursor and '&cursor='}{cursor}", mine)
        found += page["data"]
        cursor = page["next"]
    assert found == whole
    lines = asked(app, "GET", f"/api/v1/alerts.csv?{query}", headers=mine).text.splitlines()
    assert [line.split(",")[0] for line in lines] == ["id", *(str(one["id"]) for one in whole)]


def test_one_in_full(app: FastAPI, mine: dict[str, str], world: World) -> None:
    """Its steps, who heard of it, and by which messages, none of another group or before its time."""
    one = listed(app, mine)[0]
    arouse_all(world.session, Policies(DEFAULT), now=world.now)
    world.session.execute(
        text("""INSERT INTO notice (key, receiver, "to", reason, group_id, subject, body, state, created_at, due_at)
                SELECT x, receiver, 'ops', 'raised', id, x, '', 'sent', cast(:now AS timestamptz) + at, :now
                FROM notice_group, (VALUES ('mine', interval '1 minute'), ('old', '-90 days')) AS v (x, at)"""),
        {"now": world.now},
    )
    world.session.execute(
        text(
            """INSERT INTO told (receiver, alert_id, state, severity, told_at)
               VALUES ('log', :id, 'firing', 'info', now())"""
        ),
        {"id": one["id"]},
    )
    world.session.commit()
    whole = got(app, f"alerts/{one['id']}", mine)
    assert {name: whole[name] for name in one} == one
    assert [step["step"] for step in whole["steps"]] == ["firing"]
    assert [heard["receiver"] for heard in whole["heard"]] == ["log"]
    assert [message["subject"] for message in whole["messages"]] == ["mine"]
    mark = asked(app, "GET", f"/api/v1/alerts/{one['id']}", headers=mine).headers["etag"]
    again = asked(app, "GET", f"/api/v1/alerts/{one['id']}", headers=mine | {"If-None-Match": mark})
    assert again.status_code == 304


def test_acknowledging(app: FastAPI, ops: dict[str, str], world: World) -> None:
    """It is quiet by whom and until when, is told again when that is taken back, and each is written down."""
    number = listed(app, ops)[0]["id"]
    path = f"/api/v1/alerts/{number}/acknowledge"
    done = asked(app, "POST", path, headers=ops, json={"until": AHEAD, "comment": "on it"}).json()
    assert (done["quiet"], done["acknowledged_by"], done["acknowledged_until"]) == ("acknowledged", "token ops", AHEAD)
    assert (done["steps"][-1]["author"], done["steps"][-1]["comment"]) == ("token ops", "on it")
    assert [one["id"] for one in listed(app, ops, "?acknowledged=true")] == [number]
    assert asked(app, "POST", path, headers=ops).json()["acknowledged_until"] is None
    back = asked(app, "DELETE", path, headers=ops).json()
    assert (back["quiet"], back["acknowledged_by"]) == (None, None)
    snoozed = asked(app, "POST", f"/api/v1/alerts/{number}/snooze", headers=ops, json={"until": AHEAD}).json()
    assert (snoozed["quiet"], snoozed["quiet_until"], snoozed["snoozed_by"]) == ("snoozed", AHEAD, "token ops")
    assert asked(app, "DELETE", f"/api/v1/alerts/{number}/snooze", headers=ops).json()["quiet"] is None
    about = f"alert {number}"
    assert audited(world) == [
        ("token ops", what, about)
        for what in (
            "alert.acknowledged",
            "alert.acknowledged",
            "alert.taken_back",
            "alert.snoozed",
            "alert.taken_back",
        )
    ]
    trail = [data for (data,) in world.rows("SELECT data FROM audit WHERE what LIKE 'alert.%' ORDER BY id")]
    until = AHEAD.replace("Z", "+00:00")
    assert trail[0] == {"alerts": [number], "until": until, "comment": "on it"}
    assert [one["until"] for one in trail] == [until, None, None, until, None]


def test_two_reasons_at_once(app: FastAPI, ops: dict[str, str]) -> None:
    """The end that is told is that of the reason that is told, not of another one that holds beside it."""
    number = listed(app, ops)[0]["id"]
    silence = {"kind": "tenant_*", "ends_at": AHEAD, "comment": "a move"}
    assert asked(app, "POST", "/api/v1/silences", headers=ops, json=silence).status_code == 201
    assert [(one["quiet"], one["quiet_until"]) for one in listed(app, ops) if one["id"] == number] == [
        ("silenced", AHEAD)
    ]
    done = asked(app, "POST", f"/api/v1/alerts/{number}/acknowledge", headers=ops).json()
    assert (done["quiet"], done["quiet_until"]) == ("acknowledged", None)
    (one,) = [one for one in listed(app, ops) if one["id"] == number]
    assert (one["quiet"], one["quiet_until"]) == ("acknowledged", None)


def test_what_cannot_be_done(app: FastAPI, ops: dict[str, str], world: World) -> None:
    """With what does not fire, until a time that is over, or without saying until when; nothing is written down."""
    over, firing = listed(app, ops, "?state=resolved")[0]["id"], listed(app, ops)[0]["id"]

    def post(path: str, status: int, body: object) -> str:
        return refused(asked(app, "POST", f"/api/v1/alerts/{path}", headers=ops, json=body), status)

    assert "is resolved" in post(f"{over}/acknowledge", 409, {})
    assert "no such alert" in post("999999/acknowledge", 404, {})
    assert "over already" in post(f"{firing}/acknowledge", 422, {"until": "2020-01-01T00:00:00Z"})
    assert "over already" in post(f"{firing}/snooze", 422, {"until": "2020-01-01T00:00:00Z"})
    assert "until" in post(f"{firing}/snooze", 422, {})
    assert "who" in post(f"{firing}/acknowledge", 422, {"who": "somebody else"})
    assert "comment" in post(f"{firing}/acknowledge", 422, {"comment": "\0"})
    assert audited(world) == []


def test_who_may(app: FastAPI, mine: dict[str, str], world: World) -> None:
    """A viewer looks; an operator of other sources has nothing to do with these, and does not learn that they are."""
    number = listed(app, mine)[0]["id"]
    theirs = bearer(world.session, Scope.OPERATE, name="theirs", sources=["other"])
    assert listed(app, theirs) == listed(app, theirs, "?state=resolved") == listed(app, theirs, "?tenant=2") == []
    for method, path in (("POST", "acknowledge"), ("POST", "snooze"), ("DELETE", "acknowledge"), ("DELETE", "snooze")):
        body = {"until": AHEAD} if method == "POST" else None
        refused(asked(app, method, f"/api/v1/alerts/{number}/{path}", headers=mine, json=body), 403)
        hidden = refused(asked(app, method, f"/api/v1/alerts/{number}/{path}", headers=theirs, json=body), 404)
        assert hidden == refused(asked(app, "GET", "/api/v1/alerts/999999", headers=theirs), 404)
    refused(asked(app, "GET", f"/api/v1/alerts/{number}", headers=theirs), 404)


def test_by_a_browser(app: FastAPI, world: World) -> None:
    """Who is signed in may too, from our own pages alone."""
    signed_in = cookie(world.session, Role.OPERATOR)
    number = listed(app, signed_in)[0]["id"]
    for method, path in (("POST", f"alerts/{number}/acknowledge"), ("DELETE", f"alerts/{number}/acknowledge")):
        foreign = signed_in | {"Sec-Fetch-Site": "cross-site"}
        assert "another site" in refused(asked(app, method, f"/api/v1/{path}", headers=foreign), 403)
        assert asked(app, method, f"/api/v1/{path}", headers=signed_in | SAME_SITE).status_code == 200
    assert [who for who, _, _ in audited(world)] == ["ada", "ada"]
    assert world.rows("SELECT DISTINCT by_way_of FROM audit WHERE who = 'ada' AND what LIKE 'alert.%'") == [("page",)]


def test_silences(app: FastAPI, ops: dict[str, str], world: World) -> None:
    """Made, seen to hold, changed, and ended before their time; each is written down."""
    body = {"tenant": "2", "kind": "tenant_*", "ends_at": AHEAD, "comment": "a move"}
    made = asked(app, "POST", "/api/v1/silences", headers=ops, json=body)
    assert made.status_code == 201, made.text
    silence = made.json()
    assert (silence["state"], silence["app"], silence["author"]) == ("active", "*", "token ops")
    assert made.headers["location"] == f"/api/v1/silences/{silence['id']}"
    assert got(app, f"silences/{silence['id']}", ops) == silence
    assert got(app, "silences?state=active", ops)["data"] == [silence]
    assert [one["quiet"] for one in listed(app, ops, "?tenant=2")] == ["silenced"]
    sooner = {"ends_at": "2099-01-01T00:00:00Z", "comment": "sooner"}
    changed = asked(app, "PATCH", f"/api/v1/silences/{silence['id']}", headers=ops, json=sooner).json()
    assert changed == silence | sooner
    assert asked(app, "DELETE", f"/api/v1/silences/{silence['id']}", headers=ops).status_code == 204
    assert got(app, f"silences/{silence['id']}", ops)["state"] == "expired"
    assert [one["quiet"] for one in listed(app, ops, "?tenant=2")] == [None]
    for method in ("DELETE", "PATCH"):
        answer = asked(app, method, f"/api/v1/silences/{silence['id']}", headers=ops, json=sooner)
        assert "is over" in refused(answer, 409)
    later = body | {"starts_at": "2099-01-01T00:00:00Z", "labels": {"tier": "gold"}}
    pending = asked(app, "POST", "/api/v1/silences", headers=ops, json=later).json()
    assert (pending["state"], pending["labels"]) == ("pending", {"tier": "gold"})
    assert [one["id"] for one in got(app, "silences?limit=1", ops)["data"]] == [pending["id"]]
    about = f"silence {silence['id']}"
    written = [("token ops", what, about) for what in ("silence.added", "silence.changed", "silence.ended")]
    assert audited(world)[:3] == written
    added = "SELECT data ->> 'of' FROM audit WHERE what = 'silence.added' ORDER BY id"
    assert world.rows(added)[0] == ("tenant 2, kind tenant_*",)
    assert len(asked(app, "GET", "/api/v1/silences.csv", headers=ops).text.splitlines()) == 3


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "ends_at"), ({"ends_at": AHEAD}, "comment"), ({"ends_at": AHEAD, "comment": ""}, "comment"),
        ({"ends_at": "2020-01-01T00:00:00Z", "comment": "x"}, "over already"),
        ({"ends_at": AHEAD, "starts_at": AHEAD, "comment": "x"}, "over before it begins"),
        ({"ends_at": AHEAD, "comment": "x", "author": "ada"}, "author"),
        ({"ends_at": AHEAD, "comment": "x", "tenant": ""}, "tenant"),
        ({"ends_at": AHEAD, "comment": "x", "kind": "tenant lagging"}, "tenant_lagging"),
        ({"ends_at": "9999-12-31T23:59:59-12:00", "comment": "x"}, "ends_at"),
        ({"ends_at": "2100-01-01T00:00:00", "comment": "x"}, "ends_at"),
        ({"ends_at": AHEAD, "comment": "x", "app": "\ud800"}, "app"),
    ],
)  # fmt: skip
def test_silences_that_are_none(app: FastAPI, ops: dict[str, str], body: dict[str, str], said: str) -> None:
    """What is wrong with one is told, and it is not made."""
    headers = ops | {"Content-Type": "application/json"}
    assert said in refused(asked(app, "POST", "/api/v1/silences", headers=headers, content=json.dumps(body)), 422)
    assert got(app, "silences", ops)["data"] == []


def test_silences_of_some_sources(app: FastAPI, ops: dict[str, str], mine: dict[str, str], world: World) -> None:
    """Who sees some sources silences and sees what is about these alone; a viewer silences nothing."""
    theirs = bearer(world.session, Scope.OPERATE, name="theirs", sources=["acme"])
    whole = {"ends_at": AHEAD, "comment": "x"}

    def post(headers: dict[str, str], **more: str) -> Any:
        return asked(app, "POST", "/api/v1/silences", headers=headers, json=whole | more)

    refused(post(mine), 403)
    for more in ({}, {"source": "other"}, {"app": "other:1"}, {"app": "*"}, {"source": "ac*"}):
        assert "You see acme only" in refused(post(theirs, **more), 403)
    own = [post(theirs, source="acme").json()["id"], post(theirs, app="acme:4711").json()["id"]]
    others = post(ops, source="other").json()["id"]
    post(ops)
    assert [one["id"] for one in got(app, "silences", theirs)["data"]] == own[::-1]
    for method in ("GET", "PATCH", "DELETE"):
        refused(asked(app, method, f"/api/v1/silences/{others}", headers=theirs, json={}), 404)


def test_a_page_asks_an_index(world: World) -> None:
    """Nobody sorts all open alerts for the first of them."""
    world.session.execute(text("SET LOCAL enable_seqscan = off"))
    world.session.execute(text("SET LOCAL enable_sort = off"))
    for state, index in (("firing", "ix_alert_open_kind"), ("resolved", "ix_alert_resolved_kind")):
        order, which = (
            ("coalesce(array_position('{critical,warning,info}', a.severity), 4), a.since, a.id", "NULL")
            if state == "firing"
            else ("a.resolved_at DESC, a.id DESC", "NOT NULL")
        )
        query = "EXPLAIN SELECT * FROM alert a WHERE a.source_id = 1 AND a.kind = 'x' AND a.resolved_at IS"
        plan = world.rows(f"{query} {which} ORDER BY {order} LIMIT 1")
        assert index in json.dumps(plan)
