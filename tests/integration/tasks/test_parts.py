"""A large app, read in parts by several workers over real HTTP and recorded as one observation."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session as OrmSession
from werkzeug import Request, Response

from models import Session
from models.leases import LEASE, AppLease, LeaseLostError
from models.parts import (
    Part,
    PartLostError,
    Progress,
    claim_part,
    extend_part,
    found_in_parts,
    give_part_back,
    progress,
)
from models.record import Recorded
from tasks import edges, parts, walk
from tasks.parts import read_parts
from tasks.poll import poll
from tasks.sweep import sweep_now
from tests.integration.portal_double import said
from tests.integration.tasks.recorded import Ours, well
from uptake.sources import portal_pages

LAST = (
    "SELECT outcome, pages, rows, changed, rejected, fault, reason FROM poll WHERE app_id = 1 ORDER BY id DESC LIMIT 1"
)
PARTS = "SELECT number, first_page, last_page FROM walk_part ORDER BY number"
CONNECTED = """
SELECT t.external_id::int, c.version FROM connection c JOIN tenant t ON t.id = c.tenant_id
WHERE c.app_id = 1 AND c.status = 'connected'
"""


class Large:
    """An app of twenty tenants, two on a page, four in a part."""

    def __init__(self, ours: Ours) -> None:
        self.ours = ours
        self.hours = 0
        self.rung: list[int] = []
        self.is_heard = True

    def poll(self, *, believe: bool = False) -> Recorded | None:
        """The next poll, an hour later."""
        self.hours += 1
        now = self.ours.now + timedelta(hours=self.hours)
        return poll(1, now=now, forced=True, believe_absence=believe)

    def ring(self, _task: object, app: int) -> bool:
        """The bell, to a broker that is there or not; nobody comes."""
        self.rung.append(app)
        return self.is_heard

    def connected(self) -> dict[int, int]:
        """Who runs what."""
        return dict(self.ours.rows(CONNECTED))

    def last(self) -> tuple[Any, ...]:
        """What the last run of the app came to."""
        return self.ours.rows(LAST)[0]

    def left(self) -> tuple[int, int]:
        """How many parts and rows were left lying about."""
        ((parts_left, rows_left),) = self.ours.rows(
            "SELECT (SELECT count(*) FROM walk_part), (SELECT count(*) FROM walk_row)"
        )
        return parts_left, rows_left


@pytest.fixture
def large(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> Iterator[Large]:
    """Twenty tenants, of which five are known; nobody hears the bells unless a test says so."""
    monkeypatch.setattr(walk, "LARGE", 6)
    monkeypatch.setattr(parts, "ROWS", 4)
    made = Large(ours)
    monkeypatch.setattr(parts, "ring", made.ring)
    ours.portal.tenants = dict.fromkeys(range(1, 21), 1)
    yield made
    ours.portal.fault = well


def every_fault(large: Large, at: str, answer: Any) -> None:
    """Let the portal answer so for the page *at*."""

    def fault(request: Request) -> Response | None:
        is_meant = request.path.endswith("/4711/connections") and request.args["page"] == at
        return answer(request) if is_meant else None

    large.ours.portal.fault = fault


def test_one_observation(large: Large) -> None:
    """One worker alone reads all parts: one run, one row of it, and the next finds nothing new."""
    assert large.poll() == Recorded("complete", 15, 0, (3,))
    assert large.last() == ("complete", 10, 20, 15, 0, None, None)
    assert large.connected() == dict.fromkeys(range(1, 21), 1)
    assert large.left() == (0, 0)
    assert large.rung == [1] * 4
    before = large.ours.contents()
    assert large.poll() == Recorded("complete", 0, 0, ())
    assert large.ours.contents() == before
    assert large.ours.rows("SELECT count(*) FROM walked_page WHERE app_id = 1") == [(10,)]


def test_several_workers_share_it(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever hears the bell reads parts too; each page is read by one of them."""
    helped: list[int] = []
    helpers: list[threading.Thread] = []
    # A client belongs to one thread.
    monkeypatch.setattr(parts, "source_named", edges.source_named.__wrapped__)
    together = threading.Barrier(3, timeout=20)

    def slow(request: Request) -> Response | None:
        if request.path.endswith("/4711/connections") and request.args["page"] in {"1", "3", "5"} and len(helpers) == 2:
            together.wait()
        return None

    def ring(_task: object, app: int) -> bool:
        if len(helpers) < 2:
            helpers.append(threading.Thread(target=lambda: helped.append(read_parts(app))))
            helpers[-1].start()
        return True

    monkeypatch.setattr(parts, "ring", ring)
    asked = len(large.ours.portal.asked)
    large.ours.portal.fault = slow
    assert large.poll() == Recorded("complete", 15, 0, (3,))
    for helper in helpers:
        helper.join()
    assert sum(helped) >= 2
    pages = [path for path, _ in large.ours.portal.asked[asked:] if path.startswith("/4711/connections")]
    # The first page also told how large the app is.
    assert sorted(pages) == sorted(["/4711/connections?1", *(f"/4711/connections?{n}" for n in range(1, 11))])
    assert large.connected() == dict.fromkeys(range(1, 21), 1)


