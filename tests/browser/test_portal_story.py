"""The whole story in three browsers: the developer's, the operator's and the tenant admin's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.seeing import opened
from tests.integration.portal.people import people_of
from tests.integration.portal.world import World, token_of

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
NAME = "Dispatch Helper"


@contextmanager
def signed_in(browser: Browser, world: World, person: dict[str, Any]) -> Iterator[Page]:
    """A browser of somebody's own, at the page where they start."""
    with opened(browser) as page:
        page.goto(world.base)
        page.get_by_label("User name").fill(person["username"])
        page.get_by_label("Password").fill(person["password"])
        page.get_by_role("button", name="Sign in").click()
        yield page


def test_story(browser: Browser, portal: World) -> None:
    """An app is made, approved, offered and allowed; a scope is added, refused, accepted and used; the app ends."""
    people = people_of(portal)
    tenant = people["admin"]["tenant"]
    with (
        signed_in(browser, portal, people["developer"]) as developer,
        signed_in(browser, portal, people["operator"]) as operator,
        signed_in(browser, portal, people["admin"]) as admin,
    ):
        _makes(developer)
        operator.reload()
        operator.get_by_role("button", name=f"Approve {NAME}").click()
        expect(operator.locator("article", has_text=NAME).locator(".tag")).to_have_text("Approved")
        _offers(developer, tenant)
        _allows(admin)
        key, secret = _key(developer), _secret(admin)
        assert _call(portal, tenant, key, secret, "crm/v2/tenant/{}/customers").status_code == 200
        _adds_a_scope(developer)
        refused = _call(portal, tenant, key, secret, "jpm/v2/tenant/{}/jobs")
        assert (refused.status_code, refused.json()["data"]["requiredScopes"]) == (403, ["tn.jpm.jobs:r"])
        _upgrades(admin)
        assert _call(portal, tenant, key, secret, "jpm/v2/tenant/{}/jobs").status_code == 200
        _sees_it(developer)
        _deletes(developer)
        over = token_of(portal, secret)
        assert (over.status_code, over.json()) == (400, {"error": "invalid_client"})
        admin.get_by_role("link", name="API Application Access").click()
        expect(admin.get_by_text("No app is visible to this tenant")).to_be_visible()


def _makes(page: Page) -> None:
    page.get_by_role("link", name="New App").click()
    page.get_by_label("Application name").fill(NAME)
    page.get_by_label("Organization name").fill("Acme Apps")
    page.get_by_label("Home page URL").fill("https://acme.example")
    page.get_by_label("Public App").check()
    page.get_by_label("Find a scope").fill("tn.crm.customers")
    page.get_by_label("View Customers").check()
    page.get_by_role("button", name="Create app").click()
    expect(page.get_by_role("heading", name=NAME)).to_be_visible()
    expect(page.locator(".tag.pending")).to_have_text("Waiting for approval")


def _offers(page: Page, tenant: str) -> None:
    page.get_by_role("link", name="Tenants", exact=True).click()
    page.get_by_label("Add tenant IDs").fill(tenant)
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("row").filter(has_text=tenant)).to_be_visible()


def _allows(page: Page) -> None:
    page.reload()
    page.get_by_role("link", name=NAME).click()
    expect(page.get_by_role("heading", name="This app asks for")).to_be_visible()
    expect(page.locator(".grants li")).to_have_count(1)
    page.get_by_role("button", name="Allow").click()
    expect(page.locator(".tag.connected")).to_be_visible()


def _key(page: Page) -> str:
    page.get_by_role("link", name="Details").click()
    return page.locator("[data-key]").inner_text()


def _secret(page: Page) -> dict[str, str]:
    page.get_by_role("button", name="New secret").click()
    client, secret = page.locator("dd code").all_inner_texts()
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_text(secret)).to_have_count(0)
    return {"clientId": client, "value": secret}


def _adds_a_scope(page: Page) -> None:
    page.get_by_role("link", name="Scopes").click()
    page.get_by_label("Find a scope").fill("tn.jpm.jobs")
    page.get_by_label("View Jobs", exact=True).check()
    page.get_by_role("button", name="Review changes").click()
    expect(page.get_by_role("heading", name="Saving makes version 2: 1 added, 0 removed")).to_be_visible()
    expect(page.get_by_text("1 tenant will have to accept it")).to_be_visible()
    page.get_by_role("button", name="Save as version 2").click()
    expect(page.get_by_role("heading", name=NAME)).to_be_visible()


def _upgrades(page: Page) -> None:
    page.get_by_role("link", name="API Application Access").click()
    row = page.get_by_role("row").filter(has_text=NAME)
    expect(row).to_contain_text("New Version Available")
    row.get_by_role("link", name="New Version Available").click()
    expect(page.get_by_role("heading", name="New Version Available: 2")).to_be_visible()
    expect(page.locator(".grants li", has=page.locator(".add"))).to_contain_text("tn.jpm.jobs")
    page.get_by_role("button", name="Upgrade to version 2").click()
    expect(page.get_by_role("heading", name="New Version Available")).to_have_count(0)


def _sees_it(page: Page) -> None:
    page.get_by_role("link", name="Connections").click()
    row = page.get_by_role("row").filter(has_text="Connected").filter(has_text="production")
    expect(row.locator("td.n")).to_have_text("2")
    row.locator("summary").click()
    expect(row).to_contain_text("tn.jpm.jobs:r")
    page.get_by_role("link", name="Version history").click()
    expect(page.get_by_role("heading", name="Version 2")).to_be_visible()
    expect(page.locator(".history > li").first.locator("li", has=page.locator(".level.add"))).to_contain_text(
        "tn.jpm.jobs"
    )


def _deletes(page: Page) -> None:
    page.get_by_role("link", name="Details").click()
    page.get_by_role("link", name="Delete this application").click()
    page.get_by_label("name to confirm").fill(NAME)
    page.get_by_role("button", name="Delete for ever").click()
    expect(page.get_by_text("There is no app yet")).to_be_visible()


def _call(world: World, tenant: str, key: str, secret: dict[str, str], path: str) -> httpx.Response:
    """A call of the app for the tenant, with a fresh token."""
    bearer = token_of(world, secret).json()["access_token"]
    headers = {"ST-App-Key": key, "Authorization": f"Bearer {bearer}"}
    return httpx.get(f"{world.base}/{path.format(tenant)}", headers=headers)
