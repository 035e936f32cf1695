"""The portal as a source: good answers in our own words, and each bad one told as what it is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from tests.integration.portal_double import APP, SECRETS, VERSION, Portal, page, said
from tests.unit.portal_examples import row
from uptake.errors import EdgeError, Fault, PermanentError, TransientError
from uptake.facts import SeenVersion
from uptake.sources import portal_pages
from uptake.sources.portal import PortalSource


@pytest.fixture
def portal(httpserver: HTTPServer) -> Portal:
    """A portal to misbehave."""
    made = Portal()
    httpserver.expect_request("/connect/token", method="POST").respond_with_handler(made.token)
    httpserver.expect_request("/portal/v2/organization/1001/apps").respond_with_handler(made.listing)
    httpserver.expect_request("/portal/v2/organization/1001/apps/4711/versions").respond_with_handler(made.listing)
    httpserver.expect_request("/portal/v2/organization/1001/apps/4711/connections").respond_with_handler(made.listing)
    return made


@pytest.fixture
def source(portal: Portal, httpserver: HTTPServer) -> Iterator[PortalSource]:
    """The source that reads it, by the portal's own clock."""
    made = PortalSource(
        name="acme",
        url=httpserver.url_for("/portal/v2/"),
        token_url=httpserver.url_for("/connect/token"),
        organization="1001",
        client_id="cid.worker",
        clock=lambda: portal.now,
        sleep=portal.slept.append,
        client_secret=SECRETS["client_secret"],
        app_key=SECRETS["app_key"],
    )
    yield made
    made.close()


def failed(source: PortalSource) -> EdgeError:
    """The error that a walk over the connections ends in; it holds no secret."""
    with pytest.raises(EdgeError) as caught:
        list(source.pages("4711"))
    assert not any(secret in str(caught.value) for secret in [*SECRETS.values(), "at1.t0k3n"])
    return caught.value


def test_apps(portal: Portal, source: PortalSource) -> None:
    """Apps come in our words, deleted ones too, each once, over all pages."""
    gone = APP | {"id": 4712, "active": False, "distribution": "private", "approvalStatus": "notRequired"}
    portal.pages = [page(1, APP, more=True, totalCount=3), page(2, gone, APP, totalCount=3)]
    first, second = source.apps()
    assert (first.external_id, first.name, first.latest, first.deleted) == ("4711", "Dispatch Helper", 2, False)
    assert first.created_at == datetime(2026, 2, 25, 9, 12, 44, 123456, tzinfo=UTC)
    assert (second.external_id, second.distribution, second.approval, second.deleted) == (
        "4712",
        "private",
        "not_required",
        True,
    )
    assert portal.asked[0].args["includeDeleted"] == "true"
    assert portal.asked[1].args["page"] == "2"


def test_versions(portal: Portal, source: PortalSource) -> None:
    """Versions come oldest first with whole sets of grants; one seen twice counts once."""
    second = VERSION | {"version": 2, "scopes": [], "createdBy": None}
    portal.pages = [page(1, second, VERSION, VERSION)]
    assert source.versions("4711") == [
        SeenVersion(
            1,
            frozenset({"tn.crm.customers:r", "tn.jpm.jobs:r", "tn.jpm.jobs:w"}),
            datetime(2026, 3, 1, tzinfo=UTC),
            "j.doe",
        ),
        SeenVersion(2, frozenset(), datetime(2026, 3, 1, tzinfo=UTC), None),
    ]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [VERSION | {"version": 2}],
        [VERSION, VERSION | {"version": 3}],
        [VERSION, VERSION | {"scopes": []}],
        [VERSION | {"version": 0}],
        [VERSION | {"version": 1.0}],
        [VERSION | {"createdOn": "2026-03-01T00:00:00"}],
        [VERSION | {"createdOn": None}],
        [VERSION | {"scopes": None}],
        [None],
    ],
    ids=[
        "none",
        "no-first",
        "gap",
        "two-of-one",
        "zero",
        "float",
        "no-zone",
        "no-time",
        "no-scopes",
        "null",
    ],
)
def test_bad_versions(portal: Portal, source: PortalSource, rows: list[Any]) -> None:
    """A history that cannot be the whole one is no history."""
    portal.pages = [page(1, *rows)]
    with pytest.raises(PermanentError) as caught:
        source.versions("4711")
    assert caught.value.fault is Fault.SCHEMA


