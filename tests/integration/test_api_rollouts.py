"""The API about rollouts: each question answered as the queries do, and nothing for who may not see it."""

import csv
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from dashboard.app import application
from tasks.rules import rules
from tasks.study import study_next
from tests.integration.access.callers import asked, bearer
from tests.integration.models.world import A, B, World
from tests.integration.tasks.conftest import chosen as chosen  # noqa: PLC0414 - a fixture of that folder, for this too
from tests.integration.test_api import got, refused

DAY = timedelta(days=1)
LISTS = ("adoption", "stages", "as-of", "cohorts", "blocked")
ONES = ("time-to-upgrade", "forecast", "week", "reminders/effect")
APP = "apps/acme:4711"


@pytest.fixture
def rolling(world: World) -> World:
    """Thirty tenants, of whom one more upgrades each day for twelve days."""
    for number in range(30):
        world.put(str(number), 1)
    world.poll()
    world.release(A, B)
    for number in range(12):
        world.put(str(number), 2)
        world.poll(after=DAY)
    world.evaluate()
    world.session.commit()
    return world


@pytest.fixture
def app(rolling: World, database_url: str) -> FastAPI:
    """The dashboard of that."""
    return application(database_url)


@pytest.fixture
def mine(rolling: World) -> dict[str, str]:
    """A program's token."""
    return bearer(rolling.session)


def read(app: FastAPI, path: str, headers: dict[str, str]) -> list[dict[str, str]]:
    """A CSV's rows."""
    answer = asked(app, "GET", f"/api/v1/{path}", headers=headers)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_adoption(app: FastAPI, mine: dict[str, str], rolling: World) -> None:
    """Day by day or by week, and on one day of the past; the days to come have none."""
    first, last = rolling.now.date() - 11 * DAY, rolling.now.date()
    path = f"{APP}/adoption?to={last}"
    whole = got(app, path, mine)["data"]
    assert {(one["day"], one["version"]): one["tenants"] for one in whole} == {
        **{(f"{first + day * DAY}", 2): day + 1 for day in range(12)},
        **{(f"{first + day * DAY}", 1): 29 - day for day in range(12)},
        (f"{first - DAY}", 1): 30,
    }
    assert whole[-1] == {
        "day": f"{last}",
        "version": 2,
        "tenants": 12,
        "connected": 30,
        "share": 0.4,
        "as_of": rolling.now.isoformat().replace("+00:00", "Z"),
    }
    weekly = got(app, f"{path}&from={first - DAY}&step=week", mine)["data"]
    assert [(one["day"], one["version"], one["tenants"]) for one in weekly] == [
        (f"{first - DAY}", 1, 30),
        (f"{first + 6 * DAY}", 1, 23),
        (f"{first + 6 * DAY}", 2, 7),
    ]
    that_day = got(app, f"{APP}/adoption?from={first}&to={first}", mine)["data"]
    assert [(one["version"], one["share"]) for one in that_day] == [(1, 29 / 30), (2, 1 / 30)]
    assert [one["tenants"] for one in read(app, f"{APP}/adoption.csv?from={first}&to={first}", mine)] == ["29", "1"]
    assert got(app, f"{APP}/adoption?from=9999-12-31", mine)["data"] == []
    assert got(app, f"{APP}/adoption?to=0001-01-01", mine)["data"] == []
    assert got(app, f"{path}&environment=integration", mine)["data"] == []
    refused(asked(app, "GET", f"/api/v1/{APP}/adoption?from=1900-01-01", headers=mine), 400)
    refused(asked(app, "GET", f"/api/v1/{APP}/adoption?step=year", headers=mine), 422)


@pytest.mark.parametrize("path", ["adoption?limit=5&to={last}", "as-of?limit=7", "stages?limit=1", "blocked?limit=1"])
def test_pages(app: FastAPI, mine: dict[str, str], rolling: World, path: str) -> None:
    """From cursor to cursor it is the same as at once."""
    path = f"{APP}/{path.format(last=rolling.now.date())}"
    found: list[Any] = []
    cursor, pages = "", 0
    while cursor is not None:
        page = got(app, f"{path}{cursor and '&cursor='}{cursor}", mine)
        found += page["data"]
        cursor, pages = page["next"], pages + 1
    whole = got(app, path.replace("limit=", "limit=100&x="), mine)["data"]
    assert found == whole
    assert pages > 1 or len(whole) == 1


