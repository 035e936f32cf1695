"""The feed of changes, over real HTTP: what it tells is recorded without a walk, and nothing is lost where it fails."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from werkzeug import Request, Response

from models import Session
from models.feed import Taken, take_in
from models.leases import claim_app
from models.record import Recorded
from tasks import feed
from tasks import poll as tasks_poll
from tasks.edges import source_named
from tasks.poll import poll
from tasks.rules import rules
from tests.integration.portal_double import said
from tests.integration.tasks.fed import FEED, Fed
from tests.integration.tasks.recorded import well
from tests.unit.portal_examples import row

SOURCE = "SELECT feed_from, feed_since IS NOT NULL, feed_fault FROM source"
LAST_LISTING = "SELECT outcome, pages, rows, changed, reason FROM poll WHERE app_id IS NULL ORDER BY id DESC LIMIT 1"


def test_whoever_was_walked_since_the_feed_began_is_walked_once_a_day(fed: Fed) -> None:
    """The feed keeps the app's picture exact, so a walk only looks whether it told all."""
    assert fed.ours.rows(SOURCE) == [("after-0", True, None)]
    assert "acme (2 apps, followed by its feed)" in fed.ours.doctor("sources")
    assert timedelta(hours=22) < fed.due() < timedelta(hours=26)
    # The other app was walked before the feed began.
    assert fed.ours.rows("SELECT max(next_poll_at) FROM app WHERE id = 2")[0][0] < fed.now + timedelta(hours=7)


def test_what_the_feed_tells_is_recorded_without_a_walk(fed: Fed) -> None:
    """Upgrades, a return and a newcomer: connections, history, events and adoption, and judged soon."""
    fed.read()
    asked = len(fed.ours.portal.asked)
    read_at = fed.now
    for tenant, version in ((4, 3), (2, 3), (9, 2)):
        fed.tell(tenant, version)
    assert fed.read() == 3
    assert fed.versions() == {"1": 2, "2": 3, "3": 1, "4": 3, "5": 2, "6": 3, "9": 2}
    paths = [path for path, _ in fed.ours.portal.asked[asked:]]
    assert [path.partition("/portal")[0] for path in paths] == ["?1", "", ""]
    assert fed.ours.rows(LAST_LISTING) == [("complete", 2, 5, 3, None)]
    events = fed.ours.rows("SELECT type, tenant_id, data->>'not_before' FROM event ORDER BY id DESC LIMIT 3")
    assert {kind for kind, *_ in events} == {"tenant.upgraded", "tenant.connected"}
    # Nobody had changed when the feed was read before.
    upgraded = next(since for kind, _, since in events if kind == "tenant.upgraded")
    assert datetime.fromisoformat(upgraded) == read_at
    assert fed.ours.rows("SELECT evaluate_at <= now() + interval '1 day' FROM app WHERE id = 1") == [(True,)]
    assert fed.ours.rows(
        "SELECT version, tenants FROM adoption a WHERE app_id = 1 AND tenants > 0 AND day = ("
        "SELECT max(day) FROM adoption b WHERE (b.app_id, b.version) = (a.app_id, a.version)) "
        "ORDER BY 1"
    ) == [(1, 1), (2, 3), (3, 3)]


def test_the_walk_after_it_finds_no_news(fed: Fed) -> None:
    """What the feed told stands in the listing in other bytes; after one walk all is known again."""
    fed.tell(4, 3)
    fed.tell(9, 2)
    fed.tell(5, 2, deleted=True)
    assert fed.read() == 3
    assert fed.poll() == Recorded("complete", 0, 0, ())
    before = fed.ours.contents()
    assert fed.poll() == Recorded("complete", 0, 0, ())
    assert fed.ours.contents() == before


def test_what_is_told_again_changes_nothing(fed: Fed) -> None:
    """A feed repeats the last changes each time it is read; that costs no row."""
    for tenant, version in ((4, 3), (9, 2)):
        fed.tell(tenant, version)
    fed.tell(5, 2, deleted=True)
    assert fed.read() == 3
    before = fed.ours.contents()
    schedule = "SELECT poll_seq, unjudged, changed_at, settled FROM app WHERE id = 1"
    scheduled = fed.ours.rows(schedule)
    fed.ours.execute("UPDATE source SET feed_from = 'after-0'")
    assert fed.read() == 0
    assert fed.ours.contents() == before
    assert fed.ours.rows(schedule) == scheduled


