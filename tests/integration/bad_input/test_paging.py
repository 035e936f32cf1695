"""Bad inputs 35 to 44: pages that cannot be a whole listing change nothing, and nobody is gone by a single walk.

The list says "partial" of many of these. `domain.md` 4.2 and `DESIGN.md` 3.6 bind: a truncated poll changes nothing,
half a listing is no listing; so such a poll has failed, with the fault "paging". Only a list that changed while it was
read is partial: all of it was read.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import structlog
from werkzeug import Request, Response

from tests.integration.bad_input.polled import (
    LATER,
    NEWS,
    last_run,
    listed,
    polled,
    recovered,
    running,
    spoiled,
)
from tests.integration.portal_double import page, said
from tests.integration.small_portal import ROOT
from tests.integration.tasks.recorded import Ours
from tests.unit.portal_examples import row
from uptake.sources import portal_pages

Rows = list[dict[str, Any]]
HOUR = timedelta(hours=1)


def paged(ours: Ours, answer: Callable[[int, Rows], Response | None]) -> None:
    """Say of connections what *answer* makes of the page's number and of all rows."""

    def fault(request: Request) -> Response | None:
        if not request.path.endswith("/connections"):
            return None
        return answer(int(request.args["page"]), ours.portal._rows(request.path.removeprefix(ROOT)))

    ours.portal.fault = fault


def someone(number: int) -> dict[str, Any]:
    """A tenant whom nobody knows."""
    return row(id=number, resourceOwner={"kind": "tenant", "id": str(number)}, version=1, scopes=..., clientId="c")


@pytest.mark.parametrize("most", ["MOST_PAGES", "MOST_ROWS"], ids="case_35_{}".format)
def test_endless(ours: Ours, monkeypatch: pytest.MonkeyPatch, most: str) -> None:
    """A listing without an end is given up after so many pages, or rows; nobody of it is believed."""
    assert (portal_pages.MOST_PAGES, portal_pages.MOST_ROWS) == (2_000, 200_000)
    monkeypatch.setattr(portal_pages, most, 7)
    paged(ours, lambda number, _: page(number, someone(number), more=True))
    run = spoiled(ours)
    assert (run.fault, "has more than 7" in run.reason) == ("paging", True)
    # Small pages are what may make so many of them.
    assert ("set a higher page_size" in run.reason) == (most == "MOST_PAGES")
    recovered(ours)


BROKEN: list[tuple[str, Callable[[int, Rows], Response | None], str, str]] = [
    (
        "case_36_same_page_again",
        lambda number, rows: page(number, *rows[:2], more=True, totalCount=5),
        "paging",
        "repeats itself on page 2",
    ),
    (
        "case_36_a_b_a",
        lambda number, rows: page(number, *rows[2:4] if number == 2 else rows[:2], more=True, totalCount=5),
        "paging",
        "repeats itself on page 3",
    ),
    (
        "case_37_always_empty_and_more",
        lambda number, rows: page(number, *rows[:2] if number == 1 else (), more=True, totalCount=5),
        "paging",
        "says there is more",
    ),
    ("case_38_missing", lambda number, rows: said({"page": number, "data": rows}), "schema", "`hasMore`"),
    ("case_38_null", lambda number, rows: page(number, *rows, more=None), "schema", "`$.hasMore`"),
    ("case_38_text", lambda number, rows: page(number, *rows, more="false"), "schema", "`$.hasMore`"),
    ("case_38_number", lambda number, rows: page(number, *rows, more=0), "schema", "`$.hasMore`"),
    (
        "case_39_page_1_for_page_2",
        lambda number, rows: page(1, *rows[:2], more=True, totalCount=5) if number == 2 else None,
        "paging",
        "gave page 1 for page 2",
    ),
    (
        "case_39_page_3_for_page_2",
        lambda number, rows: page(3, *rows[4:], totalCount=5) if number == 2 else None,
        "paging",
        "gave page 3 for page 2",
    ),
    ("case_39_400_midway", lambda number, _: said({}, 400) if number == 2 else None, "request", "answered 400"),
    ("case_39_410_midway", lambda number, _: said({}, 410) if number == 2 else None, "gone", "answered 410"),
    (
        "case_41_fewer_than_counted",
        lambda number, rows: page(number, *rows[:4], totalCount=5),
        "paging",
        "counts 5 rows and lists 4",
    ),
    (
        "case_41_more_than_counted",
        lambda number, rows: page(number, *rows, totalCount=4),
        "paging",
        "counts 4 rows and lists 5",
    ),
    (
        "case_44_whole_page_of_another_app",
        lambda number, rows: page(number, *({**each, "appId": 4712} for each in rows), totalCount=5),
        "security",
        "holds rows of app 4712",
    ),
    (
        "case_44_one_row_of_another_app",
        lambda number, rows: page(number, *rows[:-1], rows[-1] | {"appId": 4712}, totalCount=5),
        "security",
        "holds rows of app 4712",
    ),
]


