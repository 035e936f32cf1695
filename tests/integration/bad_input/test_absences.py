"""Bad inputs 45 and 46: a listing that is old, or from which nearly everybody is missing, proves no absence."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from werkzeug import Request, Response

from tasks.poll import poll
from tasks.rules import rules
from tests.integration.bad_input.polled import LATER, NEWS, last_run, listed, polled, running
from tests.integration.small_portal import Fault
from tests.integration.tasks.recorded import Ours

Rows = list[dict[str, Any]]
HOUR = timedelta(hours=1)


def aged(ours: Ours, age: str, edit: Callable[[Rows], Rows]) -> Fault:
    """All connections on one page, as *edit* leaves them, from a cache that says it is so old."""

    def fault(request: Request) -> Response | None:
        answer = listed(ours.portal, edit)(request)
        if answer is not None:
            answer.headers["Age"] = age
        return answer

    return fault


def test_case_45_stale_cache(ours: Ours) -> None:
    """A page older than the last walk proves no absence, however often it comes."""
    ours.portal.fault = aged(ours, "86400", lambda rows: [each for each in rows if each["id"] != 3])
    for hour in range(3):
        recorded = polled(ours, after=LATER + hour * HOUR)
        assert (recorded.outcome, recorded.vanished) == ("partial", 0)
        assert last_run(ours).reason.startswith("stale: ")
    assert running(ours)["3"] == 1
    assert ours.rows("SELECT walked_at FROM app WHERE external_id = '4711'") == [(ours.now,)]


def test_case_45_old_news(ours: Ours) -> None:
    """What a cache kept from before the last walk undoes nothing that the walk recorded."""
    polled(ours)
    news, events = running(ours), ours.rows("SELECT count(*) FROM event")
    ours.portal.tenants = dict.fromkeys(range(1, 6), 1)
    ours.portal.fault = aged(ours, "3601", lambda rows: rows)
    assert polled(ours, after=LATER + HOUR).outcome == "partial"
    assert running(ours) == news
    assert ours.rows("SELECT count(*) FROM event") == events
    # Tenant 2, whom the cache still shows, is not back by that.
    ours.portal.tenants, ours.portal.fault = {1: 2, 3: 1, 4: 1, 5: 2, 6: 3}, lambda _request: None
    assert polled(ours, after=LATER + 2 * HOUR).vanished == 1
    assert running(ours) == NEWS


@pytest.mark.parametrize("age", ["3599", "0", "-1", "soon", "", "3600, 9999"], ids="case_45_age_{!r}".format)
def test_young_enough(ours: Ours, age: str) -> None:
    """A page that left the portal after the last walk is as good as any, and so is one whose age nobody can read."""
    ours.portal.fault = aged(ours, age, lambda rows: rows)
    assert polled(ours, after=HOUR).outcome == "complete"
    assert running(ours)["6"] == 3


def test_case_46_nearly_all_vanish(ours: Ours) -> None:
    """A complete list without anybody, after there were five, holds every absence until somebody says it is true."""
    ours.portal.fault = listed(ours.portal, lambda _rows: [])
    for hour in range(3):
        recorded = polled(ours, after=LATER + hour * HOUR)
        assert (recorded.outcome, recorded.vanished) == ("held", 0)
    assert "5 of 5 connections were missing" in last_run(ours).reason
    assert running(ours) == dict.fromkeys("12345", 1)
    believed = poll(ours.app, now=ours.now + LATER + 4 * HOUR, forced=True, believe_absence=True)
    assert believed
    assert (believed.outcome, believed.vanished) == ("complete", 5)


@pytest.mark.parametrize(("share", "outcome"), [(0.9, "complete"), (0.8, "complete"), (0.7, "held")])
def test_case_46_share_is_chosen(ours: Ours, chosen: Path, share: float, outcome: str) -> None:
    """How many may be missing at once is a setting: here it is twelve of fifteen."""
    ours.portal.tenants = dict.fromkeys(range(1, 16), 1)
    polled(ours, after=LATER - HOUR)
    ours.portal.toml(chosen, f"[polling]\nimplausible_share = {share}\n")
    rules.cache_clear()
    ours.portal.tenants = dict.fromkeys(range(1, 4), 1)
    assert [polled(ours, after=LATER + hour * HOUR).outcome for hour in range(2)] == [outcome] * 2
    assert len(running(ours)) == (15 if outcome == "held" else 3)


def test_case_46_empty_list_of_few(ours: Ours) -> None:
    """Below that an empty list is believed from the second walk on, never from the first."""
    ours.portal.tenants = {1: 2, 3: 1, 4: 1}
    for hour, vanished in ((0, 0), (1, 2)):
        assert polled(ours, after=LATER + hour * HOUR).vanished == vanished
    ours.portal.tenants = {}
    for hour, vanished in ((2, 0), (3, 3)):
        assert polled(ours, after=LATER + hour * HOUR).vanished == vanished
    assert running(ours) == {}