@pytest.mark.parametrize(
    "cursor", ["WyIyMDI2LTEzLTAxIiwxXQ", "WyJ4IiwxXQ", "WyIyMDI2LTAxLTAxIiw5MjIzMzcyMDM2ODU0Nzc1ODA3XQ"]
)
def test_cursor_that_is_no_day(app: FastAPI, mine: dict[str, str], cursor: str) -> None:
    """A day that there is not is told to be none; a version that nobody has is merely after all others."""
    answer = asked(app, "GET", f"/api/v1/{APP}/adoption?cursor={cursor}", headers=mine)
    assert answer.status_code in {200, 400}
    assert (answer.status_code == 200) == cursor.startswith("WyIyMDI2LTAx")


def test_as_of(app: FastAPI, mine: dict[str, str], rolling: World) -> None:
    """Who ran what then; the future is nobody's to know, and a time without an offset none at all."""
    then = rolling.now - 6 * DAY
    found = got(app, f"{APP}/as-of?limit=1000&at={then:%Y-%m-%dT%H:%M:%SZ}", mine)["data"]
    assert {one["tenant"] for one in found if one["version"] == 2} == {str(number) for number in range(6)}
    assert len(found) == 30
    by_tenant = {one["tenant"]: one for one in found}
    assert (by_tenant["0"]["scopes"], by_tenant["0"]["until"], by_tenant["29"]["until"]) == ([A, B], None, None)
    assert by_tenant["7"]["until"] > then.isoformat()
    some = read(app, f"{APP}/as-of.csv?at={then:%Y-%m-%dT%H:%M:%SZ}&version=2&status=connected", mine)
    assert {one["tenant_name"] for one in some} == {f"Tenant {number}" for number in range(6)}
    assert got(app, f"{APP}/as-of?at=0001-01-01T00:00:00%2B14:00", mine)["data"] == []
    refused(asked(app, "GET", f"/api/v1/{APP}/as-of?at=9999-01-01T00:00:00Z", headers=mine), 400)
    refused(asked(app, "GET", f"/api/v1/{APP}/as-of?at=2026-03-02T09:00:00", headers=mine), 422)


def test_stages(app: FastAPI, mine: dict[str, str]) -> None:
    """The newest first, each with its word."""
    found = got(app, f"{APP}/stages", mine)["data"]
    assert [(one["version"], one["stage"], one["share"]) for one in found] == [
        (2, "adopted", 0.4),
        (1, "majority", 0.6),
    ]


def test_time_to_upgrade(app: FastAPI, mine: dict[str, str], rolling: World) -> None:
    """The curve and what is read off it, said on the spot or ahead, of the latest version or another."""
    found = got(app, f"{APP}/time-to-upgrade", mine)
    assert (found["version"], found["tenants"], found["upgraded"], found["waiting"]) == (2, 30, 12, 18)
    assert [(one["share"], one["seconds"]) for one in found["percentiles"]] == [(0.5, None), (0.9, None), (0.95, None)]
    within = {one["within_seconds"] / 86400: one["share"] for one in found["within"]}
    assert within == pytest.approx({1: 1 / 30, 3: 0.1, 7: 7 / 30, 14: None, 30: None, 90: None})
    assert found["curve"][-1]["waiting"] == pytest.approx(0.6)
    assert found["curve"][-1]["lower"] < 0.6 < found["curve"][-1]["upper"]
    study_next()
    assert got(app, f"{APP}/time-to-upgrade?version=2", mine) == found
    assert got(app, f"{APP}/time-to-upgrade?version=1", mine)["joined"] == 30
    refused(asked(app, "GET", f"/api/v1/{APP}/time-to-upgrade?version=3", headers=mine), 404)
    refused(asked(app, "GET", f"/api/v1/{APP}/time-to-upgrade?version=0", headers=mine), 422)


def test_forecast(app: FastAPI, mine: dict[str, str], rolling: World) -> None:
    """When the target is reached, what that rests on and how such forecasts did; any share is a target."""
    found = got(app, f"{APP}/forecast", mine)
    assert (found["target"], found["tenants"], found["upgraded"], found["needed"]) == (0.95, 30, 12, 29)
    assert found["low_at"] > rolling.now.isoformat()
    assert found["scores"][0]["made"] == 0
    assert got(app, f"{APP}/forecast?target=0.3", mine)["outcome"] == "reached"
    study_next()
    assert got(app, f"{APP}/forecast", mine) == found
    for target in ("0", "1.01", "nan", "x"):
        refused(asked(app, "GET", f"/api/v1/{APP}/forecast?target={target}", headers=mine), 422)


