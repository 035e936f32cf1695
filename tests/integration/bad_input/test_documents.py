"""Bad inputs 47 to 51, 58 and 66: bodies that are no page, and rows that are no connection."""

import json
from typing import Any

import pytest
from werkzeug import Request, Response

from tests.integration.bad_input.polled import (
    LATER,
    NEWS,
    connected,
    last_run,
    listed,
    polled,
    recovered,
    row_of,
    running,
    spoiled,
)
from tests.integration.portal_double import said
from tests.integration.tasks.recorded import Ours
from tests.integration.tasks.test_bad_portal import on
from uptake.http import Client

PAGE = b'{"page":1,"pageSize":500,"hasMore":false,"totalCount":0,"data":[]}'


def with_data(inner: bytes) -> bytes:
    """A page with one row, of a field that nobody reads."""
    return PAGE.replace(b'"totalCount":0,"data":[]', b'"totalCount":1,"data":[{"x":' + inner + b"}]")


BODIES: list[tuple[str, bytes]] = [
    ("case_47_cut", PAGE[:30]),
    ("case_47_trailing_comma", PAGE[:-1] + b",}"),
    ("case_47_two_documents", PAGE + PAGE),
    ("case_47_bom", b"\xef\xbb\xbf" + PAGE),
    ("case_47_utf_16", PAGE.decode().encode("utf-16")),
    ("case_47_single_quotes", PAGE.replace(b'"', b"'")),
    ("case_47_not_utf_8", PAGE.replace(b"page", b"p\xff")),
    ("case_48_list", b"[]"),
    ("case_48_text", b'"page"'),
    ("case_48_null", b"null"),
    ("case_48_number", b"0"),
    ("case_49_nan", with_data(b"NaN")),
    ("case_49_infinity", with_data(b"Infinity")),
    ("case_49_minus_infinity", with_data(b"-Infinity")),
    ("case_49_1e999_as_a_count", PAGE.replace(b'"totalCount":0', b'"totalCount":1e999')),
    ("case_51_5000_deep", with_data(b"[" * 5000 + b"]" * 5000)),
    ("case_51_5000_digits_as_a_count", PAGE.replace(b'"totalCount":0', b'"totalCount":' + b"9" * 5000)),
]


@pytest.mark.parametrize("body", [case[1] for case in BODIES], ids=[case[0] for case in BODIES])
def test_no_page(ours: Ours, body: bytes) -> None:
    """What is not exactly one object of JSON in UTF-8, with what a page has, is no page; whoever reads it lives on."""
    ours.portal.fault = on("/connections", 1, lambda: said(body))
    assert spoiled(ours).fault == "schema"
    recovered(ours)


@pytest.mark.parametrize(
    "twice",
    [
        b'"hasMore":true,"hasMore":false',
        b'"hasMore":false,"data":[{}]',
        b'"hasMore":false,"totalCount":9',
        b'"hasMore":false,"has\\u004dore":true',
        b'"hasMore":false,"x":1,"x":1',
    ],
    ids=[
        "case_50_has_more_twice",
        "case_50_data_twice",
        "case_50_total_twice",
        "case_50_escaped_twice",
        "case_50_field_nobody_reads_twice",
    ],
)
def test_page_with_a_field_twice(ours: Ours, twice: bytes) -> None:
    """A page that says two things of itself says nothing."""
    ours.portal.fault = on("/connections", 1, lambda: said(PAGE.replace(b'"hasMore":false', twice)))
    assert spoiled(ours).fault == "schema"


ROWS_TWICE: list[tuple[str, bytes]] = [
    ("case_50_same_rows", b'{"page":1,"data":[{"a":1},{"a":2}],"hasMore":false,"data":[{"a":1},{"a":2}]}'),
    ("case_50_same_ends", b'{"page":1,"data":[{"a":1},{"a":3}],"hasMore":false,"data":[{"a":1},{"a":2},{"a":3}]}'),
    ("case_50_same_start", b'{"page":1,"data":[{"a":1}],"hasMore":false,"data":[{"a":1},{"a":2}]}'),
    ("case_50_same_row", b'{"page":1,"data":[{"a":1}],"hasMore":false,"data":[{"a":1}]}'),
    ("case_50_unevenly", b'{"page":1,"hasMore":true,"data":[{"a":1}, {"a":2},{"a":3}],"hasMore":false}'),
    ("case_50_behind", b'{"page":1,"hasMore":true,"data":[{"a":1},{"a":2}],"hasMore":false}'),
    ("case_50_no_objects", b'{"page":1,"hasMore":true,"data":[1,1],"hasMore":false}'),
]


@pytest.mark.parametrize("body", [case[1] for case in ROWS_TWICE], ids=[case[0] for case in ROWS_TWICE])
def test_page_with_rows_and_a_field_twice(ours: Ours, body: bytes) -> None:
    """Whatever the rows are, and wherever they stand, a page's own field is seen twice if it is there twice."""
    ours.portal.fault = on("/connections", 1, lambda: said(body))
    run = spoiled(ours)
    assert (run.fault, "gives a field twice" in run.reason) == ("schema", True)


