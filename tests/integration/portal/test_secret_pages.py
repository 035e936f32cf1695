"""Client secrets on the pages of both sides: shown once, made once, and never a dead end."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from tests.integration.portal.people import Browser, people_of
from tests.integration.portal.world import Caller, World, app_body, token_of


class Side(NamedTuple):
    """Whoever makes the secrets, the page on which they do, and where its form goes."""

    browser: Browser
    page: str
    form: str
    client: str

    def make(self) -> httpx.Response:
        """Press the button of the page."""
        return self.browser.send(self.form, self.page)

    def revokings(self) -> list[str]:
        """Where the page leads to end a secret."""
        found = re.findall(r'href="([^"]*/secrets/\d+/delete[^"]*)"', self.browser.open(self.page).text)
        return [path.replace("&amp;", "&") for path in found]


class Pair(NamedTuple):
    """An app that a tenant has allowed, and both sides of it."""

    app: int
    developer: Caller
    sides: dict[str, Side]

    def made_by(self, mode: str) -> Side:
        """The side that makes the secrets, once the app says so."""
        tag = self.developer("GET", f"/apps/{self.app}").headers["etag"]
        body = {"credentialManagement": mode}
        self.developer.ok("PATCH", f"/apps/{self.app}", body, headers={"If-Match": tag})
        return self.sides[mode]


@pytest.fixture
def pair(world: World, portal_url: str) -> Iterator[Pair]:
    """One of each, signed in."""
    people = people_of(world)
    entry, admin = people["developer"], people["admin"]
    developer = world.calling(f"/organization/{entry['organization']}", entry)
    tenant = world.calling(f"/tenant/{admin['tenant']}", admin)
    app = developer.ok("POST", "/apps", app_body(name="Release Radar", tenantIds=[admin["tenant"]]))["id"]
    client = tenant.ok("POST", f"/app-access/{app}/allow")["clientId"]
    (row,) = developer.listed(f"/apps/{app}/connections")
    theirs, ours = Browser(portal_url), Browser(portal_url)
    theirs.sign_in(admin)
    ours.sign_in(entry)
    page, access = f"/apps/{app}/connections", f"/access/{app}"
    sides = {
        "developer": Side(ours, page, f"{page}/{row['id']}/secret", client),
        "resourceOwner": Side(theirs, access, f"{access}/secrets", client),
    }
    yield Pair(app, developer, sides)
    theirs.http.close()
    ours.http.close()


def value_in(answer: httpx.Response) -> str:
    """The secret that a page shows; empty when it shows none."""
    found: list[str] = re.findall(r"<code data-key>(cs1\.[^<]+)</code>", answer.text)
    return found[0] if found else ""


@pytest.mark.parametrize("mode", ["developer", "resourceOwner"])
def test_shown_once_until_revoked(world: World, pair: Pair, mode: str) -> None:
    """The page names app, tenant, environment and client ID; a revoked secret opens nothing."""
    side = pair.made_by(mode)
    made = side.make()
    secret: dict[str, Any] = {"clientId": side.client, "value": value_in(made)}
    for words in ("Release Radar", "HVAC", "Production", side.client):
        assert words in made.text
    assert token_of(world, secret).status_code == 200
    listed = side.browser.open(side.page).text
    assert secret["value"] not in listed
    assert secret["value"][:6] in listed
    (revoke,) = side.revokings()
    asked = side.browser.open(revoke).text
    assert f"Revoke secret {secret['value'][:6]}…" in asked
    assert "It is the only one" in asked
    assert token_of(world, secret).status_code == 200
    assert "The secret is revoked" in side.browser.send(revoke, revoke).text
    assert token_of(world, secret).status_code == 400
    assert side.browser.open(revoke).status_code == 404


@pytest.mark.parametrize("mode", ["developer", "resourceOwner"])
def test_a_form_sent_twice_makes_one(pair: Pair, mode: str) -> None:
    """A reload of the page with the secret says that it was shown, shows it no more, and makes no second one."""
    side = pair.made_by(mode)
    fields = dict(re.findall(r'name="(csrf_token|once)" value="([^"]+)"', side.browser.open(side.page).text))
    first, again = (side.browser.http.post(side.form, data=fields) for _ in range(2))
    assert value_in(first)
    assert value_in(again) == ""
    assert "This secret was shown already." in again.text
    assert first.text != again.text
    assert len(side.revokings()) == 1
    assert not side.browser.http.post(side.form, data=fields | {"once": ""}).is_success
    assert len(side.revokings()) == 1


@pytest.mark.parametrize("mode", ["developer", "resourceOwner"])
def test_a_third_is_not_offered(pair: Pair, mode: str) -> None:
    """Two work at most: the page says so instead of the button, and whoever is late is told on that same page."""
    side = pair.made_by(mode)
    shown = dict(re.findall(r'name="(csrf_token|once)" value="([^"]+)"', side.browser.open(side.page).text))
    side.make()
    side.make()
    assert "At most 2 secrets" in side.browser.open(side.page).text
    assert side.form not in re.findall(r'action="([^"?]+)', side.browser.open(side.page).text)
    late = side.browser.http.post(side.form, data=shown)
    assert late.status_code == 409
    assert "At most 2 secrets work at a time; revoke one first." in late.text
    assert "Release Radar" in late.text
    assert len(side.revokings()) == 2
    assert "The other secret goes on working." in side.browser.open(side.revokings()[0]).text


@pytest.mark.parametrize(("before", "after"), [("resourceOwner", "developer"), ("developer", "resourceOwner")])
def test_nobody_is_locked_out(pair: Pair, before: str, after: str) -> None:
    """Whoever makes the secrets now can revoke those of the other side; the other side only sees them."""
    maker = pair.made_by(before)
    maker.make()
    maker.make()
    side = pair.made_by(after)
    assert maker.revokings() == []
    for revoke in side.revokings():
        side.browser.send(revoke, revoke)
    assert side.revokings() == []
    assert value_in(side.make())


def test_the_other_side_makes_them(pair: Pair) -> None:
    """Where the developer makes the secrets, the admin's page offers none and says who does."""
    pair.made_by("developer")
    admin = pair.sides["resourceOwner"]
    screen = admin.browser.open(admin.page).text
    assert "New secret" not in screen
    assert "The developer makes the secrets of this app." in screen