def test_cohorts(app: FastAPI, mine: dict[str, str]) -> None:
    """Everybody began with version 1."""
    for by in ("first", "before"):
        (one,) = got(app, f"{APP}/cohorts?by={by}", mine)["data"]
        assert (one["cohort"], one["tenants"], one["upgraded"], one["share"]) == (1, 30, 12, 0.4)


def test_week(app: FastAPI, mine: dict[str, str]) -> None:
    """Seven upgrades in the last seven days, five in those before."""
    found = got(app, f"{APP}/week", mine)
    assert (found["this"]["upgrades"], found["last"]["upgrades"]) == (7, 5)
    assert (found["this"]["blocking"], found["last"]["blocking"]) == (18, 25)
    assert (found["this"]["adoption"], found["last"]["connected"]) == (0.4, 30)


FEATURES = f"""
[[feature]]
name = "Dispatch"
scopes = ["{A}", "{B}"]
why = "To send technicians."
[[feature]]
name = "Works"
scopes = ["{A}"]
"""


def test_blocked(app: FastAPI, mine: dict[str, str], chosen: Path) -> None:
    """Scope by scope, and by the features of uptake.toml that take one of them."""
    (one,) = got(app, f"{APP}/blocked", mine)["data"]
    assert (one["kind"], one["name"], one["tenants"], one["share"], one["why"]) == ("scope", B, 18, 0.6, "")
    for content, features in ((chosen.read_text() + FEATURES, ["Dispatch"]), ("nonsense", [])):
        chosen.write_text(content)
        rules.cache_clear()
        found = got(app, f"{APP}/blocked", mine)["data"]
        assert [(one["kind"], one["name"], one["tenants"], one["why"]) for one in found] == [
            *(("feature", name, 18, "To send technicians.") for name in features),
            ("scope", B, 18, "To send technicians." if features else ""),
        ]


def test_reminders_effect(app: FastAPI, mine: dict[str, str]) -> None:
    """Nothing was sent, so nothing can be said."""
    found = got(app, f"{APP}/reminders/effect", mine)
    assert (found["steps"], found["without_share"], found["within_seconds"]) == ([], None, 259200)


def test_before_anything_is_known(world: World, database_url: str) -> None:
    """An app that was never read has no version to ask about; its lists are empty."""
    app, headers = application(database_url), bearer(world.session)
    for path in ("adoption", "stages", "as-of", "blocked"):
        assert got(app, f"{APP}/{path}", headers)["data"] == []
    assert got(app, f"{APP}/week", headers)["this"] is None
    assert got(app, f"{APP}/reminders/effect", headers)["steps"] == []
    for path in ("time-to-upgrade", "forecast", "cohorts"):
        assert "version" in refused(asked(app, "GET", f"/api/v1/{APP}/{path}", headers=headers), 404)


def test_nothing_of_other_sources(app: FastAPI, rolling: World) -> None:
    """What a caller does not see is not there, in the same words as what nobody has, be it stored or not."""
    study_next()
    theirs = bearer(rolling.session, name="theirs", sources=["other"])
    ours = bearer(rolling.session, name="ours", sources=["acme"])
    for path in (*LISTS, *(f"{path}.csv" for path in LISTS), *ONES):
        assert asked(app, "GET", f"/api/v1/{APP}/{path}", headers=ours).status_code == 200, path
        hidden = refused(asked(app, "GET", f"/api/v1/{APP}/{path}", headers=theirs), 404)
        assert hidden == refused(asked(app, "GET", f"/api/v1/apps/acme:1/{path}", headers=theirs), 404)
        assert hidden == refused(asked(app, "GET", f"/api/v1/apps/acme:1/{path}", headers=ours), 404)


def test_ages_are_told(app: FastAPI, mine: dict[str, str], rolling: World) -> None:
    """Beside every answer stands until when it is exact."""
    world_ends = rolling.now.isoformat().replace("+00:00", "Z")
    for path in ONES:
        assert got(app, f"{APP}/{path}", mine)["as_of"] == world_ends, path
    for path in ("stages", "cohorts", "blocked"):
        assert {one["as_of"] for one in got(app, f"{APP}/{path}", mine)["data"]} == {world_ends}, path
    rolling.session.execute(text("UPDATE app SET walked_at = NULL"))
    rolling.session.commit()
    assert got(app, f"{APP}/stages", mine)["data"][0]["as_of"] is None
