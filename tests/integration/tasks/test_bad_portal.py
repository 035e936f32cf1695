"""A portal that misbehaves, over real HTTP: nothing is believed, nothing is forgotten, and `status` says why."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from werkzeug import Request, Response

from models import Session
from models.leases import ring_apps, ring_sources
from tasks.poll import list_apps, poll
from tests.integration.portal_double import APP, page, said
from tests.integration.small_portal import Fault, hang_up
from tests.integration.tasks.recorded import Ours, well
from uptake.sources.portal import PortalSource

WHOLE = b'{"page":2,"pageSize":2,"hasMore":false,"totalCount":5,"data":[]}'


def on(path: str, page: int, answer: Callable[[], Response]) -> Fault:
    """Say *answer* where a page of *path* is asked for, and the truth elsewhere."""

    def fault(request: Request) -> Response | None:
        asked = request.path.endswith(path) and request.args.get("page", "1") == str(page)
        return answer() if asked else None

    return fault


def plain(body: bytes, status: int = 200, media: str = "application/json", **headers: str) -> Callable[[], Response]:
    """An answer of these bytes."""
    return lambda: Response(
        body, status, content_type=media, headers={k.replace("_", "-"): headers[k] for k in headers}
    )


def truncated() -> Response:
    """A body that is shorter than was announced."""
    answer = Response(WHOLE[:40], content_type="application/json")
    answer.automatically_set_content_length = False
    answer.headers["Content-Length"] = str(len(WHOLE))
    return answer


def dies(request: Request) -> Response | None:
    """Two pages of five rows are two of three; then the process is gone."""
    return hang_up(request) if request.args.get("page") == "2" else None


def unknown(request: Request) -> Response | None:
    """The token is withdrawn, and its client is not known any more."""
    if request.path == "/connect/token":
        return said({"error": "invalid_client"}, 401)
    return said({}, 401) if request.path.endswith("/connections") else None


FAULTS: dict[str, tuple[Fault, str]] = {
    "500": (on("/connections", 1, plain(b"oops", 500, "text/plain")), "answered 500 Internal Server Error"),
    "503_on_a_later_page": (on("/connections", 3, plain(WHOLE, 503)), "answered 503 Service Unavailable"),
    "500_for_versions": (on("/versions", 1, plain(b"oops", 500, "text/plain")), "answered 500 Internal Server Error"),
    "429": (on("/connections", 2, plain(b"", 429, Retry_After="600")), "answered 429 Too Many Requests"),
    "truncated": (on("/connections", 2, truncated), "broke off its answer"),
    "cut_json": (on("/connections", 2, plain(WHOLE[:40])), "is not readable as JSON"),
    "no_rows_of_five": (on("/connections", 2, plain(WHOLE)), "counts 5 rows and lists 2"),
    "html_with_200": (on("/connections", 1, plain(b"<html>Log in", 200, "text/html")), "something else than JSON"),
    "html_called_json": (on("/connections", 1, plain(b"<html>Log in")), "is not readable as JSON"),
    "nothing_with_200": (on("/connections", 1, plain(b"")), "is not readable as JSON"),
    "dies_between_pages": (dies, "connection closed"),
    "unknown_credential": (unknown, "refuses the client id or its secret"),
    "forbidden": (on("/connections", 1, plain(b"{}", 403)), "answered 403 Forbidden"),
    "moved": (on("/connections", 1, plain(b"", 302, Location="https://login.example/")), "redirects are not followed"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_believed(name: str, ours: Ours) -> None:
    """No row but the poll's own differs, which says why; when the portal is well again, all the news are recorded."""
    ours.portal.fault, reason = FAULTS[name]
    before = ours.contents()
    later = ours.now + timedelta(hours=7)
    assert poll(ours.app, now=later) is None
    assert ours.contents() == before
    ((outcome, said_why, lease),) = ours.rows(
        "SELECT p.outcome, p.reason, a.lease_token FROM poll p JOIN app a ON a.id = p.app_id ORDER BY p.id DESC LIMIT 1"
    )
    assert (outcome, lease) == ("failed", None)
    assert reason in said_why

    ours.portal.fault = well
    recorded = poll(ours.app, now=later + timedelta(hours=1))
    assert recorded
    assert (recorded.changed, recorded.released) == (3, (3,))