def test_versions_of_another_app(portal: Portal, source: PortalSource) -> None:
    """A history that is another app's is a matter of security."""
    portal.pages = [page(1, VERSION | {"appId": 9})]
    with pytest.raises(PermanentError, match="rows of app 9") as caught:
        source.versions("4711")
    assert caught.value.fault is Fault.SECURITY


@pytest.mark.parametrize(
    "changed",
    [
        {"approvalStatus": "Approved"},
        {"distribution": "secret\0"},
        {"id": "4711"},
        {"id": -1},
        {"active": "true"},
        {"latestVersion": 2**31},
        {"name": None},
    ],
    ids=str,
)
def test_bad_apps(portal: Portal, source: PortalSource, changed: dict[str, Any]) -> None:
    """An app that cannot be read fails the list of apps, loudly."""
    portal.pages = [page(1, APP | changed)]
    with pytest.raises(PermanentError) as caught:
        source.apps()
    assert caught.value.fault is Fault.SCHEMA
    assert "\0" not in str(caught.value)


def test_credentials_on_each_call(portal: Portal, source: PortalSource) -> None:
    """Each call carries the bearer token and the app key."""
    list(source.pages("4711"))
    assert portal.asked[0].headers["Authorization"] == "Bearer at1.t0k3n"
    assert portal.asked[0].headers["ST-App-Key"] == SECRETS["app_key"]


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [(900, 720), ("900", 720), (10**12, 2880), (0, 24), (-1, 24), (None, 24), ("soon", 24), (60.0, 48)],
    ids=str,
)
def test_token_is_kept_for_most_of_its_life(
    portal: Portal, source: PortalSource, expires_in: Any, seconds: float
) -> None:
    """A token is used until four fifths of its life, which is taken to be within half a minute and an hour."""
    tokens = [said({"access_token": f"at{n}", "expires_in": expires_in}) for n in (1, 2)]
    portal.tokens = tokens
    for passed in (0.0, seconds - 0.1, seconds):
        portal.now = 1000.0 + passed
        list(source.pages("4711"))
    assert [request.headers["Authorization"] for request in portal.asked] == ["Bearer at1", "Bearer at1", "Bearer at2"]


def test_refused_token_is_renewed_once(portal: Portal, source: PortalSource) -> None:
    """A 401 is answered with a new token; a second one means that the credentials are refused."""
    portal.tokens = [said({"access_token": f"at{n}", "expires_in": 900}) for n in (1, 2, 3)]
    portal.pages = [said({}, 401), page(1)]
    list(source.pages("4711"))
    assert [request.headers["Authorization"] for request in portal.asked] == ["Bearer at1", "Bearer at2"]
    portal.pages = [said({}, 401)]
    error = failed(source)
    assert (type(error), error.fault) == (PermanentError, Fault.AUTH)
    assert len(portal.asked) == 4


@pytest.mark.parametrize(
    ("answer", "kind", "fault"),
    [
        (said({"error": "invalid_client"}, 400), PermanentError, Fault.AUTH),
        (said({"error": "invalid_request"}, 400), PermanentError, Fault.REQUEST),
        (said(b"<html>", 400), PermanentError, Fault.REQUEST),
        (said({}, 429), TransientError, Fault.RATE_LIMITED),
        (said({}, 503), TransientError, Fault.SERVER),
        (said({"access_token": "at1.t0k3n\r\nX: y", "expires_in": 900}), PermanentError, Fault.SCHEMA),
        (said({"access_token": "", "expires_in": 900}), PermanentError, Fault.SCHEMA),
        (said({"access_token": None}), PermanentError, Fault.SCHEMA),
        (said({"access_token": "at1.t0k3n", "token_type": "mac"}), PermanentError, Fault.SCHEMA),
        (said(b'{"access_token": "at1.t0k3n'), PermanentError, Fault.SCHEMA),
        (Response("<html>", content_type="text/html"), TransientError, Fault.PROTOCOL),
    ],
    ids=["client", "request", "html-400", "429", "503", "line-break", "empty", "null", "mac", "cut", "html"],
)
def test_bad_tokens(
    portal: Portal, source: PortalSource, answer: Response, kind: type[EdgeError], fault: Fault
) -> None:
    """Without a token nothing is asked, and the token is never told."""
    portal.tokens = [answer]
    error = failed(source)
    assert (type(error), error.fault) == (kind, fault)
    assert portal.asked == []