@pytest.mark.parametrize("between", [b"", b" ", b"\n    "], ids="case_50_once_{!r}".format)
def test_fields_of_rows_are_not_the_pages(ours: Ours, between: bytes) -> None:
    """Rows may have fields that are called like the page's, and stand as far apart as they like."""

    def fault(request: Request) -> Response | None:
        if not request.path.endswith("/connections"):
            return None
        rows = [row | {"hasMore": True, "data": [{}], "x": 7} for row in ours.portal._rows("/4711/connections")]
        joined = (b"," + between).join(json.dumps(row).encode() for row in rows)
        return said(b'{"page":1,"hasMore":false,"data":[%s],"totalCount":5, "y":%s}' % (joined, b"9" * 5000))

    ours.portal.fault = fault
    assert (polled(ours).changed, last_run(ours).rejected) == (3, 0)


def replaced(before: str, after: str) -> Any:
    """The row in bytes, with one piece of it replaced."""

    def edit(row: dict[str, Any]) -> bytes:
        text = json.dumps(row)
        assert before in text
        return text.replace(before, after).encode()

    return edit


def without(name: str) -> Any:
    """The row without a field."""
    return lambda row: {key: value for key, value in row.items() if key != name}


ROWS: list[tuple[str, Any]] = [
    ("case_49_1e999_as_a_version", replaced('"version": 2', '"version": 1e999')),
    ("case_50_version_twice", replaced('"version": 2', '"version": 2, "version": 3')),
    ("case_50_escaped_key_twice", replaced('"version": 2', '"version": 2, "\\u0076ersion": 3')),
    ("case_50_inner_key_twice", replaced('"kind": "tenant"', '"kind": "tenant", "kind": "tenant"')),
    ("case_50_key_nobody_reads_twice", replaced('"version": 2', '"version": 2, "x": 1, "x": 1')),
    ("case_51_5000_digits_in_a_field", replaced('"version": 2', '"version": 2, "x": ' + "9" * 5000)),
    ("case_51_5000_digits_as_a_version", replaced('"version": 2', '"version": ' + "9" * 5000)),
    *((f"case_58_no_{name}", without(name)) for name in ("appId", "environment", "status", "version", "clientId")),
    ("case_58_no_app_but_null", replaced('"appId": 4711', '"appId": null')),
]


@pytest.mark.parametrize("edit", [case[1] for case in ROWS], ids=[case[0] for case in ROWS])
def test_row_is_refused(ours: Ours, edit: Any) -> None:
    """A row that cannot be trusted leaves its tenant as it was, not missing; everybody else's news are recorded."""
    ours.portal.fault = row_of(ours.portal, 5, edit)
    assert polled(ours).outcome == "complete"
    assert last_run(ours).rejected == 1
    assert running(ours) == NEWS | {"5": 1}
    ours.portal.fault = lambda _request: None
    assert polled(ours, after=2 * LATER).changed == 2  # tenant 2 is gone by then
    assert running(ours) == NEWS


NAMELESS: list[tuple[str, Any]] = [
    ("case_58_no_owner", without("resourceOwner")),
    ("case_58_no_owners_id", replaced('"id": "5"', '"ID": "5"')),
    ("case_66_null", lambda _: None),
    ("case_66_list", lambda row: [row]),
    ("case_66_empty_object", lambda _: {}),
    ("case_66_number", lambda _: 7),
    ("case_66_text", lambda _: "row"),
]


@pytest.mark.parametrize("edit", [case[1] for case in NAMELESS], ids=[case[0] for case in NAMELESS])
def test_row_of_nobody(ours: Ours, edit: Any) -> None:
    """A row that could be anybody's makes the run partial: the others' news are recorded, and nobody is gone."""
    ours.portal.fault = row_of(ours.portal, 5, edit)
    for passed in (LATER, 2 * LATER):
        recorded = polled(ours, after=passed)
        assert (recorded.outcome, recorded.vanished) == ("partial", 0)
        assert last_run(ours).rejected == 1
    statuses = ours.rows("SELECT DISTINCT status FROM connection")
    assert statuses == [("connected",)]
    assert running(ours) | {"2": 1, "5": 1} == NEWS | {"2": 1, "5": 1}


def test_case_58_unknown_fields_are_let_be(ours: Ours) -> None:
    """Fields that we do not know do not matter."""
    ours.portal.fault = listed(ours.portal, lambda rows: [row | {"new": {"a": [1, None]}, "neu": "x"} for row in rows])
    recorded = polled(ours)
    assert (recorded.outcome, recorded.changed, last_run(ours).rejected) == ("complete", 3, 0)
    assert running(ours) == {key: value for key, value in NEWS.items() if key != "2"}


def test_case_51_worker_lives(ours: Ours) -> None:
    """After the deepest page that fits, the same process reads the next one."""
    deep = with_data(b"[" * 5_000_000 + b"]" * 5_000_000)
    ours.portal.fault = on("/connections", 1, lambda: said(deep))
    with connected(ours, client=Client()):
        assert spoiled(ours).fault == "schema"
    recovered(ours)