@pytest.mark.parametrize("name", ["500", "429", "truncated", "html_with_200", "dies_between_pages"])
def test_list_of_apps_is_not_believed(name: str, ours: Ours) -> None:
    """A list of apps that cannot be read in whole adds and deletes none."""
    bad = {
        "500": on("/apps", 1, plain(b"", 500)),
        "429": on("/apps", 1, plain(b"", 429, Retry_After="600")),
        "truncated": on("/apps", 1, truncated),
        "html_with_200": on("/apps", 1, plain(b"<html>", 200, "text/html")),
        "dies_between_pages": dies,
    }
    ours.portal.apps = (4711, 4713, 4714, 4715)
    ours.portal.fault = bad[name]
    before = ours.contents(), ours.rows("SELECT external_id, deleted_at, name FROM app ORDER BY id")
    assert list_apps(ours.source, now=ours.now + timedelta(hours=7)) is None
    assert (ours.contents(), ours.rows("SELECT external_id, deleted_at, name FROM app ORDER BY id")) == before


def test_deleted_app_that_is_listed_again_is_told_of(ours: Ours, capsys: pytest.CaptureFixture[str]) -> None:
    """Deletion is for good: nothing of the app is recorded, and each reading of the list says so and what to do."""
    at = ours.now + timedelta(hours=7)
    ours.portal.fault = lambda request: page(1, APP | {"active": False}) if request.path.endswith("/apps") else None
    assert list_apps(ours.source, now=at) == 1
    ours.portal.fault = well
    before = ours.contents()
    for hours in (1, 2):
        assert list_apps(ours.source, now=at + timedelta(hours=hours)) == 0
        assert "app.refused" in capsys.readouterr().out
        ((reason,),) = ours.rows("SELECT reason FROM poll ORDER BY id DESC LIMIT 1")
        assert "listed again although deleted: 4711;" in reason
        assert "their [[source]] another name" in reason
    assert poll(ours.app, now=at + timedelta(hours=3), forced=True) is None
    assert ours.contents() == before
    # As long as it is listed as deleted there is nothing to tell.
    ours.portal.fault = lambda request: page(1, APP | {"active": False}) if request.path.endswith("/apps") else None
    assert list_apps(ours.source, now=at + timedelta(hours=4)) == 0
    assert ours.rows("SELECT reason FROM poll ORDER BY id DESC LIMIT 1") == [(None,)]


@pytest.mark.parametrize("of", ["app", "list"])
def test_a_fault_of_our_own_is_a_failed_run(ours: Ours, monkeypatch: pytest.MonkeyPatch, of: str) -> None:
    """It is recorded like any other, without its text, which may quote anything; the lease is free, and it is told."""

    def broken(*_args: object, **_named: object) -> None:
        raise RuntimeError("hush")

    monkeypatch.setattr(PortalSource, "versions" if of == "app" else "apps", broken)
    with pytest.raises(RuntimeError):
        poll(ours.app, forced=True) if of == "app" else list_apps(ours.source, forced=True)
    last = ours.rows("SELECT outcome, fault, reason FROM poll ORDER BY id DESC LIMIT 1")
    assert last == [("failed", "internal", "Uptake broke off (RuntimeError): please report it, with the worker's log")]
    assert ours.rows(f"SELECT lease_token, failures FROM {'app' if of == 'app' else 'source'} WHERE id = 1") == [  # noqa: S608
        (None, 1)
    ]


def test_status_says_why(ours: Ours) -> None:
    """`status` shows the last poll's failure in words, for people and for programs, and the data as they were."""
    ours.portal.fault = FAULTS["500"][0]
    poll(ours.app, now=ours.now + timedelta(hours=7))
    assert "failed: localhost" in ours.status()
    assert "500 Internal" in ours.status()
    first, second = json.loads(ours.status("--json"))["data"]
    assert first["last_poll"]["outcome"] == "failed"
    assert first["last_poll"]["reason"].endswith("answered 500 Internal Server Error")
    assert second["last_poll"]["outcome"] == "complete"
    assert [(app["connected"], app["latest_version"]) for app in (first, second)] == [(5, 2), (5, 2)]