BAD_PAGES: list[tuple[str, list[Response], type[EdgeError], Fault]] = [
    ("400", [said({}, 400)], PermanentError, Fault.REQUEST),
    ("403", [said({}, 403)], PermanentError, Fault.AUTH),
    ("404", [said({}, 404)], PermanentError, Fault.GONE),
    ("409", [said({}, 409)], TransientError, Fault.REQUEST),
    ("410", [said({"data": {"code": "app_deleted"}}, 410)], PermanentError, Fault.GONE),
    ("423", [said({}, 423)], TransientError, Fault.REQUEST),
    ("500-with-a-page", [said({"page": 1, "hasMore": False, "data": []}, 500)], TransientError, Fault.SERVER),
    ("404-on-page-2", [page(1, row(), more=True), said({}, 404)], PermanentError, Fault.GONE),
    ("204", [Response(status=204)], PermanentError, Fault.SCHEMA),
    ("206", [said({"page": 1, "hasMore": False, "data": []}, 206)], PermanentError, Fault.SCHEMA),
    ("redirect", [said({}, 302, Location="http://169.254.169.254/x")], PermanentError, Fault.REDIRECT),
    ("html", [Response("<html>", content_type="text/html")], TransientError, Fault.PROTOCOL),
    ("json-called-html", [Response("{}", content_type="text/html")], TransientError, Fault.PROTOCOL),
    ("html-called-json", [said(b"<html>")], TransientError, Fault.SCHEMA),
    ("empty", [said(b"")], TransientError, Fault.SCHEMA),
    ("cut", [said(b'{"page":1,"hasMore":false,"data":[{"id":1')], TransientError, Fault.SCHEMA),
    ("trailing-comma", [said(b'{"page":1,"hasMore":false,"data":[],}')], TransientError, Fault.SCHEMA),
    ("two-documents", [said(b'{"page":1,"hasMore":false,"data":[]}{}')], TransientError, Fault.SCHEMA),
    ("bom", [said(b'\xef\xbb\xbf{"page":1,"hasMore":false,"data":[]}')], TransientError, Fault.SCHEMA),
    ("utf-16", [said('{"page":1,"hasMore":false,"data":[]}'.encode("utf-16"))], TransientError, Fault.SCHEMA),
    ("nan", [said(b'{"page":1,"hasMore":false,"data":[{"id":NaN}]}')], TransientError, Fault.SCHEMA),
    (
        "deep",
        [said(b'{"page":1,"hasMore":false,"data":' + b"[" * 9000 + b"]" * 9000 + b"}")],
        TransientError,
        Fault.SCHEMA,
    ),
    ("list", [said([])], PermanentError, Fault.SCHEMA),
    ("null", [said(None)], PermanentError, Fault.SCHEMA),
    ("string", [said("page")], PermanentError, Fault.SCHEMA),
    ("no-data", [said({"page": 1, "hasMore": False})], PermanentError, Fault.SCHEMA),
    ("data-null", [page(1, data=None)], PermanentError, Fault.SCHEMA),
    ("data-object", [page(1, data={})], PermanentError, Fault.SCHEMA),
    ("no-has-more", [said({"page": 1, "data": []})], PermanentError, Fault.SCHEMA),
    ("has-more-null", [page(1, more=None)], PermanentError, Fault.SCHEMA),
    ("has-more-string", [page(1, more="false")], PermanentError, Fault.SCHEMA),
    ("has-more-number", [page(1, more=0)], PermanentError, Fault.SCHEMA),
    ("total-string", [page(1, totalCount="0")], PermanentError, Fault.SCHEMA),
    ("total-negative", [page(1, totalCount=-1)], PermanentError, Fault.SCHEMA),
    ("total-beyond-a-count", [page(1, totalCount=2**63)], PermanentError, Fault.SCHEMA),
    ("unchanged-unasked", [said(b"", 304)], TransientError, Fault.PROTOCOL),
    ("empty-and-more-twice", [page(1, more=True), page(2, more=True)], TransientError, Fault.PAGING),
    ("empty-and-miscounted", [page(1, more=True, totalCount=2), page(2, row())], TransientError, Fault.PAGING),
    ("other-page", [page(2, row())], TransientError, Fault.PAGING),
    ("same-number-twice", [page(1, row(), more=True), page(1, row(id=2))], TransientError, Fault.PAGING),
    ("same-rows-twice", [page(1, row(), more=True), page(2, row(), more=True)], TransientError, Fault.PAGING),
    ("fewer-than-counted", [page(1, row(), totalCount=2)], TransientError, Fault.PAGING),
    ("more-than-counted", [page(1, row(), totalCount=0)], TransientError, Fault.PAGING),
    (
        "recounted-and-less",
        [page(1, row(), more=True, totalCount=4), page(2, row(id=2), totalCount=3)],
        TransientError,
        Fault.PAGING,
    ),
]


