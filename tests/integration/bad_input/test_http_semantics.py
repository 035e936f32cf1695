"""Bad inputs 18 to 32: a status means what it says, and what comes with it is never taken for a list."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from werkzeug import Request, Response

from tasks.poll import list_apps, poll
from tests.integration.bad_input.polled import (
    LATER,
    connected,
    due_in,
    fronted,
    last_run,
    polled,
    recovered,
    running,
    spoiled,
    wait_of_portal,
)
from tests.integration.portal_double import APP, page, said
from tests.integration.small_portal import Fault
from tests.integration.tasks.recorded import Ours
from tests.integration.tasks.test_bad_portal import on, plain
from tests.integration.wire_server import answer, saying, serving

PAGE = json.dumps({"page": 1, "pageSize": 500, "hasMore": False, "totalCount": 0, "data": []}).encode()
LOGIN = b"<!doctype html><title>Log in</title>"
HTML = "text/html; charset=utf-8"
MINUTE = timedelta(minutes=1)


def first(answer: Callable[[], Response]) -> Fault:
    """Say *answer* where the first connections are asked for."""
    return on("/connections", 1, answer)


FAULTS: list[tuple[str, Fault, str, str]] = [
    ("case_18_login_page", first(plain(LOGIN, media=HTML)), "protocol", "something else than JSON"),
    ("case_18_json_called_html", first(plain(PAGE, media=HTML)), "protocol", "something else than JSON"),
    # What is called JSON and is not is case 47: nobody can tell a login page from a page with a fault in it.
    ("case_18_html_called_json", first(plain(LOGIN)), "schema", "is not readable as JSON"),
    ("case_19_204", first(plain(b"", 204)), "schema", "answered 204 where a page was asked for"),
    ("case_19_nothing_with_200", first(plain(b"")), "schema", "is not readable as JSON"),
    ("case_21_400", first(plain(b"{}", 400)), "request", "answered 400 Bad Request"),
    ("case_21_422", first(plain(b"{}", 422)), "request", "answered 422 Unprocessable"),
    ("case_23_403", first(plain(b"{}", 403)), "auth", "answered 403 Forbidden"),
    ("case_24_404", first(plain(b"{}", 404)), "gone", "answered 404 Not Found"),
    ("case_24_410", first(plain(b"{}", 410)), "gone", "answered 410 Gone"),
    # `DESIGN.md` 3.6 and `domain.md` 4.2: half a listing is no listing, so this is not "partial".
    ("case_25_404_on_page_3", on("/connections", 3, plain(b"{}", 404)), "gone", "answered 404 Not Found"),
    ("case_26_409", first(plain(b"{}", 409)), "request", "answered 409 Conflict"),
    ("case_26_423", first(plain(b"{}", 423)), "request", "answered 423 Locked"),
    *(
        (f"case_32_{status}_with_a_list", first(plain(PAGE, status)), "server", f"answered {status}")
        for status in (500, 502, 503, 504)
    ),
]


@pytest.mark.parametrize(("fault", "name", "reason"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_not_a_list(ours: Ours, fault: Fault, name: str, reason: str) -> None:
    """An answer that is not a page with 200 and JSON changes nothing, whatever stands in it."""
    ours.portal.fault = fault
    run = spoiled(ours)
    assert (run.fault, reason in run.reason) == (name, True)
    recovered(ours)


@pytest.mark.parametrize(
    ("status", "target"),
    [
        *((status, "other") for status in (301, 303, 307, 308)),
        *((302, to) for to in ("same", "other", "http", "internal")),
    ],
    ids=lambda value: f"case_20_{value}" if isinstance(value, int) else f"to_{value}",
)
def test_redirects(ours: Ours, status: int, target: str) -> None:
    """A redirect is never followed, wherever to; of its target the reason tells the host alone."""
    asked: list[int] = []
    with serving(lambda _: asked.append(1)) as other:
        location = {
            "same": f"{ours.portal.url}/portal/v2/organization/1001/apps/4711/connections?page=1&k=s3cr3t",
            "other": f"{other}/s3cr3t",
            "http": f"http://user:s3cr3t@localhost:{other.rpartition(':')[2]}/s3cr3t",
            "internal": "http://169.254.169.254/latest/meta-data/s3cr3t",
        }[target]
        ours.portal.fault = first(plain(PAGE, status, Location=location))
        run = spoiled(ours)
    assert run.fault == "redirect"
    assert {"internal": "169.254.169.254", "other": "127.0.0.1"}.get(target, "localhost") in run.reason
    assert "s3cr3t" not in run.reason
    assert asked == []
    assert len(ours.portal.times("/4711/connections?1")) == 1


@pytest.mark.parametrize("status", [400, 422], ids="case_21_{}_no_fast_retry".format)
def test_our_mistake_is_not_repeated_fast(ours: Ours, status: int) -> None:
    """What the portal calls our mistake will be one again: it waits for the usual time."""
    ours.portal.fault = first(plain(b"{}", status))
    spoiled(ours)
    assert due_in(ours) > 10 * MINUTE


@pytest.mark.parametrize("status", [409, 423], ids="case_26_{}_retried_soon".format)
def test_conflicts_pass(ours: Ours, status: int) -> None:
    """A conflict or a lock passes: the app is due again soon, and no other app waits for it."""
    ours.portal.fault = first(plain(b"{}", status))
    spoiled(ours)
    assert timedelta() < due_in(ours) <= MINUTE
    assert wait_of_portal(ours) is None


def test_case_22_one_new_token(ours: Ours) -> None:
    """A 401 has the token renewed once; a second one is a matter for humans, and disconnects nobody."""
    ours.portal.fault = first(plain(b"{}", 401))
    run = spoiled(ours)
    assert (run.fault, "answered 401 Unauthorized" in run.reason) == ("auth", True)
    assert len(ours.portal.times("/connect/token?1")) == 2
    assert len(ours.portal.times("/4711/connections?1")) == 2
    assert running(ours) == dict.fromkeys("12345", 1)
    recovered(ours)


def test_case_22_credentials_are_needed(ours: Ours) -> None:
    """A credential that the list of apps refuses too stops the portal's apps: the source says that it needs another."""
    ours.portal.fault = lambda request: None if request.path == "/connect/token" else said({}, 401)
    for hour in (7, 8, 9):
        assert list_apps(ours.source, now=ours.now + timedelta(hours=hour), forced=True) is None
    ((fault, reason),) = ours.rows("SELECT last_fault, last_error FROM source")
    assert (fault, "answered 401 Unauthorized" in reason) == ("auth", True)
    assert poll(ours.app, now=ours.now + timedelta(hours=9, minutes=1)) is None
    assert len(ours.portal.times("/4711/connections?1")) == 0
    assert ours.rows("SELECT kind, reason FROM alert WHERE resolved_at IS NULL") == [("poll_failing", "auth")]