def test_retry_after_is_kept(ours: Ours) -> None:
    """After a 429 nobody asks that portal for anything before the time it named: not tick, nor late doorbells."""
    ours.portal.fault = FAULTS["429"][0]
    at = ours.now + timedelta(hours=7)
    poll(ours.app, now=at)
    ours.portal.fault, asked = well, len(ours.portal.asked)
    early, late = at + timedelta(seconds=599), at + timedelta(seconds=601)
    for app in ours.rows("SELECT id FROM app"):
        assert poll(app[0], now=early) is None
    assert list_apps(ours.source, now=early) is None
    assert len(ours.portal.asked) == asked
    with Session.begin() as session:
        assert (ring_apps(session, now=early, most=9), ring_sources(session, now=early, most=9)) == ([], [])
        # One app is enough to see whether the portal is well again.
        assert (len(ring_apps(session, now=late, most=9)), len(ring_sources(session, now=late, most=9))) == (1, 1)
    assert poll(ours.app, now=late)


def test_retry_after_outlasts_a_walk_that_began_before(ours: Ours) -> None:
    """One app is told to wait; another whose walk ends well meanwhile does not wake the others up."""
    first, second = (row[0] for row in ours.rows("SELECT id FROM app ORDER BY id"))
    ours.portal.fault = FAULTS["429"][0]
    at = ours.now + timedelta(hours=7)
    poll(first, now=at)
    ours.portal.fault = well
    assert poll(second, now=at + timedelta(seconds=1), forced=True)
    with Session.begin() as session:
        assert ring_apps(session, now=at + timedelta(seconds=599), most=9) == []
        assert ring_apps(session, now=at + timedelta(seconds=601), most=9)


def test_circuit_waits_longer_each_time(ours: Ours) -> None:
    """Whichever app is tried, a portal that is down is left alone for twice as long, until it has answered."""
    apps = [row[0] for row in ours.rows("SELECT id FROM app ORDER BY id")]
    at, waits = ours.now + timedelta(hours=7), []
    ours.portal.fault = FAULTS["500"][0]
    for turn in range(7):
        poll(apps[turn % 2], now=at)
        ((until,),) = ours.rows("SELECT circuit_open_until FROM source")
        waits.append((until - at).total_seconds())
        ours.execute("UPDATE app SET next_poll_at = now()")
        at = until
    assert waits == [30, 60, 120, 240, 480, 900, 900]
    ours.portal.fault = well
    assert poll(apps[1], now=at)
    ours.portal.fault = FAULTS["500"][0]
    poll(apps[0], now=at + timedelta(seconds=1))
    assert ours.rows("SELECT circuit_open_until - circuit_opened_at FROM source") == [(timedelta(seconds=30),)]


def test_failures_at_once_are_one(ours: Ours) -> None:
    """Apps that were being polled when the portal went down do not make the wait any longer."""
    at = ours.now + timedelta(hours=7)
    ours.portal.fault = FAULTS["500"][0]
    for app in (row[0] for row in ours.rows("SELECT id FROM app")):
        poll(app, now=at, forced=True)
    poll(ours.app, now=at + timedelta(seconds=1), forced=True)
    ((until,),) = ours.rows("SELECT circuit_open_until FROM source")
    assert until == at + timedelta(seconds=31)


def test_app_that_is_closed_to_us_stops_no_other(ours: Ours) -> None:
    """A 403 for one app is that app's own; the list of apps is read next, to tell."""
    first, second = (row[0] for row in ours.rows("SELECT id FROM app ORDER BY id"))
    ours.portal.fault = on("/connections", 1, plain(b"{}", 403))
    at = ours.now + timedelta(hours=7)
    poll(first, now=at)
    ours.portal.fault = well
    assert poll(second, now=at)
    assert ours.rows("SELECT circuit_open_until FROM source") == [(None,)]
