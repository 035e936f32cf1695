"""Pages that are known again, over real HTTP: an unchanged poll writes its own row, and nothing true is lost by it."""

from datetime import timedelta
from typing import Any

import pytest
from werkzeug import Request, Response

from models.record import Recorded
from tasks.poll import poll
from tests.integration.portal_double import said
from tests.integration.tasks.recorded import Ours, well
from uptake.pages import fingerprint

PAGES = "SELECT number, octet_length(hashes) / 8, etag IS NOT NULL FROM walked_page WHERE app_id = {} ORDER BY number"


class Clock:
    """Polls of one app, an hour apart."""

    def __init__(self, ours: Ours) -> None:
        self.ours = ours
        self.hours = 0

    def poll(self, *, after: int = 1) -> Recorded:
        """The next poll, which records."""
        self.hours += after
        recorded = poll(self.ours.app, now=self.ours.now + timedelta(hours=self.hours), forced=True)
        assert recorded
        return recorded

    def pages(self) -> list[tuple[Any, ...]]:
        """The pages remembered: number, rows, and whether there is an entity tag."""
        return self.ours.rows(PAGES.format(self.ours.app))

    def versions(self) -> dict[str, int]:
        """Who runs what, of those who are connected."""
        rows = self.ours.rows(
            f"""SELECT t.external_id, c.version FROM connection c JOIN tenant t ON t.id = c.tenant_id
                WHERE c.app_id = {self.ours.app} AND c.status = 'connected'"""  # noqa: S608 - a number of ours
        )
        return dict(rows)


@pytest.fixture
def clock(ours: Ours) -> Clock:
    """Recorded with all the news, so that the next poll finds nothing new."""
    clock = Clock(ours)
    clock.poll()
    clock.poll()
    return clock


def test_unchanged_poll_writes_its_own_row_only(clock: Clock) -> None:
    """A listing that is byte for byte the same changes no row but the poll's, and the app's schedule."""
    before = clock.ours.contents()
    assert clock.pages() == [(1, 2, False), (2, 2, False), (3, 1, False)]
    assert clock.poll() == Recorded("complete", 0, 0, ())
    assert clock.ours.contents() == before
    assert clock.ours.rows("SELECT pages, rows FROM poll ORDER BY id DESC LIMIT 1") == [(3, 5)]


def test_one_change_rewrites_its_page_only(clock: Clock) -> None:
    """Whoever upgraded is on one page; the others are as they were."""
    before = dict(clock.ours.rows("SELECT number, xmin::text FROM walked_page WHERE app_id = 1"))
    clock.ours.portal.tenants[4] = 3
    assert clock.poll().changed == 1
    after = dict(clock.ours.rows("SELECT number, xmin::text FROM walked_page WHERE app_id = 1"))
    assert [number for number in after if after[number] != before[number]] == [2]
    assert clock.poll().changed == 0
    assert clock.versions() == {"1": 2, "3": 1, "4": 3, "5": 2, "6": 3}


def test_gone_after_two_walks_although_pages_are_known(clock: Clock) -> None:
    """The second walk without a tenant finds every page as remembered, and still counts."""
    del clock.ours.portal.tenants[5]
    assert clock.poll().vanished == 0
    assert clock.poll().vanished == 1
    assert clock.versions() == {"1": 2, "3": 1, "4": 1, "6": 3}
    before = clock.ours.contents()
    assert clock.poll() == Recorded("complete", 0, 0, ())
    assert clock.ours.contents() == before


def test_page_with_a_row_that_cannot_be_trusted_is_read_again_each_time(clock: Clock) -> None:
    """It is not remembered: its tenant stays exempt, walk after walk, and is known again once the row is well."""

    def spoilt(request: Request) -> Response | None:
        answer = clock.ours.portal.truth(request)
        if request.path.endswith("/4711/connections") and request.args["page"] == "2":
            answer.set_data(answer.get_data().replace(b'"version": 1', b'"version": true', 1))
        return answer

    clock.ours.portal.fault = spoilt
    for _ in range(3):
        assert clock.poll() == Recorded("complete", 0, 0, (), rejected=1)
        assert [number for number, *_ in clock.pages()] == [1, 3]
        assert clock.ours.rows("SELECT rejected FROM poll ORDER BY id DESC LIMIT 1") == [(1,)]
    assert clock.versions()["4"] == 1
    clock.ours.portal.fault = well
    clock.poll()
    clock.poll()
    assert clock.versions()["4"] == 1
    assert [number for number, *_ in clock.pages()] == [1, 2, 3]


def test_forgotten_pages_cost_nothing_but_time(clock: Clock) -> None:
    """The pages are a shortcut: without them the next walk compares with the connections, and finds no news."""
    before = clock.ours.contents()
    clock.ours.execute("DELETE FROM walked_page")
    clock.ours.execute("UPDATE app SET settled = false")
    assert clock.poll() == Recorded("complete", 0, 0, ())
    assert len(clock.pages()) == 3
    after = clock.ours.contents()
    assert {name: after[name] for name in after if name != "walked_page"} == {
        name: before[name] for name in before if name != "walked_page"
    }