@pytest.mark.parametrize(
    ("pages", "kind", "fault"), [entry[1:] for entry in BAD_PAGES], ids=[entry[0] for entry in BAD_PAGES]
)
def test_bad_pages(
    portal: Portal, source: PortalSource, pages: list[Response], kind: type[EdgeError], fault: Fault
) -> None:
    """A listing that cannot be whole ends in an error, never in fewer tenants."""
    portal.pages = list(pages)
    error = failed(source)
    assert (type(error), error.fault) == (kind, fault)


def test_recounted_listing(portal: Portal, source: PortalSource) -> None:
    """Pages from the first one on that counts otherwise say so; of versions and apps such a list is no list."""
    portal.pages = [page(1, VERSION, more=True, totalCount=2), page(2, VERSION | {"version": 2}, totalCount=1)]
    with pytest.raises(TransientError, match="changed while it was read") as caught:
        source.versions("4711")
    assert caught.value.fault is Fault.PAGING
    first = page(1, row(), more=True, totalCount=2)
    portal.pages = [first, page(2, row(id=2), more=True, totalCount=3), page(3, row(id=3), totalCount=3)]
    assert [read.is_recounted for read in source.pages("4711")] == [False, True, True]


def test_row_of_another_app(portal: Portal, source: PortalSource) -> None:
    """A row of another app is refused before anything of it is believed, whatever else it says."""
    portal.pages = [page(1, row(), row(appId=9), row(appId=9, version="?"))]
    good, *bad = next(source.pages("4711")).items or [msgspec.Raw()]
    assert source.decode("4711", good).tenant
    for item in bad:
        with pytest.raises(PermanentError, match="rows of app 9"):
            source.decode("4711", item)


def test_conditional_walk(portal: Portal, source: PortalSource) -> None:
    """A page that has a tag is asked about; 304 is the page remembered, and other bytes are read as any."""
    portal.pages = [page(1, row(), more=True), page(2, row(id=2))]
    for number, answer in enumerate(portal.pages, 1):
        answer.headers["ETag"] = f'W/"{number}"'
    marks = {read.number: read.mark for read in source.pages("4711")}
    portal.pages = [said(b"", 304), page(2, row(id=3))]
    first, second = source.pages("4711", marks, conditional=True)
    assert [request.headers.get("If-None-Match") for request in portal.asked[-2:]] == ['W/"1"', 'W/"2"']
    assert (first.is_hearsay, first.items, first.mark) == (True, None, marks[1])
    assert (second.is_hearsay, len(second.items or ())) == (False, 1)
    portal.pages = [page(1, row(), more=True), page(2, row(id=2))]
    full = list(source.pages("4711", marks))
    assert "If-None-Match" not in portal.asked[-1].headers
    assert [(read.is_hearsay, read.items) for read in full] == [(False, None)] * 2