def test_of_a_connection_told_of_twice_the_last_word_counts(fed: Fed) -> None:
    """Each change tells the whole of it, in the order in which they were made."""
    fed.tell(4, 3)
    fed.tell(4, 2)
    assert fed.read() == 1
    assert fed.versions()["4"] == 2


def test_whoever_is_told_to_be_gone_is_gone_at_once(fed: Fed) -> None:
    """It is proof as no absence is; whoever was never known is not gone either."""
    fed.tell(5, 2, deleted=True)
    fed.ours.portal.tell(4711, 77, 1, deleted=True)
    assert fed.read() == 1
    assert "5" not in fed.versions()
    assert fed.ours.rows("SELECT type, data->>'from_version' FROM event ORDER BY id DESC LIMIT 1") == [
        ("tenant.disconnected", "2")
    ]
    assert fed.ours.rows("SELECT count(*) FROM tenant WHERE external_id = '77'") == [(0,)]
    fed.tell(5, 2)
    assert fed.read() == 1
    assert fed.versions()["5"] == 2


def test_a_flood_of_endings_is_for_walks_to_believe(fed: Fed) -> None:
    """All tenants gone at once is an outage of the feed, until two walks and an operator say otherwise."""
    for tenant in list(fed.ours.portal.tenants):
        fed.ours.portal.tell(4711, tenant, 2, deleted=True)
    before = fed.versions()
    assert fed.read() == 0
    assert fed.versions() == before
    assert fed.due() <= timedelta()


def test_whatever_is_being_walked_is_told_once_more(fed: Fed) -> None:
    """What a walk under way has read is not known, so the feed is not gone on from."""
    fed.tell(4, 3)
    with Session.begin() as session:
        lease = claim_app(session, 1, every=timedelta(minutes=15), forced=True)
    assert lease
    assert fed.read() == 0
    assert fed.ours.rows(SOURCE) == [("after-0", True, None)]
    fed.ours.execute("UPDATE app SET lease_token = NULL, lease_until = NULL")
    assert fed.read() == 1
    assert fed.ours.rows(SOURCE) == [("after-1", True, None)]


def test_a_walk_that_began_after_the_feed_was_opened_knows_better(fed: Fed) -> None:
    """It ended before what the feed told could be recorded: that may be older."""

    def walk_first(request: Request) -> Response | None:
        if request.path.endswith(FEED):
            fed.ours.portal.fault = well
            fed.ours.portal.tenants[4] = 2
            assert poll(1, now=fed.now + timedelta(seconds=1), forced=True)
        return None

    fed.tell(4, 3)
    fed.ours.portal.fault = walk_first
    assert fed.read() == 0
    assert fed.versions()["4"] == 2
    assert fed.ours.rows(SOURCE) == [("after-0", True, None)]


def test_a_slow_walk_without_a_lease_records_nothing_after_it(fed: Fed) -> None:
    """It read before the feed told: its picture is the older one."""

    def overtaken(request: Request) -> Response | None:
        if request.path.endswith("/4711/connections") and request.args["page"] == "3":
            fed.ours.portal.fault = well
            fed.ours.execute("UPDATE app SET lease_until = now() - interval '1 minute'")
            fed.tell(1, 3)
            assert fed.read() == 1
        return None

    fed.ours.portal.fault = overtaken
    assert fed.poll() is None
    assert fed.versions()["1"] == 3


def test_a_listing_that_contradicts_the_feed_is_believed(fed: Fed) -> None:
    """The page of a row that the feed told of is read again as a whole, although its bytes are known."""
    fed.ours.portal.tell(4711, 4, 3)
    assert fed.read() == 1
    assert fed.versions()["4"] == 3
    recorded = fed.poll()
    assert recorded
    assert recorded.changed == 1
    assert fed.versions()["4"] == 1


