"""What is newer is not overwritten by what is older, whoever of a walk, a feed and a cache comes last to tell it."""

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import text
from werkzeug import Request, Response

from models import Session
from models.record import Recorded
from tasks.poll import list_apps, poll
from tests.integration.tasks.recorded import Ours, well

FEED = "/export/connections"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def version_of(ours: Ours, tenant: int) -> int:
    """What the tenant runs of the first app, as recorded."""
    ((version,),) = ours.rows(
        f"""SELECT c.version FROM connection c JOIN tenant t ON t.id = c.tenant_id
            WHERE c.app_id = 1 AND t.external_id = '{tenant}'"""  # noqa: S608 - a number of ours
    )
    assert isinstance(version, int)
    return version


@pytest.fixture
def followed(ours: Ours) -> Ours:
    """Everything is recorded, and the feed has nothing to tell so far."""
    ours.portal.told = []
    # There was none when it was asked for first.
    for hours in (1, 2):
        assert list_apps(ours.source, now=ours.now + DAY + hours * HOUR, forced=True) == 0
        assert poll(ours.app, now=ours.now + DAY + hours * HOUR, forced=True)
    assert ours.rows("SELECT feed_from FROM source") == [("after-0",)]
    return ours


def test_a_walk_that_ends_after_the_feed_was_opened_knows_better(followed: Ours) -> None:
    """It began before; but what it read may be newer than what the feed told, and is told of once more."""
    read_at = followed.now + DAY + 3 * HOUR

    def walk_ends(request: Request) -> Response | None:
        if request.path.endswith(FEED):
            followed.portal.fault = well
            followed.portal.tenants[4] = 2
            assert poll(1, now=read_at - timedelta(seconds=1), forced=True)
            followed.execute("UPDATE app SET recorded_at = '2100-01-01' WHERE id = 1")
        return None

    followed.portal.tell(4711, 4, 3)
    followed.portal.fault = walk_ends
    assert list_apps(followed.source, now=read_at, forced=True) == 0
    assert version_of(followed, 4) == 2
    assert followed.rows("SELECT feed_from FROM source") == [("after-0",)]


def test_a_walk_says_when_it_was_recorded(followed: Ours) -> None:
    """By its end, which may be long after its beginning."""
    assert followed.rows("SELECT recorded_at >= walked_at FROM app WHERE id = 1") == [(True,)]
    started = followed.now + DAY + 3 * HOUR

    def slowly(request: Request) -> Response | None:
        if request.path.endswith("/connections"):
            followed.portal.fault = well
            time.sleep(0.5)
        return None

    followed.portal.fault = slowly
    assert poll(1, now=started, forced=True)
    ((recorded_at,),) = followed.rows("SELECT recorded_at FROM app WHERE id = 1")
    assert recorded_at >= started + timedelta(seconds=0.5)


def test_a_walk_that_is_being_recorded_is_waited_for(followed: Ours) -> None:
    """What the feed told is compared with what that walk has come to."""
    followed.portal.tell(4711, 4, 3)
    read_at, came = followed.now + DAY + 3 * HOUR, list[int | None]()
    reading = threading.Thread(target=lambda: came.append(list_apps(followed.source, now=read_at, forced=True)))
    with Session.begin() as session:
        session.execute(text("SELECT FROM app WHERE id = 1 FOR NO KEY UPDATE"))
        session.execute(text("UPDATE app SET recorded_at = :at WHERE id = 1"), {"at": read_at})
        reading.start()
        until = time.monotonic() + 10
        while followed.rows(WAITING) == [(0,)] and time.monotonic() < until:
            time.sleep(0.02)
    reading.join()
    assert came == [0]
    assert version_of(followed, 4) == 1
    assert followed.rows("SELECT feed_from FROM source") == [("after-0",)]


def test_a_walk_that_ends_leaves_the_wish_for_another(followed: Ours) -> None:
    """Whoever wants an app to be walked soon while it is may know of what that walk has not seen."""
    read_at = followed.now + DAY + 3 * HOUR

    def told_meanwhile(request: Request) -> Response | None:
        if request.path.endswith("/4711/connections") and request.args["page"] == "3":
            followed.portal.fault = well
            # A version that is not listed yet.
            followed.portal.tell(4711, 1, 9)
            followed.execute("UPDATE app SET next_poll_at = '2026-01-01', exact_until = walked_at WHERE id = 1")
        return None

    followed.portal.fault = told_meanwhile
    assert poll(1, now=read_at, forced=True)
    due, exact = "SELECT next_poll_at <= '2026-01-01' FROM app WHERE id = 1", "SELECT exact_until FROM app WHERE id = 1"
    assert followed.rows(due) == [(True,)]
    assert followed.rows(exact) != [(None,)]
    assert poll(1, now=read_at + HOUR)
    assert followed.rows(due) == [(False,)]
    assert followed.rows(exact) == [(None,)]


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
    assert version_of(ours, 4) == 2

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
    assert version_of(ours, 4) == 2


def aged(ours: Ours, request: Request, *, seconds: int) -> Response:
    """The page as a cache has kept it for so long."""
    answer = ours.portal.truth(request)
    answer.headers["Age"] = str(seconds)
    return answer