@pytest.mark.parametrize(("answer", "fault", "reason"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_not_whole(ours: Ours, answer: Callable[[int, Rows], Response | None], fault: str, reason: str) -> None:
    """Pages that contradict each other, or come to no end, are no listing: nothing of them is recorded."""
    paged(ours, answer)
    run = spoiled(ours)
    assert run.fault == fault
    assert reason in run.reason
    recovered(ours)


def test_case_37_one_empty_page(ours: Ours) -> None:
    """One empty page that says there is more is passed over; the rest must add up all the same."""
    paged(
        ours,
        lambda number, rows: (
            page(number, *((), rows[:2], rows[2:])[number - 1], more=number < 3, totalCount=5)
            if number > 1
            else page(1, more=True, totalCount=5)
        ),
    )
    assert polled(ours).changed == 3
    assert polled(ours, after=2 * LATER).vanished == 1
    assert polled(ours, after=3 * LATER).changed == 0


def test_case_40_gap(ours: Ours) -> None:
    """A page shift shows one tenant twice and hides another: the first counts once, the other is not gone by it."""

    def shifted(number: int, rows: Rows) -> Response:
        return page(number, *(rows[:3] if number == 1 else rows[2:3] + rows[4:]), more=number == 1, totalCount=5)

    paged(ours, shifted)
    recorded = polled(ours)
    assert (recorded.outcome, recorded.changed, recorded.vanished) == ("complete", 2, 0)
    # Tenant 5 was hidden, tenant 2 has left: one walk cannot tell which is which.
    query = (
        "SELECT t.external_id FROM connection c JOIN tenant t ON t.id = c.tenant_id WHERE absent_walks = 1 ORDER BY 1"
    )
    assert ours.rows(query) == [("2",), ("5",)]
    ours.portal.fault = lambda _request: None
    recorded = polled(ours, after=LATER + HOUR)
    assert (recorded.changed, recorded.vanished) == (2, 1)
    assert running(ours) == NEWS


@pytest.mark.parametrize("change", [1, -1], ids=["case_41_somebody_came", "case_41_somebody_left"])
def test_count_changes_between_pages(ours: Ours, change: int) -> None:
    """A list that changed while it was read tells who moved, but not who is gone: that walk is partial."""

    def changing(number: int, rows: Rows) -> Response:
        part = rows[:2] if number == 1 else rows[2:]
        return page(number, *part, more=number == 1, totalCount=5 if number == 2 else 5 - change)

    paged(ours, changing)
    for hour in range(3):
        recorded = polled(ours, after=LATER + hour * HOUR)
        assert (recorded.outcome, recorded.vanished) == ("partial", 0)
        assert last_run(ours).reason == "the list grew or shrank while it was read"
    assert running(ours) == NEWS | {"2": 1}
    assert ours.rows("SELECT walked_at FROM app WHERE external_id = '4711'") == [(ours.now,)]
    ours.portal.fault = lambda _request: None
    assert [polled(ours, after=2 * LATER + hour * HOUR).vanished for hour in range(2)] == [0, 1]
    assert running(ours) == NEWS


@pytest.mark.parametrize("count", [3, 6], ids=["case_41_more_than_ever_counted", "case_41_fewer_than_ever_counted"])
def test_no_count_fits(ours: Ours, count: int) -> None:
    """A list that has fewer or more rows than it counted at any time is not whole, however it changed."""
    paged(
        ours,
        lambda number, rows: page(
            number, *rows[2 * number - 2 : 2 * number], more=number < 3, totalCount=count + number % 2
        ),
    )
    run = spoiled(ours)
    assert (run.fault, f"counts {count} or {count + 1} rows and lists 5" in run.reason) == ("paging", True)


@pytest.mark.parametrize("size", [2, 50, 5000], ids="case_42_{}_a_page".format)
def test_page_size_is_ignored(ours: Ours, size: int) -> None:
    """Asked for 500 a page, the portal may give what it likes: hasMore counts, and so does every row."""
    more = [someone(number) for number in range(100, 5095 if size == 5000 else 200)]

    def other(number: int, rows: Rows) -> Response:
        rows = rows + more
        return page(
            number, *rows[(number - 1) * size : number * size], more=number * size < len(rows), totalCount=len(rows)
        )

    paged(ours, other)
    recorded = polled(ours)
    assert (recorded.outcome, recorded.changed) == ("complete", 3 + len(more))
    assert last_run(ours).rows == 5 + len(more)


def twice(changed: dict[str, Any], *, tenant: str = "5") -> Callable[[Rows], Rows]:
    """The row of *tenant* comes again, with something *changed*."""
    return lambda rows: rows + [each | changed for each in rows if each["resourceOwner"]["id"] == tenant]


def test_case_43_same_row_twice(ours: Ours) -> None:
    """A row that comes twice counts once."""
    ours.portal.fault = listed(ours.portal, twice({}))
    recorded = polled(ours)
    assert (recorded.outcome, recorded.changed) == ("complete", 3)
    assert running(ours)["5"] == 2


@pytest.mark.parametrize("tenant", ["5", "3"], ids=["case_43_neither_as_stored", "case_43_one_as_stored"])
def test_rows_that_disagree(ours: Ours, tenant: str) -> None:
    """Of a tenant listed at two versions nothing is known: neither is taken, and the tenant is not missing."""
    ours.portal.fault = listed(ours.portal, twice({"version": 3}, tenant=tenant))
    for hour in range(3):
        recorded = polled(ours, after=LATER + hour * HOUR)
        assert recorded.outcome == "complete"
    assert running(ours) == NEWS | {tenant: 1}


@pytest.mark.parametrize("tenant", ["5", "3"], ids=["case_43_new_conflict_is_flagged", "case_43_conflict_is_flagged"])
def test_conflict_is_flagged(ours: Ours, tenant: str) -> None:
    """The poll's row says that there was a conflict, and whose."""
    ours.portal.fault = listed(ours.portal, twice({"version": 3}, tenant=tenant))
    polled(ours)
    assert last_run(ours).rejected == 1
    assert last_run(ours).reason == f"tenant {tenant}: listed twice, differently"


def test_case_44_is_a_matter_of_security(ours: Ours) -> None:
    """Data that land in the wrong place are told apart from data that are merely malformed, and louder."""
    ours.portal.fault = listed(ours.portal, lambda rows: [each | {"appId": 4712} for each in rows])
    with structlog.testing.capture_logs() as logs:
        assert spoiled(ours).fault == "security"
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["poll.failed"]