def test_lost_pages_delay_no_news(clock: Clock) -> None:
    """With all pages lost and nothing said about it, the next walk still finds who changed and who is gone."""
    clock.ours.execute("DELETE FROM walked_page")
    clock.ours.portal.tenants[4] = 3
    del clock.ours.portal.tenants[5]
    assert clock.poll().changed == 1
    assert clock.versions() == {"1": 2, "3": 1, "4": 3, "5": 2, "6": 3}
    assert clock.poll().vanished == 1


def test_conditional_polls_take_304_and_a_full_walk_comes_daily(clock: Clock) -> None:
    """Where the portal gives entity tags an unchanged page is not sent again; after a day all are looked at."""
    portal = clock.ours.portal
    portal.tags = True
    clock.poll(after=24)
    assert [tagged for *_, tagged in clock.pages()] == [True, True, True]
    portal.unchanged = 0
    portal.tenants[1] = 3
    assert clock.poll().changed == 1
    assert portal.unchanged == 2
    assert clock.poll().changed == 0
    assert portal.unchanged == 5
    clock.poll(after=23)
    assert portal.unchanged == 5


def test_count_of_a_page_that_is_not_sent_again_is_an_old_one(clock: Clock) -> None:
    """Where entity tags are of a page's rows alone, whoever comes changes the last page only, and spoils no walk."""
    portal = clock.ours.portal

    def tagged(request: Request) -> Response | None:
        if not request.path.endswith("/4711/connections"):
            return None
        answer = portal.truth(request)
        answer.set_etag(str(fingerprint(answer.get_data().partition(b'"totalCount"')[0])))
        answer.make_conditional(request)
        portal.unchanged += answer.status_code == 304
        return answer

    portal.fault = tagged
    clock.poll(after=24)
    portal.tenants[7], portal.unchanged = 1, 0
    # The last of the pages that tell another count is asked about once more.
    assert (clock.poll(), portal.unchanged) == (Recorded("complete", 1, 0, ()), 3)
    for _ in range(2):
        assert clock.poll() == Recorded("complete", 0, 0, ())
    assert portal.unchanged == 9
    del portal.tenants[7]
    assert [clock.poll().vanished for _ in range(2)] == [0, 1]
    # The pages before it tell an old count until somebody looks at them.
    clock.ours.execute("UPDATE app SET full_walk_at = NULL")
    assert [clock.poll() for _ in range(2)] == [Recorded("complete", 0, 0, ())] * 2


def test_whoever_goes_while_pages_are_asked_about_moves_the_others(clock: Clock) -> None:
    """The first page is as it was when it is asked about; then its first row goes, and all behind it move up by one."""
    portal = clock.ours.portal
    portal.tags = True
    clock.poll(after=24)
    clock.poll()

    def shrink(request: Request) -> Response | None:
        if request.path.endswith("/4711/connections") and request.args["page"] == "2":
            portal.fault = well
            del portal.tenants[1]
        return None

    portal.fault = shrink
    assert clock.poll().outcome == "partial"
    assert sorted(clock.versions()) == ["1", "3", "4", "5", "6"]
    assert [clock.poll().vanished for _ in range(2)] == [0, 1]
    assert sorted(clock.versions()) == ["3", "4", "5", "6"]


def test_after_an_answer_that_does_not_add_up_nothing_is_taken_on_its_word(clock: Clock) -> None:
    """A walk that ended in a contradiction is followed by one that looks at every page."""
    portal = clock.ours.portal
    portal.tags = True
    clock.poll(after=24)
    portal.fault = lambda request: said({"page": 9}) if request.path.endswith("connections") else None
    assert poll(clock.ours.app, now=clock.ours.now + timedelta(hours=30), forced=True) is None
    portal.fault, portal.unchanged = well, 0
    clock.poll()
    assert portal.unchanged == 0


def test_bytes_that_differ_each_time_are_remembered_ever_less_often(clock: Clock) -> None:
    """A portal that writes something else around the same rows costs reading, and after a while no writing."""
    said_so = iter(range(100))

    def restless(request: Request) -> Response | None:
        if not request.path.endswith("/4711/connections"):
            return None
        answer = clock.ours.portal.truth(request)
        answer.set_data(answer.get_data().replace(b'{"page"', b'{"asOf": %d, "page"' % next(said_so), 1))
        return answer

    clock.ours.portal.fault = restless
    written = []
    for _ in range(9):
        before = clock.ours.rows("SELECT digest FROM walked_page WHERE app_id = 1 ORDER BY number")
        assert clock.poll() == Recorded("complete", 0, 0, ())
        written.append(clock.ours.rows("SELECT digest FROM walked_page WHERE app_id = 1 ORDER BY number") != before)
    assert written == [True, True, False, True, False, False, False, True, False]
