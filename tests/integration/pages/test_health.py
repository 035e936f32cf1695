"""Health: what is wrong is said with what to do, to whom it concerns, and polls can be asked for."""

from datetime import timedelta
from importlib.metadata import version

import pytest
from sqlalchemy import text

from models import Role, db_now
from models.alive import alive
from models.listing import sync_sources
from models.stopped import stop
from tests.integration.models.world import World
from tests.integration.pages.browser import Browser, words


@pytest.fixture
def ailing(world: World) -> World:
    """A source with an app of which the last poll failed, and another source; a worker that looks for work."""
    world.now = db_now(world.session) - timedelta(hours=6)
    world.put("1", 1)
    for _ in range(6):
        world.poll(after=timedelta(hours=1))
    session = world.session
    session.execute(
        text("""UPDATE poll SET outcome = 'failed', reason = 'it is <b>shut</b>', duration_seconds = 7.5
                WHERE started_at = (SELECT max(started_at) FROM poll)""")
    )
    session.execute(text("UPDATE app SET failures = 2, evaluate_at = NULL, next_poll_at = '2100-01-01'"))
    sync_sources(session, [("acme", "portal"), ("other", "portal")], now=world.now)
    session.execute(text("UPDATE source SET next_poll_at = '2100-01-01'"))
    session.execute(text("INSERT INTO heartbeat (process, at) VALUES ('tick', now()) ON CONFLICT DO NOTHING"))
    session.commit()
    return world


def due(world: World) -> list[tuple[int, ...]]:
    """How many apps and sources are due."""
    count = "(SELECT count(*) FROM {} WHERE next_poll_at <= clock_timestamp())"
    return world.rows(f"SELECT {count.format('app')}, {count.format('source')}")


def test_what_is_wrong(ailing: World, database_url: str) -> None:
    """Who is alive, what failed and why, how long it took, and what waits."""
    page = Browser(ailing.session, database_url).opens("/health")
    said = words(page)
    assert "No worker has" not in said
    assert "Apps that cannot be read 1" in said
    assert "Of them failed 1" in said
    assert "it is &lt;b&gt;shut" in page
    assert "2 times in a row" in said
    assert "7.50 s" in said
    assert "Overdue nothing" in said
    assert "Nothing waits" in said
    assert "PostgreSQL" in said
    assert "Median, in seconds" in page


def test_trouble_is_said(ailing: World, database_url: str) -> None:
    """No tick, a receiver that refuses, work that is late, a source that cannot be read: each in words on top."""
    session = ailing.session
    stop(session, "ops", reason="it is gone", now=db_now(session))
    session.execute(text("UPDATE heartbeat SET at = now() - interval '5 minutes'"))
    session.execute(text("UPDATE app SET evaluate_at = now() - interval '1 hour'"))
    session.execute(text("UPDATE source SET last_fault = 'auth', last_error = 'it is closed' WHERE name = 'other'"))
    session.execute(
        text("""INSERT INTO notice (key, receiver, "to", reason, subject, body, state, created_at, due_at)
                VALUES ('x', 'ops', '', 'first', 'More', '', 'due', now(), now()),
                    ('y', 'ops', '', 'first', 'Told', '', 'sent', now(), now())""")
    )
    session.commit()
    said = words(Browser(session, database_url).opens("/health"))
    assert "No worker has looked for due work for 5 min" in said
    assert "Receiver ops cannot be used" in said
    assert "1 messages wait for it" in said
    assert "Messages that wait 1" in said
    assert "Overdue: 1 evaluations" in said
    assert "it is closed" in said
    assert "Sources that answer 1 of 2" in said
    session.execute(text("DELETE FROM heartbeat"))
    assert "No worker has ever looked" in words(
        Browser(session, database_url, Role.VIEWER, name="bob").opens("/health")
    )


def test_two_versions_at_once(ailing: World, database_url: str) -> None:
    """Each worker is there with its version; that two run is said, of those of which something was heard of late."""
    session = ailing.session
    page = Browser(session, database_url, Role.VIEWER)
    now, mine = db_now(session), version("uptake")
    alive(session, "here 1", mine, now=now)
    alive(session, "there 2", "0.0.1", now=now - timedelta(minutes=6))
    said = words(page.opens("/health"))
    assert f"Worker here 1 Uptake {mine}, looked for work" in said
    assert "Worker there 2 Uptake 0.0.1, looked for work 6 min ago" in said
    assert "run at once" not in said
    alive(session, "there 2", "0.0.1", now=now)
    assert f"Uptake 0.0.1 and {mine} run at once" in words(page.opens("/health"))
    page = Browser(session, database_url, Role.VIEWER, name="bob", sources=["other"])
    said = words(page.opens("/health"))
    assert f"Uptake 0.0.1 and {mine} run at once" in said
    assert "here 1" not in said
    assert "there 2" not in said


def test_apps(ailing: World, database_url: str) -> None:
    """Those that cannot be read, or all of them; polled in pages by their names."""
    viewer = Browser(ailing.session, database_url, Role.VIEWER)
    assert "Dispatch Helper" in viewer.opens("/health")
    ailing.session.execute(text("UPDATE app SET failures = 0"))
    assert "was read to its end" in viewer.opens("/health")
    assert "Dispatch Helper" in viewer.opens("/health?apps=all")
    assert "/apps/acme:4711" not in viewer.opens("/health?apps=all&after=acme:4711").partition('id="polls"')[0]
    assert "/apps/acme:4711" in viewer.opens("/health?apps=all&after=acme:4710").partition('id="polls"')[0]


def test_others_sources(ailing: World, database_url: str) -> None:
    """Who sees one source is told nothing of another's polls, apps and messages, nor what is late in all."""
    page = Browser(ailing.session, database_url, Role.VIEWER, sources=["other"]).opens("/health?apps=all")
    assert "acme" not in page
    assert "Dispatch" not in page
    assert "Overdue" not in page
    assert "Polls in a day 0" in words(page)


def test_poll_now(ailing: World, database_url: str) -> None:
    """An app, or a source with all of its apps, is due at once; it is in the trail, and nobody else may ask for it."""
    operator = Browser(ailing.session, database_url, Role.OPERATOR)
    done = operator.sends("/health", app="acme:4711")
    assert done.status_code == 303
    assert "as soon as a worker is free" in operator.opens(done.headers["location"])
    assert due(ailing) == [(1, 0)]
    ailing.session.execute(text("UPDATE app SET next_poll_at = '2100-01-01'"))
    assert operator.sends("/health", source="acme").status_code == 303
    assert due(ailing) == [(1, 1)]
    assert operator.sends("/health", app="acme:1").status_code == 404
    ailing.session.execute(
        text(
            "UPDATE source SET circuit_open_until = now() + interval '1 hour', last_error = 'down' WHERE name = 'acme'"
        )
    )
    resting = operator.sends("/health", source="acme")
    assert (resting.status_code, "acme is polled after" in words(resting.text)) == (200, True)
    assert [row[0] for row in ailing.rows("SELECT about FROM audit WHERE who = 'ada' ORDER BY id")] == [
        "acme:4711",
        "acme",
        "acme",
    ]
    viewer = Browser(ailing.session, database_url, Role.VIEWER, name="bob")
    assert "Poll now" not in viewer.opens("/health?apps=all")
    assert viewer.sends("/health", source="acme").status_code == 403
    limited = Browser(ailing.session, database_url, Role.OPERATOR, name="cy", sources=["other"])
    assert limited.sends("/health", app="acme:4711").status_code == 404
