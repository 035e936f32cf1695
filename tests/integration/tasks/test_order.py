"""What is newer is not overwritten by what is older, whoever of a walk, a feed and a cache comes last to tell it."""

import threading
import time
from datetime import timedelta

from sqlalchemy import text
from werkzeug import Request, Response

from models import Session
from models.record import Recorded
from tasks.poll import poll
from tests.integration.tasks.fed import FEED, Fed
from tests.integration.tasks.recorded import Ours, well

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def test_a_walk_that_ends_after_the_feed_was_opened_knows_better(fed: Fed) -> None:
    """It began before; but what it read may be newer than what the feed told, and is told of once more."""
    began = fed.now + HOUR - timedelta(seconds=1)

    def walk_ends(request: Request) -> Response | None:
        if request.path.endswith(FEED):
            fed.ours.portal.fault = well
            fed.ours.portal.tenants[4] = 2
            assert poll(1, now=began, forced=True)
            fed.ours.execute("UPDATE app SET recorded_at = '2100-01-01' WHERE id = 1")
        return None

    fed.ours.portal.tell(4711, 4, 3)
    fed.ours.portal.fault = walk_ends
    assert fed.read(after=HOUR) == 0
    assert fed.versions()["4"] == 2
    assert fed.ours.rows("SELECT feed_from FROM source") == [("after-0",)]


def test_a_walk_says_when_it_was_recorded(fed: Fed) -> None:
    """By its end, which may be long after its beginning."""
    assert fed.ours.rows("SELECT recorded_at >= walked_at FROM app WHERE id = 1") == [(True,)]

    def slowly(request: Request) -> Response | None:
        if request.path.endswith("/connections"):
            fed.ours.portal.fault = well
            time.sleep(0.5)
        return None

    fed.ours.portal.fault = slowly
    assert fed.poll()
    ((recorded_at,),) = fed.ours.rows("SELECT recorded_at FROM app WHERE id = 1")
    assert recorded_at >= fed.now + timedelta(seconds=0.5)


def test_a_walk_that_is_being_recorded_is_waited_for(fed: Fed) -> None:
    """What the feed told is compared with what that walk has come to."""
    fed.ours.portal.tell(4711, 4, 3)
    came = list[int | None]()
    reading = threading.Thread(target=lambda: came.append(fed.read()))
    with Session.begin() as session:
        session.execute(text("SELECT FROM app WHERE id = 1 FOR NO KEY UPDATE"))
        session.execute(text("UPDATE app SET recorded_at = :at WHERE id = 1"), {"at": fed.now + HOUR})
        reading.start()
        until = time.monotonic() + 10
        while fed.ours.rows(WAITING) == [(0,)] and time.monotonic() < until:
            time.sleep(0.02)
    reading.join()
    assert came == [0]
    assert fed.versions()["4"] == 1
    assert fed.ours.rows("SELECT feed_from FROM source") == [("after-0",)]


def test_a_walk_that_ends_leaves_the_wish_for_another(fed: Fed) -> None:
    """Whoever wants an app to be walked soon while it is may know of what that walk has not seen."""

    def told_meanwhile(request: Request) -> Response | None:
        if request.path.endswith("/4711/connections") and request.args["page"] == "3":
            fed.ours.portal.fault = well
            # A version that is not listed yet.
            fed.ours.portal.tell(4711, 1, 9)
            fed.ours.execute("UPDATE app SET next_poll_at = '2026-01-01', exact_until = walked_at WHERE id = 1")
        return None

    fed.ours.portal.fault = told_meanwhile
    assert fed.poll()
    due, exact = "SELECT next_poll_at <= '2026-01-01' FROM app WHERE id = 1", "SELECT exact_until FROM app WHERE id = 1"
    assert fed.ours.rows(due) == [(True,)]
    assert fed.ours.rows(exact) != [(None,)]
    assert fed.poll(after=HOUR)
    assert fed.ours.rows(due) == [(False,)]
    assert fed.ours.rows(exact) == [(None,)]


def test_a_cached_page_older_than_a_partial_walk_is_no_news(ours: Ours) -> None:
    """A walk that was not whole has recorded facts; a page that a cache kept from before them proves nothing."""
    fresh, old = ours.now + 10 * HOUR, ours.now + 10 * HOUR + 5 * MINUTE
    ours.portal.tenants = dict.fromkeys(range(1, 6), 2)

    def spoilt(request: Request) -> Response | None:
        if request.path.endswith("/4711/connections") and request.args["page"] == "3":
            return aged(ours, request, seconds=12 * 3600)
        return None

    ours.portal.fault = spoilt
    recorded = poll(1, now=fresh, forced=True)
    assert recorded
    assert recorded.outcome == "partial"
    assert Fed(ours, ours.now).versions()["4"] == 2

    def cached(request: Request) -> Response | None:
        if request.path.endswith("/4711/connections") and request.args["page"] == "2":
            # Ten minutes ago, tenant 4 ran version 1 still.
            ours.portal.tenants[4] = 1
            answer = aged(ours, request, seconds=600)
            ours.portal.tenants[4] = 2
            return answer
        return None

    ours.portal.fault = cached
    assert poll(1, now=old, forced=True) == Recorded("partial", 1, 0, ())
    assert Fed(ours, ours.now).versions()["4"] == 2


def aged(ours: Ours, request: Request, *, seconds: int) -> Response:
    """The page as a cache has kept it for so long."""
    answer = ours.portal.truth(request)
    answer.headers["Age"] = str(seconds)
    return answer