def test_what_a_killed_helper_took_is_read_by_the_owner(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lease runs out; nothing is lost but time."""
    taken: list[Any] = []

    def ring(_task: object, app: int) -> bool:
        if not taken:
            with Session.begin() as session:
                taken.append(claim_part(session, app))
            # Its time goes by.
            threading.Timer(1.0, lambda: large.ours.execute("UPDATE walk_part SET lease_until = now()")).start()
        return True

    monkeypatch.setattr(parts, "ring", ring)
    assert large.poll() == Recorded("complete", 15, 0, (3,))
    assert taken[0].span.first == 1


@pytest.mark.parametrize(("at_once", "helpers"), [(1, 0), (2, 1), (3, 2), (99, 4)])
def test_helpers_are_no_more_than_may_read_at_once(
    large: Large, monkeypatch: pytest.MonkeyPatch, at_once: int, helpers: int
) -> None:
    """With the walk's owner they are as many as the source bears; the owner reads what is left over."""
    with Session.begin() as session:
        session.execute(text("UPDATE source SET at_once = :at_once"), {"at_once": at_once})
    claimed: list[Part] = []
    own: list[Part | None] = []

    def ring(_task: object, app: int) -> bool:
        with Session.begin() as session:
            # The owner has begun, too.
            own.extend([] if own else [claim_part(session, app)])
            part = claim_part(session, app, helps=True)
        claimed.extend([part] if part else [])
        return True

    def looked(session: OrmSession, lease: AppLease) -> Progress:
        """The helpers die while the owner waits for them."""
        for part in (*own, *claimed):
            if part:
                give_part_back(session, part)
        return progress(session, lease)

    monkeypatch.setattr(parts, "ring", ring)
    monkeypatch.setattr(parts, "_LOOK_AGAIN", 0)
    monkeypatch.setattr(parts, "progress", looked)
    assert large.poll() is not None
    assert len(claimed) == helpers


def test_what_was_found_is_loaded_once(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the owner waits for helpers, what they found is read when all of it is there."""
    large.poll()
    loads: list[int] = []

    def loaded(session: OrmSession, lease: AppLease) -> list[bytes | None]:
        loads.append(1)
        return found_in_parts(session, lease)

    waits = iter((1, 2, 3))
    monkeypatch.setattr(parts, "found_in_parts", loaded)
    monkeypatch.setattr(parts, "_LOOK_AGAIN", 0)
    monkeypatch.setattr(parts, "read_parts", lambda app, between: next(waits, 0) or read_parts(app, between))
    assert large.poll()
    assert next(waits, None) is None
    assert loads == [1]


def test_a_helper_that_is_too_late_leaves_nothing(large: Large) -> None:
    """The walk is over, or another worker's by now: what it read is thrown away."""
    with Session.begin() as session:
        session.execute(text("UPDATE app SET next_poll_at = now() + interval '1 day'"))

    def overtaken(_request: Request) -> None:
        large.ours.portal.fault = well
        large.ours.execute("UPDATE app SET lease_token = gen_random_uuid() WHERE id = 1")

    every_fault(large, "4", overtaken)
    assert large.poll() is None
    assert large.ours.rows("SELECT count(*) FROM walk_row WHERE part = 2") == [(0,)]
    assert len(large.connected()) == 5


def test_a_crash_of_the_database_empties_the_parts(large: Large) -> None:
    """Unlogged tables are empty after it: the walk is thrown away, and the next one begins anew."""

    def crashed(_request: Request) -> None:
        large.ours.portal.fault = well
        large.ours.execute("TRUNCATE walk_part, walk_row")

    every_fault(large, "7", crashed)
    assert large.poll() is None
    assert len(large.connected()) == 5
    large.ours.execute("UPDATE app SET lease_token = NULL, lease_until = NULL")
    assert large.poll() == Recorded("complete", 15, 0, (3,))
    assert large.ours.rows("SELECT relpersistence::text FROM pg_class WHERE relname IN ('walk_part', 'walk_row')") == [
        ("u",),
        ("u",),
    ]


def test_a_crash_after_the_last_part_records_nothing(large: Large) -> None:
    """The new rows are gone and the app's lease is not: no page is remembered of which no row was stored."""

    def crashed(request: Request) -> None:
        # The versions are read before the pages, and again after them.
        if request.path.endswith("/4711/versions") and large.left()[1]:
            large.ours.portal.fault = well
            large.ours.execute("TRUNCATE walk_part, walk_row")

    large.ours.portal.fault = crashed
    assert large.poll() is None
    assert large.ours.portal.fault is well
    large.ours.execute("UPDATE app SET lease_token = NULL, lease_until = NULL")
    assert large.poll() == Recorded("complete", 15, 0, (3,))
    assert large.connected() == dict.fromkeys(range(1, 21), 1)


@pytest.mark.parametrize("step", ["claim_part", "remembered_pages", "found_in_parts"])
def test_a_restart_of_the_database_costs_time_only(large: Large, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Whatever was being asked of it; what is read already stands there still."""
    steps = vars(parts)
    real = steps[step]
    ended: list[str] = []

    def restarted(session: OrmSession, *args: Any, **named: Any) -> Any:
        if not ended:
            ended.append(step)
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return real(session, *args, **named)

    monkeypatch.setattr(parts, step, restarted)
    assert large.poll() == Recorded("complete", 15, 0, (3,))
    assert ended


def test_what_a_walk_left_is_not_mixed_with_the_next(large: Large) -> None:
    """An owner that failed or died leaves parts and rows; the next one begins anew."""
    every_fault(large, "6", lambda _request: said({}, 400))
    assert large.poll() is None
    assert large.left()[0] == 5
    large.ours.portal.tenants = dict.fromkeys(range(3, 21), 2)
    large.ours.portal.fault = well
    assert large.poll() == Recorded("complete", 18, 0, (3,))
    # Whoever was known before is missing for the first time.
    assert large.connected() == {1: 1, 2: 1, **dict.fromkeys(range(3, 21), 2)}
    assert large.left() == (0, 0)


def test_what_nobody_ended_is_swept(large: Large) -> None:
    """Parts of a walk that failed stay until the next one, or a sweep."""
    every_fault(large, "6", lambda _request: said({}, 400))
    assert large.poll() is None
    assert large.left() != (0, 0)
    sweep_now()
    assert large.left() == (0, 0)


@pytest.mark.parametrize("helps", [False, True], ids=["owner", "helper"])
def test_a_part_that_fails_fails_the_walk(large: Large, monkeypatch: pytest.MonkeyPatch, helps: bool) -> None:
    """With its own fault, whoever met it; nothing is recorded but that."""
    every_fault(large, "6", lambda _request: said({"page": 99, "hasMore": True, "data": []}))

    def ring(_task: object, app: int) -> bool:
        if not large.rung:
            large.rung.append(read_parts(app))
        return True

    if helps:
        monkeypatch.setattr(parts, "ring", ring)
    before = large.connected()
    assert large.poll() is None
    assert large.last()[0] == "failed"
    assert large.last()[5:] == ("paging", "the list of connections of app 4711 gave page 99 for page 6")
    assert large.connected() == before
    assert large.ours.rows("SELECT lease_token, full_walk_at FROM app WHERE id = 1") == [(None, None)]


def test_a_portal_that_failed_one_part_is_not_asked_for_others(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk has failed; whoever is reading another part of it finds out before long, and stops."""
    monkeypatch.setattr(parts, "LEASE", timedelta())
    taken = []

    def limited(_request: Request) -> Response:
        with Session.begin() as session:
            taken.append(claim_part(session, 1))
        return Response(b"", 429, headers={"Retry-After": "60"})

    every_fault(large, "6", limited)
    asked = len(large.ours.portal.asked)
    assert large.poll() is None
    assert large.last()[5] == "rate_limited"
    # The third part failed; the fourth is a helper's, and nobody has asked for the fifth.
    assert [part.number for part in taken if part] == [4]
    assert not [path for path, _ in large.ours.portal.asked[asked:] if path.endswith("/4711/connections?9")]
    large.ours.execute("UPDATE app SET lease_token = (SELECT token FROM walk_part LIMIT 1) WHERE id = 1")
    with Session.begin() as session, pytest.raises(PartLostError):
        extend_part(session, taken[0])  # type: ignore[arg-type]


def test_an_owner_that_lost_its_lease_leaves_the_next_ones_parts(large: Large) -> None:
    """It may have taken one of them: that one is free again at once, and it takes no other."""

    def lost() -> None:
        raise LeaseLostError

    every_fault(large, "6", lambda _request: said({}, 400))
    assert large.poll() is None
    large.ours.portal.fault = well
    large.ours.execute("""
        UPDATE app SET lease_token = (SELECT token FROM walk_part LIMIT 1), lease_until = now() + interval '1 minute'
        WHERE id = 1""")
    large.ours.execute("UPDATE walk_part SET found = NULL, failed = false, lease_until = NULL")
    with pytest.raises(LeaseLostError):
        read_parts(1, lost)
    assert large.ours.rows("SELECT count(*) FROM walk_part WHERE lease_until IS NOT NULL OR found IS NOT NULL") == [
        (0,)
    ]


def test_rows_that_move_from_part_to_part_are_no_news(large: Large) -> None:
    """Somebody at the front leaves, and all the others move up by one row."""
    large.poll()
    del large.ours.portal.tenants[1]
    assert large.poll() == Recorded("complete", 0, 0, ())
    assert large.poll() == Recorded("complete", 1, 1, ())
    assert large.connected() == dict.fromkeys(range(2, 21), 1)
    before = large.ours.contents()
    assert large.poll() == Recorded("complete", 0, 0, ())
    assert large.ours.contents() == before


def test_upgrades_in_each_part(large: Large) -> None:
    """Only pages with news are written again."""
    large.poll()
    large.ours.portal.tenants |= {2: 2, 10: 3, 20: 3}
    pages = "SELECT number, xmin::text FROM walked_page WHERE app_id = 1"
    before = dict(large.ours.rows(pages))
    assert large.poll() == Recorded("complete", 3, 0, ())
    assert sorted(n for n, at in large.ours.rows(pages) if before[n] != at) == [1, 5, 10]
    assert large.connected() == dict.fromkeys(range(1, 21), 1) | {2: 2, 10: 3, 20: 3}


def test_a_listing_that_shrinks_under_way_proves_no_absence(large: Large) -> None:
    """Pages beyond the new end are empty: the walk is partial, and nobody is gone."""
    large.poll()

    def shrink(_request: Request) -> None:
        large.ours.portal.fault = well
        for tenant in range(14, 21):
            del large.ours.portal.tenants[tenant]

    every_fault(large, "5", shrink)
    recorded = large.poll()
    assert recorded
    assert (recorded.outcome, recorded.vanished) == ("partial", 0)
    assert len(large.connected()) == 20
    assert [large.poll().vanished for _ in range(2)] == [0, 7]  # type: ignore[union-attr]


def test_a_listing_that_grows_under_way_is_partial(large: Large) -> None:
    """The last part is open to the end."""
    large.poll()

    def grow(_request: Request) -> None:
        large.ours.portal.fault = well
        large.ours.portal.tenants |= dict.fromkeys(range(21, 27), 2)

    every_fault(large, "5", grow)
    recorded = large.poll()
    assert recorded
    assert (recorded.outcome, recorded.changed) == ("partial", 6)
    assert len(large.connected()) == 26


@pytest.mark.parametrize("many", [6, 50], ids=["together", "alone"])
@pytest.mark.parametrize("forgotten", ["", "DELETE FROM walked_page WHERE number = 5"], ids=["known", "forgotten"])
def test_a_page_from_an_old_cache_proves_nothing(
    large: Large, monkeypatch: pytest.MonkeyPatch, many: int, forgotten: str
) -> None:
    """Whoever reads it: the run is partial, whoever is on that page stays as they were, and nobody is gone."""
    large.poll()
    monkeypatch.setattr(walk, "LARGE", many)
    large.ours.execute(forgotten or "SELECT 1")
    large.ours.portal.tenants |= {2: 2, 9: 2}

    def cached(request: Request) -> Response:
        answer = large.ours.portal.truth(request)
        answer.headers["Age"] = "7200"
        return answer

    every_fault(large, "5", cached)
    assert large.poll() == Recorded("partial", 1, 0, ())
    assert large.last()[6].startswith("stale: a page came from a cache, 7200 s old")
    assert "grew or shrank" not in large.last()[6]
    assert large.connected() == dict.fromkeys(range(1, 21), 1) | {2: 2}
    large.ours.portal.fault = well
    assert large.poll() == Recorded("complete", 1, 0, ())


def test_rows_that_cannot_be_trusted(large: Large) -> None:
    """Their tenants stay as they were, their pages are read again, and the run tells of them."""
    large.poll()

    def spoilt(request: Request) -> Response:
        answer = large.ours.portal.truth(request)
        answer.set_data(answer.get_data().replace(b'"version": 2', b'"version": true', 1))
        return answer

    large.ours.portal.tenants |= {9: 2, 20: 2}
    every_fault(large, "5", spoilt)
    assert large.poll() == Recorded("complete", 1, 0, (), rejected=1)
    assert large.last()[4] == 1
    assert "tenant 9" in large.last()[6]
    assert large.ours.rows("SELECT count(*) FROM walked_page WHERE app_id = 1 AND number = 5") == [(0,)]
    for _ in range(2):
        assert large.poll() == Recorded("complete", 0, 0, (), rejected=1)
    assert large.connected()[9] == 1


def test_a_part_begins_on_any_page(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one worker reads is bounded, not where it stands in the listing; the last part may grow like others."""
    monkeypatch.setattr(portal_pages, "MOST_PAGES", 3)

    def grow(_request: Request) -> None:
        large.ours.portal.fault = well
        large.ours.portal.tenants |= {21: 1}

    every_fault(large, "9", grow)
    assert large.poll() == Recorded("partial", 16, 0, (3,))
    assert large.poll() == Recorded("complete", 0, 0, ())


@pytest.mark.parametrize(("version", "expected"), [(1, 0), (2, 1)], ids=["same", "different"])
def test_a_tenant_in_two_parts(large: Large, version: int, expected: int) -> None:
    """Listed twice with the same facts is once; with different ones nothing is known of it."""
    large.poll()

    def doubled(request: Request) -> Response:
        answer = large.ours.portal.truth(request)
        data = answer.get_data().replace(b'"id": "20"', b'"id": "3"').replace(b'"id": 20,', b'"id": 3,')
        data = data.replace(b"cid.4711.20", b"cid.4711.3").replace(b"Tenant 20", b"Tenant 3")
        answer.set_data(data)
        return answer

    large.ours.portal.tenants[20] = version
    every_fault(large, "10", doubled)
    recorded = large.poll()
    assert recorded
    assert recorded.rejected == expected
    assert large.connected() == dict.fromkeys(range(1, 21), 1)


def test_of_two_new_rows_of_one_tenant_neither_is_believed(large: Large) -> None:
    """Found new in two parts with different facts, by SQL as by the worker that reads alone."""

    def doubled(request: Request) -> Response:
        answer = large.ours.portal.truth(request)
        data = answer.get_data().replace(b'"id": "20"', b'"id": "9"').replace(b"cid.4711.20", b"cid.4711.9")
        answer.set_data(data.replace(b'"id": 20,', b'"id": 9,'))
        return answer

    large.ours.portal.tenants[20] = 2
    every_fault(large, "10", doubled)
    assert large.poll() == Recorded("complete", 13, 0, (3,), rejected=1)
    assert 9 not in large.connected()
    assert "tenant 9: listed twice, differently" in large.last()[6]


def test_whoever_repeats_a_page_of_another_part_is_caught(large: Large) -> None:
    """Each part is well by itself."""
    first = large.ours.portal.truth

    def repeated(request: Request) -> Response:
        answer = first(request)
        rows = answer.get_json()
        wanted = list(rows["data"])
        again = [
            row
            | {
                "id": n,
                "resourceOwner": {"kind": "tenant", "id": str(n), "name": f"Tenant {n}"},
                "clientId": f"cid.4711.{n}",
            }
            for row, n in zip(wanted, (1, 2), strict=True)
        ]
        return said(rows | {"data": again})

    every_fault(large, "8", repeated)
    assert large.poll() is None
    assert large.last()[6] == "the list of connections of app 4711 repeats itself on page 8"


def test_an_end_before_the_end_is_none(large: Large) -> None:
    """A page that says it is the last one, and rows after it, contradict each other."""

    def last(request: Request) -> Response:
        answer = large.ours.portal.truth(request)
        answer.set_data(answer.get_data().replace(b'"hasMore": true', b'"hasMore": false'))
        return answer

    every_fault(large, "4", last)
    assert large.poll() is None
    assert large.last()[6] == "the list of connections of app 4711 ends before page 5, which has rows"


def test_unchanged_pages_are_only_asked_about(large: Large) -> None:
    """Each part asks with the entity tags of its own pages."""
    portal = large.ours.portal
    portal.tags = True
    large.poll()
    large.poll()
    portal.unchanged = 0
    portal.tenants[10] = 2
    recorded = large.poll()
    assert recorded
    assert recorded.changed == 1
    # The first page is asked for twice.
    assert portal.unchanged == 10
    assert large.ours.rows("SELECT count(*) FROM walked_page WHERE app_id = 1 AND etag IS NOT NULL") == [(10,)]


def test_a_broker_that_is_not_there_is_asked_once(large: Large) -> None:
    """Each try may take seconds."""
    large.is_heard = False
    assert large.poll() == Recorded("complete", 15, 0, (3,))
    assert large.rung == [1]


def test_more_than_can_be_read_is_said(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    """A count beyond belief plans no million of parts."""
    monkeypatch.setattr(parts, "MOST", 19)
    assert large.poll() is None
    assert large.last()[5:] == ("too_large", "app 4711 has 20 connections, 2 on a page; more than 19 are not read")
    assert large.left() == (0, 0)


def test_a_lease_outlasts_a_page() -> None:
    """Both leases are extended between pages, four times in their length; a page takes 30 s at most."""
    assert LEASE.total_seconds() / 4 + 30 < LEASE.total_seconds()
