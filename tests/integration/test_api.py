"""The API's lists: pages, CSV, filters and marks, and nothing for who may not see it."""

import base64
import csv
import io
import json
import math
from datetime import datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from dashboard.access import RefusedError
from dashboard.api.lists import _cell, _cursor, _place, few
from dashboard.app import application
from models.queries import app_order
from models.queries.apps import AppOverview
from tests.integration.access.callers import asked, bearer
from tests.integration.models.world import A, B, World

NAMES = [
    "=cmd|' /C calc'!A0<script>",
    "+1",
    "-1",
    "@SUM(A1)",
    "\ttab",
    "\uff1d1",
    'a "quoted", name\nof two lines',
    "Füchse",
]


@pytest.fixture
def app(world: World, database_url: str) -> FastAPI:
    """Eight tenants whose names are up to something, half of them on the latest version."""
    world.release(A, B)
    for number, name in enumerate(NAMES, 1):
        world.put(str(number), 1 + number % 2, tenant_name=name)
    world.poll()
    world.evaluate()
    world.session.commit()
    return application(database_url)


@pytest.fixture
def mine(world: World) -> dict[str, str]:
    """A program's token."""
    return bearer(world.session)


def got(app: FastAPI, path: str, headers: dict[str, str]) -> Any:
    """The answer as JSON."""
    answer = asked(app, "GET", f"/api/v1/{path}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int) -> str:
    """What a problem says."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status
    return json.dumps(told)


def test_apps(app: FastAPI, mine: dict[str, str]) -> None:
    """All apps, one of them, its versions and what it can rely on."""
    (listed,) = got(app, "apps", mine)["data"]
    assert (listed["app"], listed["connected"], listed["current"], listed["adoption"]) == ("acme:4711", 8, 4, 0.5)
    assert got(app, "apps/acme:4711", mine) == listed
    versions = got(app, "apps/acme:4711/versions", mine)["data"]
    assert [(one["number"], one["tenants"], one["added"]) for one in versions] == [(2, 4, [B]), (1, 4, [A])]
    ready = got(app, "apps/acme:4711/readiness", mine)["data"]
    assert [(one["scope"], one["granted"], one["share"]) for one in ready] == [(A, 8, 1.0), (B, 4, 0.5)]
    (one,) = got(app, f"apps/acme:4711/readiness?scope={B}", mine)["data"]
    assert one["connected"] == 8


@pytest.mark.parametrize("sort", ["name", "blocked", "adoption"])
def test_apps_in_order(app: FastAPI, mine: dict[str, str], sort: str) -> None:
    """Each order has cursors of its own, and no other is known."""
    (listed,) = got(app, f"apps?sort={sort}", mine)["data"]
    cursor = _cursor(app_order.place(AppOverview(**listed), sort))  # type: ignore[arg-type]  # one of them
    assert got(app, f"apps?sort={sort}&cursor={cursor}", mine) == {"data": [], "next": None}
    other = "blocked" if sort == "name" else "name"
    answer = asked(app, "GET", "/api/v1/apps", params={"cursor": cursor, "sort": other}, headers=mine)
    assert "none of this list's" in refused(answer, 400)
    refused(asked(app, "GET", "/api/v1/apps?sort=worst", headers=mine), 422)


@pytest.mark.parametrize("limit", [1, 3, 8])
def test_pages(app: FastAPI, mine: dict[str, str], limit: int) -> None:
    """From cursor to cursor everybody is there once, and the last page says that it is."""
    whole = got(app, "apps/acme:4711/tenants?limit=1000", mine)
    assert whole["next"] is None
    found, cursor, pages = [], "", 0
    while cursor is not None:
        page = got(app, f"apps/acme:4711/tenants?limit={limit}{cursor and '&cursor='}{cursor}", mine)
        assert len(page["data"]) <= limit
        found += page["data"]
        cursor, pages = page["next"], pages + 1
    assert pages == math.ceil(8 / limit)
    assert found == whole["data"]
    assert len({one["tenant"] for one in found}) == 8


def test_letters_that_a_database_orders_otherwise() -> None:
    """A short list has an order of its own: each row is on exactly one page, however PostgreSQL sorts letters."""
    rows = ["tn.crm:r", "tn.crm_x:r", "tn.crm.a:r"]
    listing = few("scopes", lambda _: rows, lambda row: (row,), kinds=(str,))
    told, after = [], None
    while found := listing.fetch(None, after, 1):  # type: ignore[arg-type]  # nothing is asked of it
        after = found[0][0]
        told.append(found[0][1])
    assert told == sorted(rows)


def test_filters(app: FastAPI, mine: dict[str, str]) -> None:
    """By class, version, scope and letters; a filter that there is not is told, and not left out."""
    path = "apps/acme:4711/tenants"
    blocked = got(app, f"{path}?class=blocking&sort=name", mine)["data"]
    assert {one["lag"] for one in blocked} == {"blocking"}
    assert len(blocked) == 4
    assert blocked == got(app, f"{path}?missing={B}&sort=name", mine)["data"]
    assert blocked == got(app, f"{path}?version=1&sort=name", mine)["data"]
    assert [one["tenant_name"] for one in got(app, f"{path}?q=F%C3%9CCH", mine)["data"]] == ["Füchse"]
    assert "class" in refused(asked(app, "GET", f"/api/v1/{path}?class=late", headers=mine), 422)
    assert "sort" in refused(asked(app, "GET", f"/api/v1/{path}?sort=age", headers=mine), 422)
    assert "limit" in refused(asked(app, "GET", f"/api/v1/{path}?limit=0", headers=mine), 422)
    assert "version" in refused(asked(app, "GET", f"/api/v1/{path}?version=99999999999", headers=mine), 422)


@pytest.mark.parametrize(
    "cursor", ["x", "W10", "WzFd", "WyJhIiwiYiJd", "WyJcdTAwMDAiLDFd", "WyJcdWQ4MDAiLDFd", "é", "WyJhIix0cnVlXQ"]
)
def test_cursor_of_somebody_else(app: FastAPI, mine: dict[str, str], cursor: str) -> None:
    """Whatever is no cursor of the list is told to be none."""
    answer = asked(app, "GET", "/api/v1/apps/acme:4711/tenants", params={"cursor": cursor}, headers=mine)
    assert "none of this list's" in refused(answer, 400)


def test_cursor_without_end(app: FastAPI, mine: dict[str, str]) -> None:
    """One that goes deeper than anybody reads is none either; a page that is given it begins at the start."""
    deep = base64.urlsafe_b64encode(b"[" * 24_000).decode()
    with pytest.raises(RefusedError, match="none of this list's"):
        _place(deep, (str, int))
    answer = asked(app, "GET", "/api/v1/apps/acme:4711/tenants", params={"cursor": deep}, headers=mine)
    refused(answer, 422)
    for path in ("/apps/acme:4711", "/apps/acme:4711/versions/1"):
        assert asked(app, "GET", path, params={"after": deep}, headers=mine).status_code == 200


def test_a_cell_with_parts_is_json(app: FastAPI, mine: dict[str, str]) -> None:
    """What is an object in a list's JSON is the same object in its CSV, and never Python's words for it."""
    (row,) = csv.DictReader(io.StringIO(asked(app, "GET", "/api/v1/apps.csv", headers=mine).text))
    told, (meant,) = json.loads(row["last_poll"]), got(app, "apps", mine)["data"]
    assert datetime.fromisoformat(told.pop("at")) == datetime.fromisoformat(meant["last_poll"].pop("at"))
    assert told == meant["last_poll"]


def test_csv(app: FastAPI, mine: dict[str, str]) -> None:
    """All rows and more than one piece of them; no name is a formula, and each is read back as it was but for that."""
    answer = asked(app, "GET", "/api/v1/apps/acme:4711/tenants.csv", headers=mine)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "tenants.csv" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    listed = got(app, "apps/acme:4711/tenants?limit=1000", mine)["data"]
    assert list(rows[0]) == list(listed[0])
    assert [row["tenant"] for row in rows] == [one["tenant"] for one in listed]
    for row in rows:
        assert not row["tenant_name"].startswith(("=", "+", "-", "@", "\t", "\uff1d"))
    seen = {row["tenant_name"].removeprefix("'") for row in rows}
    assert {"=cmd|' /C calc'!A0<script>", "Füchse"} <= seen
    blocked = list(
        csv.DictReader(
            io.StringIO(asked(app, "GET", "/api/v1/apps/acme:4711/tenants.csv?class=blocking", headers=mine).text)
        )
    )
    assert {row["missing"] for row in blocked} == {B}


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""), (True, "true"), (0.5, "0.5"), (-3, "-3"), ("-3", "'-3"), ("a=b", "a=b"), (" =1", "' =1"),
        ("\ufeff=1", "'\ufeff=1"), ("\uff0b1", "'\uff0b1"), (["-a", "b"], "'-a b"), ([], ""),
    ],
)  # fmt: skip
def test_cells(value: object, cell: str) -> None:
    """Numbers are numbers; whatever a spreadsheet would calculate is text."""
    assert _cell(value) == cell


def test_marks(app: FastAPI, mine: dict[str, str], world: World) -> None:
    """Who has an answer is told that it is still the one, until it is not."""
    path = "/api/v1/apps/acme:4711"
    first = asked(app, "GET", path, headers=mine)
    mark = first.headers["etag"]
    again = asked(app, "GET", path, headers={**mine, "If-None-Match": f'"x", {mark}'})
    assert (again.status_code, again.content) == (304, b"")
    world.session.execute(text("UPDATE tally SET tenants = tenants + 1 WHERE version = 1"))
    world.session.commit()
    changed = asked(app, "GET", path, headers={**mine, "If-None-Match": mark})
    assert changed.status_code == 200
    assert changed.headers["etag"] != mark
    assert changed.headers["cache-control"] == "private, no-cache"


def test_nothing_of_other_sources(app: FastAPI, world: World) -> None:
    """What a caller does not see is not there, in the same words as what nobody has."""
    theirs = bearer(world.session, name="theirs", sources=["other"])
    assert got(app, "apps", theirs)["data"] == []
    for path in ("", "/versions", "/tenants", "/readiness", "/tenants.csv"):
        hidden = refused(asked(app, "GET", f"/api/v1/apps/acme:4711{path}", headers=theirs), 404)
        assert hidden == refused(asked(app, "GET", f"/api/v1/apps/acme:1{path}", headers=theirs), 404)


def test_what_is_not_there(app: FastAPI, mine: dict[str, str]) -> None:
    """An unknown app, path or method is a problem in words."""
    assert "no such app" in refused(asked(app, "GET", "/api/v1/apps/acme:1", headers=mine), 404)
    assert "no such thing" in refused(asked(app, "GET", "/api/v1/nothing", headers=mine), 404)
    refused(asked(app, "DELETE", "/api/v1/apps", headers=mine), 405)
    refused(asked(app, "GET", "/api/v1/apps/acme:%00", headers=mine), 422)
    assert "csv" in json.dumps(got(app, "openapi.json", mine)["paths"])
