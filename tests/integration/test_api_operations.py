"""Sources and polls by the API, and a poll now."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from dashboard.app import application
from models import Scope, db_now
from models.alive import alive, forget_silent
from models.leases import ring_apps, ring_sources
from models.listing import sync_sources
from tests.integration.access.callers import asked, bearer
from tests.integration.models.world import World
from tests.integration.test_api import got, refused


@pytest.fixture
def app(world: World, database_url: str) -> FastAPI:
    """A source with an app that was polled twice, the second time in vain, and a source without any app."""
    world.put("1", 1)
    world.poll()
    world.poll(after=timedelta(hours=1))
    world.session.execute(
        text("UPDATE poll SET outcome = 'failed', reason = 'no' WHERE started_at = (SELECT max(started_at) FROM poll)")
    )
    sync_sources(world.session, [("acme", "portal"), ("Other", "portal")], now=world.now)
    world.session.execute(text("UPDATE app SET next_poll_at = '2100-01-01'"))
    world.session.execute(text("UPDATE source SET next_poll_at = '2100-01-01'"))
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


def rows(app: FastAPI, headers: dict[str, str], path: str) -> list[dict[str, Any]]:
    """A list."""
    found: list[dict[str, Any]] = got(app, path, headers)["data"]
    return found


def due(world: World) -> tuple[int, int]:
    """How many sources and apps a tick would poll now."""
    now = db_now(world.session)
    found = len(ring_sources(world.session, now=now, most=9)), len(ring_apps(world.session, now=now, most=9))
    world.session.rollback()
    return found


def test_sources(app: FastAPI, mine: dict[str, str], world: World) -> None:
    """How each answers, and one of them; in one order, whatever the database's is."""
    other, acme = rows(app, mine, "sources")
    assert (other["source"], acme["source"], acme["apps"]) == ("Other", "acme", 1)
    assert got(app, "sources/acme", mine) == acme
    first = got(app, "sources?limit=1", mine)
    assert [*first["data"], *rows(app, mine, f"sources?cursor={first['next']}")] == [other, acme]
    theirs = bearer(world.session, name="theirs", sources=["Other"])
    assert rows(app, theirs, "sources") == [other]
    hidden = refused(asked(app, "GET", "/api/v1/sources/acme", headers=theirs), 404)
    assert hidden == refused(asked(app, "GET", "/api/v1/sources/nobody", headers=mine), 404)


def test_workers(app: FastAPI, mine: dict[str, str], world: World) -> None:
    """Each that looked for work within the hour, with its version; the tick that they share is none.

    Who sees some sources is not told on which machines all are worked on.
    """
    now = db_now(world.session)
    alive(world.session, "there 2", "0.0.1", now=now)
    alive(world.session, "gone 3", "0.0.1", now=now - timedelta(hours=2))
    alive(world.session, "here 1", "0.0.2", now=now)
    alive(world.session, "here 1", "0.0.3", now=now - timedelta(minutes=1))
    world.session.commit()
    assert [(one["worker"], one["version"]) for one in rows(app, mine, "workers")] == [
        ("here 1", "0.0.3"),
        ("there 2", "0.0.1"),
    ]
    assert {one["at"] for one in rows(app, mine, "workers")} == {f"{now:%Y-%m-%dT%H:%M:%S.%f}Z"}
    theirs = bearer(world.session, name="theirs", sources=["Other"])
    for path in ("workers", "workers.csv"):
        assert "all sources" in refused(asked(app, "GET", f"/api/v1/{path}", headers=theirs), 403)
    forget_silent(world.session, now=now + timedelta(days=1))
    assert world.rows("SELECT process FROM heartbeat") == [("tick",)]


def test_overdue(app: FastAPI, mine: dict[str, str], world: World) -> None:
    """What is late, by kind, since when; who sees some sources is not told, for it is about all."""
    world.session.execute(text("UPDATE app SET evaluate_at = NULL"))
    world.session.commit()
    assert rows(app, mine, "overdue") == []
    world.session.execute(text("UPDATE app SET evaluate_at = '2026-01-01'"))
    world.session.commit()
    assert rows(app, mine, "overdue") == [{"what": "evaluations", "count": 1, "since": "2026-01-01T00:00:00Z"}]
    theirs = bearer(world.session, name="theirs", sources=["Other"])
    assert "all sources" in refused(asked(app, "GET", "/api/v1/overdue", headers=theirs), 403)