@pytest.mark.parametrize("status", [401, 403], ids=["case_22_polling_slowed", "case_23_polling_slowed"])
def test_refusals_slow_polling(ours: Ours, status: int) -> None:
    """Where our credential is refused, asking more often than usual does not help."""
    ours.portal.fault = first(plain(b"{}", status))
    spoiled(ours)
    assert due_in(ours) > 10 * MINUTE


@pytest.mark.parametrize("status", [404, 410], ids="case_24_{}_the_list_decides".format)
def test_list_decides_about_deletion(ours: Ours, status: int) -> None:
    """An app that is not there for once is not deleted; the list is read next, and what that says counts."""
    ours.portal.fault = first(plain(b"{}", status))
    for hour in (7, 8):
        spoiled(ours, after=timedelta(hours=hour))
        assert ours.rows("SELECT next_poll_at FROM source") <= [(ours.now + timedelta(hours=hour),)]
        assert list_apps(ours.source, now=ours.now + timedelta(hours=hour)) == 0
    assert running(ours) == dict.fromkeys("12345", 1)
    ours.portal.fault = on("/apps", 1, lambda: page(1, APP | {"id": 4712}, APP | {"active": False}, totalCount=2))
    list_apps(ours.source, now=ours.now + timedelta(hours=9), forced=True)
    assert running(ours) == {}
    assert ours.rows("SELECT type FROM event ORDER BY id DESC LIMIT 1") == [("app.deleted",)]


