"""A source that cannot be read is told of wherever somebody asks, and tried again when its trouble may be over."""

from datetime import timedelta

from werkzeug import Request, Response

from models import Session
from models.leases import ring_apps, ring_sources
from tasks.flush import flush_now
from tasks.poll import list_apps, poll
from tests.integration.tasks.recorded import Ours
from worker.lifecycle import adopt_sources

HOURS = timedelta(hours=7)


def down(_request: Request) -> Response:
    """The portal answers nothing but this."""
    return Response(b"oops", 500)


def shut(_request: Request) -> Response:
    """We are not let in any more."""
    return Response(b'{"error":"invalid_client"}', 401, content_type="application/json")


def test_old_answers_are_told_to_be_old(ours: Ours) -> None:
    """Whatever is asked is answered as before, and said to be old."""
    ours.execute("UPDATE app SET walked_at = now() - interval '3 hours'")
    ours.portal.fault = down
    assert list_apps(ours.source, now=ours.now + HOURS) is None
    assert "3 h ago" in ours.status()
    tenant = ours.rows("SELECT external_id FROM tenant LIMIT 1")[0][0]
    for question in (
        ["status"],
        ["laggards"],
        ["alerts"],
        ["explain", "acme:4711", tenant],
        ["timeline", tenant],
        ["plan"],
    ):
        assert "Source acme cannot be read: localhost" in ours.said(*question).stderr


def test_who_asks_of_an_app_is_told_of_its_source(ours: Ours) -> None:
    """That another one cannot be read is said where all apps are meant, and not of an app that it has not."""
    ours.execute("""INSERT INTO source (name, kind, next_poll_at, last_fault, last_error)
                    VALUES ('other', 'portal', now(), 'server', 'it is down')""")
    tenant = ours.rows("SELECT external_id FROM tenant LIMIT 1")[0][0]
    told = "Source other cannot be read: it is down."
    for question in (["laggards"], ["alerts"], ["plan"]):
        assert told in ours.said(*question).stderr
        assert not ours.said(*question, "acme:4711").stderr
    assert not ours.said("explain", "acme:4711", tenant).stderr
    ours.execute("UPDATE source SET last_fault = 'server', last_error = 'it is gone' WHERE name = 'acme'")
    said = ours.said("plan", "acme:4711").stderr
    assert said.startswith("Source acme cannot be read: it is gone.")
    assert "other" not in said


def test_failing_source_is_named_by_its_alert(ours: Ours) -> None:
    """Whoever reads the alert, in an answer or in a message, sees which source it is and what it said."""
    ours.portal.fault = down
    for _ in range(3):
        assert list_apps(ours.source, now=ours.now + HOURS, forced=True) is None
    said = ours.said("alerts").stdout
    assert "source acme" in said
    assert "answered 500 Internal Server Error" in said
    flush_now(now=ours.now + HOURS)
    assert flush_now(now=ours.now + HOURS + timedelta(minutes=1)) == 1
    ((subject, body),) = ours.rows("SELECT subject, body FROM notice")
    assert subject == "[FIRING 1] source acme: its list of apps cannot be read"
    assert "answered 500 Internal Server Error" in body


def test_silent_portal_is_not_tried_for_each_app(ours: Ours) -> None:
    """`uptake poll` asks a portal that is down once; what is asked for by name is tried all the same."""
    ours.portal.fault = down
    polls = "SELECT count(*) FROM poll WHERE outcome = 'failed' AND app_id IS NOT NULL"
    said = ours.said("poll")
    assert said.returncode == 2
    assert "UTC" in said.stdout, "an outcome of before has its time beside it"
    assert ours.rows(polls) == [(0,)]
    assert ours.said("poll", "acme:4711").returncode == 2
    assert ours.rows(polls) == [(1,)]


def test_mended_credential_is_tried_at_once(ours: Ours) -> None:
    """Whoever starts Uptake anew may have mended what the portal refused: it is asked without another wait."""
    at = ours.now + HOURS
    ours.portal.fault = shut
    assert list_apps(ours.source, now=at) is None
    assert poll(ours.app, now=at, forced=True) is None
    ours.execute("UPDATE app SET next_poll_at = next_poll_at + interval '1 day'")
    assert rung(ours) == ([], [])
    adopt_sources()
    assert rung(ours) == ([ours.source], [ours.app])


def test_what_a_restart_cannot_mend_is_waited_for(ours: Ours) -> None:
    """A portal that is down is left alone for as long as before, however often Uptake is started."""
    ours.portal.fault = down
    assert list_apps(ours.source, now=ours.now + HOURS) is None
    adopt_sources()
    assert rung(ours) == ([], [])


def rung(ours: Ours) -> tuple[list[int], list[int]]:
    """The sources and apps whose turn it is right after the trouble."""
    at = ours.now + HOURS
    with Session.begin() as session:
        return list(ring_sources(session, now=at, most=9)), list(ring_apps(session, now=at, most=9))