def test_retry_after_is_handed_on(portal: Portal, source: PortalSource) -> None:
    """The wait that a 429 asks for reaches whoever decides when to come again."""
    portal.pages = [said({}, 429, Retry_After="120")]
    assert failed(source).retry_after == timedelta(seconds=120)


def test_failures_of_the_portal_are_given_two_more_chances(portal: Portal, source: PortalSource) -> None:
    """A page that fails on the portal's side is asked for three times in all, and no page before it again."""
    portal.pages = [page(1, row(), more=True), said({}, 502), said({}, 500), page(2, row(id=2))]
    assert [len(read.mark.hashes) for read in source.pages("4711")] == [1, 1]
    assert [request.args["page"] for request in portal.asked] == ["1", "2", "2", "2"]
    assert 0.25 <= portal.slept[0] <= 0.75 <= portal.slept[1] <= 2.25
    portal.asked.clear()
    portal.pages = [said({}, 504)]
    assert failed(source).fault is Fault.SERVER
    assert len(portal.asked) == 3


@pytest.mark.parametrize(
    "answer", [said({}, 429), said({}, 503, Retry_After="5"), said({}, 400)], ids=["429", "503-later", "400"]
)
def test_no_second_chance(portal: Portal, source: PortalSource, answer: Response) -> None:
    """Who asks for a wait gets it, and who calls the question wrong is not asked it again."""
    portal.pages = [answer]
    failed(source)
    assert (len(portal.asked), portal.slept) == (1, [])


def test_chances_end_in_time(portal: Portal, source: PortalSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """A portal that takes long to fail is not asked again: the lease would run out."""
    monkeypatch.setattr(source, "_pace", lambda: setattr(portal, "now", portal.now + 6))
    portal.pages = [said({}, 500)]
    assert failed(source).fault is Fault.SERVER
    assert len(portal.asked) == 2


@pytest.mark.parametrize("most", ["MOST_PAGES", "MOST_ROWS"])
def test_endless_listing(portal: Portal, source: PortalSource, monkeypatch: pytest.MonkeyPatch, most: str) -> None:
    """A listing without an end is given up."""
    monkeypatch.setattr(portal_pages, most, 3)
    portal.pages = [page(n, row(id=n), more=True) for n in range(1, 9)]
    assert failed(source).fault is Fault.PAGING
    assert len(portal.asked) <= 4


def test_slow_listing(portal: Portal, source: PortalSource) -> None:
    """A listing that takes longer than a poll may is given up between pages."""
    portal.pages = [page(n, row(id=n), more=True) for n in range(1, 9)]
    walk = source.pages("4711")
    next(walk)
    portal.now += 601
    with pytest.raises(TransientError) as caught:
        next(walk)
    assert caught.value.fault is Fault.DEADLINE


def test_ids_cannot_leave_their_path(portal: Portal, source: PortalSource, httpserver: HTTPServer) -> None:
    """An id with slashes and a question mark stays one segment of the path."""
    with pytest.raises(EdgeError):
        list(source.pages("4711/versions?x="))
    assert httpserver.log[-1][0].path.endswith("/apps/4711/versions?x=/connections")


def test_half_a_character_spoils_no_page(portal: Portal, source: PortalSource) -> None:
    """A lone half of a surrogate pair in one name is replaced; the rows beside it are read."""
    portal.pages = [said(page(1, row(), row(id=2)).get_data().replace(b"Bright", b"\\ud800", 1))]
    names = [source.decode("4711", item).tenant_name for item in next(source.pages("4711")).items or ()]
    assert names == ["\ufffd HVAC", "Bright HVAC"]