TEN = "Date: Mon, 25 Nov 2024 10:00:00 GMT"  # a clock two years behind ours
WAITS: list[tuple[str, int, list[str], int]] = [
    ("case_27_seconds", 429, ["Retry-After: 120"], 120),
    ("case_27_compressed_page", 429, ["Retry-After: 120", "Content-Encoding: gzip"], 120),
    ("case_28_date", 429, [TEN, "Retry-After: Mon, 25 Nov 2024 10:02:00 GMT"], 120),
    ("case_28_date_past", 429, [TEN, "Retry-After: Mon, 25 Nov 2024 09:00:00 GMT"], 1),
    ("case_28_date_without_zone", 429, [TEN, "Retry-After: Mon, 25 Nov 2024 10:02:00 -0000"], 120),
    ("case_29_negative", 429, ["Retry-After: -5"], 30),
    ("case_29_1e9", 429, ["Retry-After: 1e9"], 30),
    ("case_29_a_billion", 429, ["Retry-After: 1000000000"], 3600),
    ("case_29_20_digits", 429, ["Retry-After: 99999999999999999999"], 3600),
    ("case_29_zero", 429, ["Retry-After: 0"], 1),
    ("case_29_fraction", 429, ["Retry-After: 3.5"], 30),
    ("case_29_word", 429, ["Retry-After: soon"], 30),
    ("case_29_empty", 429, ["Retry-After: "], 30),
    ("case_29_two", 429, ["Retry-After: 1", "Retry-After: 2"], 30),
    ("case_30_429_without", 429, [], 30),
    ("case_30_503_with", 503, ["Retry-After: 120"], 120),
]


@pytest.mark.parametrize(("status", "headers", "seconds"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS])
def test_waits(ours: Ours, status: int, headers: list[str], seconds: int) -> None:
    """The wait that is asked for binds every worker and app of that portal; what cannot be read leaves us our own."""
    bad = saying(answer(b"{}", "Connection: close", *headers, status=f"{status} Later"))
    with fronted(ours.portal, bad) as base, connected(ours, base=base):
        run = spoiled(ours)
    assert run.fault == {429: "rate_limited", 503: "server"}[status]
    assert wait_of_portal(ours) == timedelta(seconds=seconds)
    asked = len(ours.portal.asked)
    early, late = (ours.now + LATER + timedelta(seconds=seconds + more) for more in (-0.5, 0.5))
    first_app, other = (row[0] for row in ours.rows("SELECT id FROM app ORDER BY external_id"))
    assert (poll(first_app, now=early), poll(other, now=early), list_apps(ours.source, now=early)) == (None, None, None)
    assert len(ours.portal.asked) == asked
    assert poll(other, now=late)


def test_case_27_page_is_cut(ours: Ours) -> None:
    """The wait counts even when the page that comes with it breaks off."""
    cut = answer(b"{}", "Retry-After: 120", status="429 Too Many Requests").replace(b"Length: 2", b"Length: 99")
    with fronted(ours.portal, saying(cut)) as base, connected(ours, base=base):
        run = spoiled(ours)
    assert (run.fault, wait_of_portal(ours)) == ("rate_limited", timedelta(seconds=120))


def test_case_30_allowance_used_up(ours: Ours) -> None:
    """A portal that says that no request is left is left alone for as long as it says, and then read on."""
    used_up = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}

    def fault(request: Request) -> Response | None:
        if not request.path.endswith("/connections") or request.args["page"] != "1":
            return None
        whole = page(1, *ours.portal._rows("/4711/connections")[:2], more=True, totalCount=5)
        whole.headers.update(used_up)
        return whole

    ours.portal.fault = fault
    assert polled(ours).changed == 3
    ((first_at,), (second_at,)) = (ours.portal.times(f"/4711/connections?{number}") for number in (1, 2))
    assert second_at - first_at >= 1.0


def burst(ours: Ours, length: int, status: int) -> None:
    """The second page fails so many times."""
    ours.portal.fault = lambda request: (
        said({}, status)
        if request.path.endswith("/4711/connections")
        and request.args["page"] == "2"
        and len(ours.portal.times("/4711/connections?2")) <= length
        else None
    )


@pytest.mark.parametrize("status", [500, 502, 503, 504], ids="case_31_{}_twice".format)
def test_bursts_pass(ours: Ours, status: int) -> None:
    """A page that fails twice and then comes is read; those before it are not read again."""
    burst(ours, 2, status)
    assert polled(ours).changed == 3
    assert len(ours.portal.times("/4711/connections?1")) == 1


def test_case_31_no_more_than_three_tries(ours: Ours) -> None:
    """A page that goes on failing is asked for three times at most, and the poll fails."""
    burst(ours, 9, 502)
    assert spoiled(ours).fault == "server"
    assert 1 <= len(ours.portal.times("/4711/connections?2")) <= 3
    assert last_run(ours).pages == 0
    recovered(ours)