def test_a_version_that_is_not_known_makes_a_walk_due(fed: Fed) -> None:
    """It was released after the apps were listed: a walk reads what it asks for, and when it can have been."""
    exact_at = fed.now
    fed.tell(4, 4)
    assert fed.read() == 0
    assert fed.due() <= timedelta()
    fed.read()
    fed.ours.portal.latest = 4
    assert fed.poll() == Recorded("complete", 1, 0, (4,))
    assert fed.ours.rows("SELECT exact_at FROM freshness WHERE app_id = 1") == [(fed.now,)]
    ((since,),) = fed.ours.rows(
        "SELECT data->>'not_before' FROM event WHERE type = 'tenant.upgraded' ORDER BY id DESC LIMIT 1"
    )
    assert datetime.fromisoformat(since) == exact_at


def test_whoever_is_missing_without_a_word_is_looked_for_soon(fed: Fed) -> None:
    """The feed has not told of it: the second walk, which would prove it, does not wait for tomorrow."""
    del fed.ours.portal.tenants[5]
    assert fed.poll() == Recorded("complete", 0, 0, ())
    assert fed.due() <= rules().file.polling.max
    assert fed.poll() == Recorded("complete", 1, 1, ())
    assert fed.due() > timedelta(hours=20)


def test_another_run_that_took_over_is_not_interfered_with(fed: Fed) -> None:
    """The source's lease is asked for with each app: without it nothing the feed told is recorded."""

    def overtaken(request: Request) -> Response | None:
        if request.path.endswith(FEED):
            fed.ours.portal.fault = well
            fed.ours.execute("UPDATE source SET lease_token = gen_random_uuid()")
        return None

    fed.tell(4, 3)
    fed.ours.portal.fault = overtaken
    assert fed.read() is None
    assert fed.versions()["4"] == 1
    assert fed.ours.rows(SOURCE) == [("after-0", True, None)]


def test_the_daily_walk_looks_at_all_bytes(fed: Fed) -> None:
    """It comes a little early or late, and is never one that takes the portal's word."""
    fed.ours.portal.tags = True
    fed.poll(after=timedelta(days=2))
    fed.ours.portal.unchanged = 0
    fed.poll(after=timedelta(hours=12))
    assert fed.ours.portal.unchanged == 3
    fed.poll(after=timedelta(hours=11))
    assert fed.ours.portal.unchanged == 3


@pytest.mark.parametrize(
    "bad", [{"version": "two"}, {"status": "banana"}, {"deleted": "perhaps"}], ids=["row", "status", "deleted"]
)
def test_a_row_that_cannot_be_trusted_makes_a_walk_due(fed: Fed, bad: dict[str, Any]) -> None:
    """The others are recorded; of this one a walk has to say what is so."""
    fed.ours.portal.tell(4711, 1, 3, **bad)
    fed.tell(4, 3)
    assert fed.read() == 1
    assert (fed.versions()["1"], fed.versions()["4"]) == (2, 3)
    assert fed.due() <= timedelta()


def test_changes_of_apps_that_are_unknown_or_deleted_are_passed_over(fed: Fed) -> None:
    """A new app learns all from its first walk, a deleted one nothing any more."""
    fed.ours.portal.told = [row(appId=4799, deleted=False), row(appId=4712, deleted=False)]
    fed.ours.execute("UPDATE app SET deleted_at = now() WHERE id = 2")
    before = fed.ours.contents()
    assert fed.read() == 0
    assert fed.ours.contents() == before
    assert fed.ours.rows(SOURCE) == [("after-2", True, None)]


