"""A figure on a page counts what it says, and leads to the very rows that it counts."""

import re
from datetime import timedelta
from html import unescape

import pytest

from models import Role
from models.queries.apps import laggards, overview
from models.queries.readiness import readiness
from tests.integration.models.world import A, B, World
from tests.integration.pages.browser import Browser
from uptake.facts import Status
from uptake.policy import Policy

APP = "acme:4711"


@pytest.fixture
def mixed(world: World) -> World:
    """One who lags in production; in another environment two, of whom one's version is not told, and one unknown."""
    told = {"status": Status.CONNECTED, "environment": "integration"}
    world.put("1", 1)
    world.put("2", 1, environment="integration")
    world.put("3", None, grants=frozenset({A}), **told)
    world.put("4", None, **told)
    world.poll()
    world.release(A, B)
    world.put("5", 2, environment="integration")
    world.poll()
    world.evaluate(Policy(environments=("production", "integration")), after=timedelta(days=20))
    world.session.commit()
    return world


@pytest.fixture
def browser(mixed: World, database_url: str) -> Browser:
    """Somebody who looks."""
    return Browser(mixed.session, database_url, Role.VIEWER)


def test_who_does_not_grant_it_yet(mixed: World, browser: Browser) -> None:
    """The link is to as many, whatever was chosen before, and stays in the environment."""
    (ready,) = readiness(mixed.session, APP, environment="integration", scope=B)
    assert (ready.connected, ready.granted, ready.unknown) == (4, 1, 1)
    told = browser.opens(f"/apps/{APP}?environment=integration&q=nobody&version=2&status=disabled")
    links = [unescape(one) for one in re.findall(r'href="([^"]*missing=[^"]*)#tenants">2<', told)]
    assert len(links) == 2
    for link in links:
        listed = browser.opens(link).partition("Tenants of the app")[2].partition("</table>")[0]
        assert re.findall(r">Tenant (\d)<", listed) in (["2", "3"], ["3", "2"])


def test_environments_are_kept(browser: Browser) -> None:
    """From an app to its versions and back one looks at the same environment."""
    seen, left = set(), {f"/apps/{APP}?environment=integration"}
    while left:
        seen |= left
        pages = [browser.opens(link) for link in left]
        found = {unescape(one) for page in pages for one in re.findall(r'href="(/apps/[^"]*)"', page)}
        left = {one.partition("#")[0] for one in found if "days=" not in one and "show=" not in one} - seen
        left = {one for one in left if re.search("/versions/|[?&]version=|4711[?]env", one)}
    assert {f"/apps/{APP}/versions/{number}?environment=integration" for number in (1, 2)} <= seen
    assert f"/apps/{APP}?version=1&environment=integration" in seen
    assert not [one for one in seen if "environment=integration" not in one]


def test_overview_is_of_production(mixed: World, browser: Browser) -> None:
    """Alerts and laggards are those of the environment whose tenants are counted beside them."""
    (production,), (elsewhere,) = (overview(mixed.session, environment=name) for name in ("production", "integration"))
    assert (production.blocking, production.open_alerts) == (1, 1)
    assert (elsewhere.blocking, elsewhere.open_alerts) == (2, 2)
    assert [one.tenant for one in laggards(mixed.session, environment="production")] == ["1"]
    assert {one.tenant for one in laggards(mixed.session)} == {"1", "2", "3"}
    told = browser.opens("/").partition('id="laggards"')[2]
    assert ">Tenant 1<" in told
    assert ">Tenant 2<" not in told


def test_version_that_is_not_told(mixed: World, database_url: str) -> None:
    """Who lags with a version that the portal does not tell runs no vNone."""
    mixed.put("1", None, status=Status.CONNECTED, grants=frozenset({A}))
    mixed.poll()
    mixed.evaluate()
    mixed.session.commit()
    told = Browser(mixed.session, database_url, Role.VIEWER).opens("/")
    assert "not told of v2" in told
    assert "vNone" not in told
