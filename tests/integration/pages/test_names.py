"""Links lead to what they name, whatever the ids of a portal look like."""

import re
from datetime import timedelta
from html import unescape
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from dashboard.access import policies
from dashboard.app import application
from tests.integration.access.callers import asked, cookie
from tests.integration.models.world import A, B, World

IDS = ["team/app", "a?b#c&d=e", "50%25", 'q"<b>', "Öl:1 x"]
PAGES = ("/", "/tenants", "/alerts", "/health?apps=all")
LINK = re.compile(r'href="(/[^"]*)"')
WANTED = ("/apps/", "/tenants/", "/api/v1/apps/", "/api/v1/tenants/")


def links(app: FastAPI, path: str, headers: dict[str, str]) -> set[str]:
    """The links of a page to what is about an app or a tenant, without what narrows it; and to a group of alerts."""
    answer = asked(app, "GET", path, headers=headers)
    assert answer.status_code == 200, path
    found = {unescape(one).partition("#")[0] for one in LINK.findall(answer.text)}
    groups = {one for one in found if path == "/" and one.startswith("/alerts?open=")}
    return groups | {one.partition("?")[0] for one in found if one.startswith(WANTED)}


@pytest.fixture(params=IDS)
def odd(world: World, request: pytest.FixtureRequest) -> str:
    """An app and a tenant of the same odd id, which is blocked; the other tenant is not."""
    world.put("1", 1)
    world.put("2", 1)
    world.poll()
    world.release(A, B)
    world.put("2", 2)
    world.poll()
    world.evaluate(after=timedelta(days=20))
    for table, known in (("app", "4711"), ("tenant", "1")):
        rename = text(f"UPDATE {table} SET external_id = :odd WHERE external_id = :known")  # noqa: S608 - ours
        world.session.execute(rename, {"odd": request.param, "known": known})
    world.session.commit()
    return str(request.param)


def test_links(odd: str, world: World, database_url: str) -> None:
    """From page to page every link has an answer, and both the app and the tenant are reached."""
    app, headers = application(database_url), cookie(world.session)
    known = {link for path in PAGES for link in links(app, path, headers)}
    seen: set[str] = set()
    while left := known - seen:
        seen |= left
        known = known.union(*(links(app, link, headers) for link in left))
    key = quote(f"acme:{odd}", safe="/:")
    assert {f"/apps/{key}", f"/apps/{key}/versions/1", f"/tenants/{key}", f"/api/v1/apps/{key}/tenants.csv"} <= seen
    (group,) = (one for one in seen if one.startswith("/alerts?"))
    assert ">Tenant 1<" in asked(app, "GET", group, headers=headers).text


def test_questions(odd: str, world: World, database_url: str) -> None:
    """Whatever the API is asked about an app, it is about that app."""
    app, headers = application(database_url), cookie(world.session)
    key = quote(f"acme:{odd}", safe="/:")
    paths = [one.path for one in policies(app) if one.method == "GET" and one.path.startswith("/api/v1/apps/{app")]
    assert len(paths) > 20
    for path in paths:
        told = asked(app, "GET", re.sub(r"{app(:path)?}", lambda _: key, path), headers=headers)
        assert told.status_code == 200, (path, told.text)
    assert asked(app, "GET", f"/api/v1/apps/{key}", headers=headers).json()["app"] == f"acme:{odd}"