def answers(*bodies: Any, status: int = 200) -> Any:
    """A feed that answers so, the last body again and again."""
    left = list(bodies)

    def answer(request: Request) -> Response | None:
        if not request.path.endswith(FEED):
            return None
        return said(left.pop(0) if len(left) > 1 else left[0], status)

    return answer


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (answers({}, status=404), "404"),
        (answers({"title": "from is no date"}, status=400), "400"),
        (answers({"data": []}), "is not a feed"),
        (answers({"hasMore": False, "continueFrom": "", "data": []}), "does not say where it goes on"),
        (answers({"hasMore": False, "continueFrom": "x", "data": [{"id": 1}]}), "row of no app"),
    ],
    ids=["gone", "refused", "shapeless", "endless", "nobodys"],
)
def test_without_a_feed_everybody_is_walked_as_before(fed: Fed, fault: Any, reason: str) -> None:
    """The apps are due within the usual time, spread over it; the list of apps is read as ever."""
    fed.ours.portal.fault = fault
    assert fed.read() == 0
    assert "acme (2 apps, walked)" in fed.ours.doctor("sources")
    ((token, covers, why),) = fed.ours.rows(SOURCE)
    assert (token, covers) == (None, False)
    assert reason in why
    assert timedelta() <= fed.due() <= rules().file.polling.poll_every
    ((outcome, *_, remark),) = fed.ours.rows(LAST_LISTING)
    assert (outcome, remark) == ("complete", f"no feed: {why}")
    # A walk that had begun before, and now waits for tomorrow, is called back by the next listing.
    fed.ours.execute("UPDATE app SET next_poll_at = next_poll_at + interval '1 day'")
    asked = len(fed.ours.portal.times(f"/portal/v2/organization/1001{FEED}?1"))
    fed.read()
    assert fed.due() <= rules().file.polling.poll_every
    assert len(fed.ours.portal.times(f"/portal/v2/organization/1001{FEED}?1")) == asked, (
        "it was asked for again at once"
    )
    fed.ours.portal.fault = well
    assert fed.read(after=timedelta(days=1)) == 0
    assert fed.ours.rows(SOURCE) == [("after-0", True, None)]


@pytest.mark.parametrize(
    "fault",
    [
        answers({}, status=503),
        answers(b"{", status=200),
        answers(*({"hasMore": True, "continueFrom": f"t{n % 2}", "data": []} for n in range(4))),
    ],
    ids=["down", "cut", "circle"],
)
def test_a_feed_that_fails_for_once_is_waited_for(fed: Fed, fault: Any) -> None:
    """Nobody is walked for it; only when it stays away is it given up."""
    fed.tell(4, 3)
    fed.ours.portal.fault = fault
    assert fed.read() == 0
    assert fed.ours.rows(SOURCE) == [("after-0", True, None)]
    assert fed.due() > timedelta(hours=20)
    assert fed.read(after=timedelta(hours=1)) == 0
    assert fed.ours.rows(SOURCE)[0][:2] == (None, False)
    assert fed.due() <= rules().file.polling.poll_every


def test_what_was_told_before_a_failure_is_told_again(fed: Fed) -> None:
    """The first page is recorded or not; after the failure the feed begins where it was."""
    for tenant, version in ((4, 3), (1, 3), (9, 2)):
        fed.tell(tenant, version)

    def second_page(request: Request) -> Response | None:
        return said({}, 503) if request.path.endswith(FEED) and request.args["from"] == "after-2" else None

    fed.ours.portal.fault = second_page
    fed.read()
    fed.ours.portal.fault = well
    fed.read()
    assert fed.versions() == {"1": 3, "3": 1, "4": 3, "5": 2, "6": 3, "9": 2}
    assert fed.ours.rows(SOURCE) == [("after-3", True, None)]


