"""The page of all apps: some at a time, found by letters, with pictures of what was worked out ahead."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from dashboard.pages import overview
from models import Role
from tasks.study import study_next
from tests.integration.models.world import A, B, World
from tests.integration.pages.browser import Browser

_ANOTHER = """
INSERT INTO app (source_id, external_id, name, first_seen_at, next_poll_at)
SELECT source_id, :id, :name, now(), now() FROM app WHERE external_id = '4711'
"""


def test_page_by_page(world: World, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One page leads to the next with the same letters, and what is counted above is of all apps on each."""
    monkeypatch.setattr(overview, "PAGE", 2)
    world.put("1", 1)
    world.poll()
    for number in range(3):
        world.session.execute(text(_ANOTHER), {"id": f"x{number}", "name": f"Extra & {number}"})
    world.session.commit()
    browser = Browser(world.session, database_url, Role.VIEWER)
    seen: list[str] = []
    pages: list[str] = []
    path = "/?q=X"
    while path and len(pages) < 9:
        page = browser.opens(path)
        pages.append(page)
        seen += re.findall(r'<td><a href="/apps/([^"]+)">', page)
        further = re.search(r'<p class="pager"><a href="([^"]+)">More apps', page)
        path = further.group(1).replace("&amp;", "&") if further else ""
    assert seen == ["acme:x0", "acme:x1", "acme:x2"]
    assert all("<dt>Apps</dt><dd>4</dd>" in page and 'href="/api/v1/apps.csv?q=X"' in page for page in pages)
    assert "Extra &amp; 0" in pages[0]


def test_picture(world: World, database_url: str) -> None:
    """What it shows is said in words as well; where nobody was ever connected there is none."""
    world.put("1", 1)
    world.put("2", 1)
    world.poll()
    world.release(A, B)
    world.put("2", 2)
    world.poll(after=timedelta(hours=1))
    study_next(now=world.now)
    world.session.execute(text(_ANOTHER), {"id": "x", "name": "Extra"})
    world.session.commit()
    page = Browser(world.session, database_url, Role.VIEWER).opens("/")
    assert "<title>1 of 2 connected tenants run version 2 at the end of these 90 days</title>" in page
    assert page.count("<small>nobody connected</small>") == 1


def test_what_fires_adds_up(world: World, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few groups are shown, it is said how many alerts fire beside them."""
    world.session.execute(text(_ANOTHER), {"id": "x", "name": "Extra"})
    fire = """INSERT INTO alert (source_id, app_id, kind, state, severity, since, opened_at, fired_at, reason)
              SELECT source_id, id, :kind, 'firing', 'info', now(), now(), now(), 'x' FROM app"""
    for kind in ("rollout_stalled", "poll_failing"):
        world.session.execute(text(fire), {"kind": kind})
    world.session.commit()
    browser = Browser(world.session, database_url, Role.VIEWER)
    assert "more than these" not in browser.opens("/")
    monkeypatch.setattr(overview, "SHOWN", 1)
    assert 'What fires <span class="count">4</span>' in browser.opens("/")
    assert "All alerts</a>, 3 more than these" in browser.opens("/")


def test_who_is_shown_first(world: World, database_url: str) -> None:
    """Of an app, those who are blocked; where nobody is, those who hold too much; and whom one chose in any case."""
    world.release(A, B)
    world.put("1", 2)
    world.poll()
    world.release(A)
    world.poll()
    world.evaluate()
    world.session.commit()
    browser = Browser(world.session, database_url, Role.VIEWER)
    chosen = re.compile(r'aria-current="true">([A-Z][a-z ]+) <span class="count">')
    assert chosen.findall(browser.opens("/apps/acme:4711")) == ["Hold too much"]
    assert chosen.findall(browser.opens("/apps/acme:4711?class=blocking")) == ["Blocked"]
    world.put("2", 1)
    world.release(A, B)
    world.poll()
    world.evaluate()
    world.session.commit()
    assert chosen.findall(browser.opens("/apps/acme:4711")) == ["Blocked"]


def test_sorted(world: World, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column's head leads to the list in its order, from the start; pages, letters and the CSV keep that order."""
    monkeypatch.setattr(overview, "PAGE", 1)
    world.put("1", 1)
    world.poll()
    world.session.execute(text(_ANOTHER), {"id": "x", "name": "An app of nobody"})
    world.release(A, B)
    world.poll()
    world.evaluate()
    world.session.commit()
    browser = Browser(world.session, database_url, Role.VIEWER)
    page = browser.opens("/?q=a")
    assert '<th aria-sort="ascending"><a href="/?q=a" aria-current="true">App</a></th>' in page
    assert "An app of nobody" in page
    (worst,) = re.findall(r'<th class="n" aria-sort="none"><a href="([^"]+)">Blocked', page)
    assert worst.replace("&amp;", "&") == "/?q=a&sort=blocked"
    page = browser.opens("/?q=a&sort=blocked")
    assert re.findall(r'<td><a href="/apps/([^"]+)"><strong>', page) == ["acme:4711"]
    assert 'aria-sort="descending"><a href="/?q=a&amp;sort=blocked" aria-current="true">Blocked' in page
    assert 'href="/api/v1/apps.csv?q=a&amp;sort=blocked"' in page
    assert '<input type="hidden" name="sort" value="blocked">' in page
    (further,) = re.findall(r'<p class="pager"><a href="([^"]+)">More apps', page)
    page = browser.opens(further.replace("&amp;", "&"))
    assert re.findall(r'<td><a href="/apps/([^"]+)"><strong>', page) == ["acme:x"]
    assert '<a href="/?q=a&amp;sort=adoption">Adoption' in page
    assert browser.opens("/?sort=nonsense").count('aria-sort="ascending"') == 1
