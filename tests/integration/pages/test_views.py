"""Views that people keep: their own, under a name, and never a way to another site."""

import re

import pytest

from models import Session
from models.views import MOST
from tests.integration.access.callers import asked, bearer, cookie
from tests.integration.models.world import World

SAME = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def ada(world: World) -> dict[str, str]:
    """Headers of Ada's browser."""
    return cookie(world.session) | SAME


def kept(database_url: str, headers: dict[str, str], name: str, address: str) -> int:
    """Keep a view; the status of the answer."""
    return asked(database_url, "POST", "/views", headers=headers, data={"name": name, "address": address}).status_code


def listed(database_url: str, headers: dict[str, str]) -> list[tuple[str, str]]:
    """Where the views on a page lead, and how they are called."""
    text = asked(database_url, "GET", "/", headers=headers).text
    return re.findall(r'<a href="([^"]*)"><bdi>([^<]*)</bdi></a><input type="hidden"', text)


def test_kept_and_forgotten(ada: dict[str, str], world: World, database_url: str) -> None:
    """A view is found again by its name, is another one when kept again, and is nobody else's."""
    assert kept(database_url, ada, " My  <b>apps</b> ", "/?q=bridge") == 303
    assert kept(database_url, ada, "Alerts", "/alerts?severity=critical") == 303
    assert kept(database_url, ada, "Alerts", "/alerts") == 303
    assert listed(database_url, ada) == [("/alerts", "Alerts"), ("/?q=bridge", "My &lt;b&gt;apps&lt;/b&gt;")]
    bob = cookie(world.session, name="bob") | SAME
    assert listed(database_url, bob) == []
    (view,) = world.rows("SELECT id FROM saved_view WHERE name = 'Alerts'")
    path = f"/views/{view[0]}/forget"
    assert asked(database_url, "POST", path, headers=bob).status_code == 404
    assert asked(database_url, "POST", path, headers=ada, data={"address": "/alerts"}).headers["location"] == "/alerts"
    assert [name for _, name in listed(database_url, ada)] == ["My &lt;b&gt;apps&lt;/b&gt;"]


@pytest.mark.parametrize(
    "address", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_leads_nowhere_else(ada: dict[str, str], database_url: str, address: str) -> None:
    """What is no page of ours is the first page."""
    assert kept(database_url, ada, "here", address) == 303
    assert listed(database_url, ada) == [("/", "here")]


def test_refused(ada: dict[str, str], database_url: str) -> None:
    """Without a name, one too many, and by a program."""
    assert kept(database_url, ada, " \0 ", "/") == 422
    assert [kept(database_url, ada, f"view {number}", "/") for number in range(MOST)] == [303] * MOST
    assert kept(database_url, ada, "one more", "/") == 409
    assert kept(database_url, ada, "view 7", "/alerts") == 303
    with Session() as session:
        token = bearer(session)
    assert kept(database_url, token, "mine", "/") == 403