def test_what_was_recorded_before_a_failure_is_not_told_again(fed: Fed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long feed goes on, next time, from the last changes that were recorded; it was not read as a whole, though."""
    monkeypatch.setattr(feed, "MANY", 2)
    ((fed_at,),) = fed.ours.rows("SELECT fed_at FROM source")
    for tenant, version in ((4, 3), (1, 3), (9, 2), (2, 3)):
        fed.tell(tenant, version)
    fed.ours.portal.fault = lambda request: said({}, 503) if request.args.get("from") == "after-2" else None
    assert fed.read() == 2
    assert fed.ours.rows(SOURCE) == [("after-2", True, None)]
    assert fed.ours.rows("SELECT fed_at FROM source") == [(fed_at,)]
    fed.ours.portal.fault = well
    assert fed.read() == 2
    assert fed.ours.rows(SOURCE) == [("after-4", True, None)]


def test_nothing_is_gone_on_from_behind_an_app_that_was_busy(fed: Fed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its changes have to be told once more, and with them all that came after."""
    monkeypatch.setattr(feed, "MANY", 2)
    for tenant, version in ((4, 3), (1, 3), (9, 2)):
        fed.tell(tenant, version)
    with Session.begin() as session:
        assert claim_app(session, 1, every=timedelta(minutes=15), forced=True)
    assert fed.read() == 0
    assert fed.ours.rows(SOURCE) == [("after-0", True, None)]


@pytest.mark.parametrize("is_stopping", [False, True], ids=["late", "stopping"])
def test_a_feed_without_an_end_costs_the_feed_only(
    fed: Fed, monkeypatch: pytest.MonkeyPatch, is_stopping: bool
) -> None:
    """When the task's time is over the list of apps is recorded all the same; a worker that stops gives it all back."""
    monkeypatch.setattr(feed, "is_stopping", lambda: is_stopping)
    monkeypatch.setattr(tasks_poll, "is_stopping", lambda: is_stopping)
    ended = [SoftTimeLimitExceeded()]

    def over(*args: Any, **named: Any) -> Taken:
        if ended:
            raise ended.pop()
        return take_in(*args, **named)

    monkeypatch.setattr(feed, "take_in", over)
    fed.tell(4, 3)
    assert fed.read() == (None if is_stopping else 0)
    ((outcome, *_, reason),) = fed.ours.rows(LAST_LISTING)
    if not is_stopping:
        assert (outcome, reason) == ("complete", "no feed: no end of the feed while there was time")
    assert fed.ours.rows(SOURCE) == [("after-0", True, None)]
    assert fed.ours.rows("SELECT lease_token, failures FROM source") == [(None, 0)]
    # What was under way got one more try.
    assert fed.versions()["4"] == 3


def test_a_feed_that_asks_us_to_wait_is_obeyed_by_all(fed: Fed) -> None:
    """The list of apps was answered in the same run; nobody asks this portal for anything all the same."""
    fed.ours.portal.fault = lambda request: (
        Response(b"", 429, headers={"Retry-After": "600"}) if request.path.endswith(FEED) else None
    )
    fed.read()
    ((until,),) = fed.ours.rows("SELECT circuit_open_until FROM source")
    assert until == fed.now + timedelta(seconds=600)
    # One that is only broken concerns nobody else.
    fed.ours.portal.fault = answers({}, status=500)
    fed.ours.execute("UPDATE source SET circuit_open_until = NULL, last_fault = NULL")
    fed.read()
    assert fed.ours.rows("SELECT circuit_open_until FROM source") == [(None,)]


def test_a_feed_may_be_left_alone(fed: Fed, chosen: Any) -> None:
    """`feed = false` in uptake.toml: each app is walked."""
    fed.ours.portal.toml(chosen, "feed = false")
    for cache in (rules, source_named):
        cache.cache_clear()
    asked = len(fed.ours.portal.asked)
    assert fed.read() == 0
    assert not [path for path, _ in fed.ours.portal.asked[asked:] if FEED in path]
    assert fed.ours.rows(SOURCE) == [(None, False, None)]
    assert fed.due() <= rules().file.polling.poll_every


def test_an_approval_makes_a_walk_due(fed: Fed) -> None:
    """It changes how tenants who never connected are listed, and no feed tells of that."""
    fed.ours.execute("UPDATE app SET approval = 'pending'")
    fed.read()
    assert fed.due() <= timedelta()


def test_a_busy_source_is_read_as_often_as_its_busiest_app(fed: Fed) -> None:
    """The feed is read by the pace of the newest release of any app."""
    fed.ours.execute("UPDATE app_version SET released_at = (SELECT max(started_at) FROM poll) WHERE number = 3")
    fed.read()
    ((due,),) = fed.ours.rows("SELECT next_poll_at FROM source")
    assert due - fed.now <= rules().file.polling.poll_every * 0.25 * 1.05