def test_polls(app: FastAPI, mine: dict[str, str], world: World) -> None:
    """The last first, of apps and lists of apps, by app, source and outcome, page by page."""
    whole = rows(app, mine, "polls")
    assert [one["started_at"] for one in whole] == sorted((one["started_at"] for one in whole), reverse=True)
    assert [one["app"] for one in whole] == ["acme:4711", "acme:4711", None]
    assert rows(app, mine, "polls?app=acme:4711") == whole[:2]
    assert [one["reason"] for one in rows(app, mine, "polls?outcome=failed&source=acme")] == ["no"]
    assert rows(app, mine, "polls?source=Other") == rows(app, mine, "polls?outcome=held") == []
    for path in ("polls?", "polls?app=acme:4711&"):
        found, cursor = [], ""
        while cursor is not None:
            page = got(app, f"{path}limit=1{cursor and '&cursor='}{cursor}", mine)
            found += page["data"]
            cursor = page["next"]
        assert found == rows(app, mine, path)
    assert len(asked(app, "GET", "/api/v1/polls.csv?outcome=complete", headers=mine).text.splitlines()) == 3
    theirs = bearer(world.session, name="theirs", sources=["Other"])
    assert rows(app, theirs, "polls") == []
    refused(asked(app, "GET", "/api/v1/polls?app=acme:4711", headers=theirs), 404)
    refused(asked(app, "GET", "/api/v1/polls?source=acme", headers=theirs), 404)


def test_polling_an_app_now(app: FastAPI, ops: dict[str, str], world: World) -> None:
    """The next tick polls it, and that somebody asked is written down."""
    assert due(world) == (0, 0)
    done = asked(app, "POST", "/api/v1/apps/acme:4711/poll", headers=ops)
    assert (done.status_code, done.json()) == (202, {"about": "acme:4711", "rests_until": None, "error": None})
    assert due(world) == (0, 1)
    assert world.rows("SELECT what, about FROM audit WHERE who = 'token ops'") == [("poll.wanted", "acme:4711")]


def test_polling_a_source_now(app: FastAPI, ops: dict[str, str], world: World) -> None:
    """The next ticks read its list and all of its apps."""
    done = asked(app, "POST", "/api/v1/sources/acme/poll", headers=ops)
    assert (done.status_code, done.json()["about"]) == (202, "acme")
    assert due(world) == (1, 1)
    assert world.rows("SELECT what, about FROM audit WHERE who = 'token ops'") == [("poll.wanted", "acme")]


def test_who_cannot_be_polled(app: FastAPI, ops: dict[str, str], mine: dict[str, str], world: World) -> None:
    """Why not, or not now, in words: the portal does not answer, the app is gone, the source is not ours any more."""

    def post(status: int, headers: dict[str, str] = ops) -> str:
        said = {refused(asked(app, "POST", f"/api/v1/{path}", headers=headers), status) for path in PATHS}
        return " ".join(said)

    assert "takes the role" in post(403, mine)
    assert "There is no such" in post(404, bearer(world.session, Scope.OPERATE, name="theirs", sources=["Other"]))
    assert due(world) == (0, 0)
    world.session.execute(text("UPDATE source SET circuit_open_until = '2100-01-01', last_error = 'closed'"))
    world.session.commit()
    for path in PATHS:
        later = asked(app, "POST", f"/api/v1/{path}", headers=ops)
        assert (later.status_code, later.json()["error"]) == (202, "closed")
        assert later.json()["rests_until"] == "2100-01-01T00:00:00Z"
    assert due(world) == (0, 0)
    world.session.execute(text("UPDATE source SET circuit_open_until = NULL, enabled = false"))
    world.session.commit()
    assert "is not polled" in refused(asked(app, "POST", f"/api/v1/{PATHS[0]}", headers=ops), 409)
    refused(asked(app, "POST", f"/api/v1/{PATHS[1]}", headers=ops), 404)
    assert len(world.rows("SELECT FROM audit WHERE who = 'token ops'")) == 2


PATHS = ("apps/acme:4711/poll", "sources/acme/poll")
