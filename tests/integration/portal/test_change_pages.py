"""The pages on which a developer changes an app, when somebody else changes it at the same time, too."""

import html
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.integration.portal.people import Browser, people_of
from tests.integration.portal.world import JOBS, MODIFY, VIEW, Caller, World, app_body

HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
CHECKED = re.compile(r'value="([^"]+)" checked')


class Desk(NamedTuple):
    """A developer at a browser, who has one app, and a colleague of theirs who calls the API."""

    browser: Browser
    colleague: Caller
    app: int
    tenant: Caller

    def form(self, text: str) -> dict[str, Any]:
        """What the form of a page sends besides what is typed or ticked."""
        return {name: html.unescape(value) for name, value in HIDDEN.findall(text) if name != "scope"}

    def ticks(self, text: str) -> list[str]:
        """The scopes that a grid shows as chosen."""
        return [value for value in CHECKED.findall(text) if value.startswith("tn.")]


@pytest.fixture
def desk(world: World, portal_url: str) -> Iterator[Desk]:
    """They are signed in; the app asks for one scope, and a tenant has allowed it."""
    people = people_of(world)
    entry, admin = people["developer"], people["admin"]
    colleague = world.calling(f"/organization/{entry['organization']}", entry)
    tenant = world.calling(f"/tenant/{admin['tenant']}", admin)
    app = colleague.ok("POST", "/apps", app_body(tenantIds=[admin["tenant"]]))["id"]
    tenant.ok("POST", f"/app-access/{app}/allow")
    browser = Browser(portal_url)
    browser.sign_in(entry)
    yield Desk(browser, colleague, app, tenant)
    browser.http.close()


def test_change_of_scopes_is_reviewed_first(desk: Desk) -> None:
    """The preview says which version, what comes and goes and who must accept; saving makes exactly that one."""
    path = f"/apps/{desk.app}/scopes"
    preview = desk.browser.send(path, path, scope=[JOBS, MODIFY], expected="1", do="review").text
    assert "Saving makes version 2: 2 added, 1 removed" in preview
    assert "1 tenant</strong> will have to accept it" in preview
    assert "It will ask for 2 scopes; View and Modify count each." in preview
    assert re.search(r'Customers <small>.*\n<span class="level del"><span class="hidden">removed: </span>View', preview)
    assert desk.colleague.ok("GET", f"/apps/{desk.app}")["latestVersion"] == 1
    saved = desk.browser.send(path, path, scope=[JOBS, MODIFY], expected="1", do="save")
    assert saved.url.path == f"/apps/{desk.app}/versions"
    assert "Version 2 is released." in saved.text
    assert "All 2 scopes of this version" in saved.text
    assert "All 1 scope of this version" in saved.text
    history = desk.colleague.listed(f"/apps/{desk.app}/versions")
    assert [row["added"] for row in history] == [[MODIFY, JOBS], [VIEW]]
    again = desk.browser.send(path, path, scope=[JOBS, MODIFY], expected="2", do="review")
    assert "Nothing has changed" in again.text


def test_a_choice_can_be_changed_after_the_review(desk: Desk) -> None:
    """Going back keeps what was ticked; discarding shows the latest version's scopes again."""
    path = f"/apps/{desk.app}/scopes"
    preview = desk.browser.send(path, path, scope=[JOBS], expected="1", do="review").text
    assert f'<a class="button" href="{path}">Discard</a>' in preview
    assert re.findall(r'name="do" value="(\w+)"', preview) == ["save", "edit"]
    back = desk.browser.http.post(path, data={**desk.form(preview), "scope": [JOBS], "do": "edit"}).text
    assert desk.ticks(back) == [JOBS]
    assert "your own choice, which is not saved yet" in back
    assert desk.ticks(desk.browser.open(path).text) == [VIEW]


@pytest.mark.parametrize("step", ["review", "save"])
def test_two_release_at_once(desk: Desk, step: str) -> None:
    """Who comes second is told what came meanwhile, keeps the choice, and compares it with the new version."""
    path = f"/apps/{desk.app}/scopes"
    form = desk.form(desk.browser.open(path).text)
    desk.colleague.ok("POST", f"/apps/{desk.app}/versions", {"scopes": [VIEW, MODIFY]})
    answer = desk.browser.http.post(path, data={**form, "scope": [VIEW, JOBS], "expected": "1", "do": step})
    assert f"Version 2 was released meanwhile (+ {MODIFY})." in answer.text
    assert "Your choice is compared with that version now." in answer.text
    assert desk.form(answer.text)["expected"] == "2"
    assert desk.colleague.ok("GET", f"/apps/{desk.app}")["latestVersion"] == 2
    if step == "save":
        assert answer.status_code == 409
        assert "Nothing was saved." in answer.text
        assert sorted(desk.ticks(answer.text)) == [VIEW, JOBS]
        assert "Checked is what version" not in answer.text
    else:
        assert "Saving makes version 3: 1 added, 1 removed" in answer.text
    assert "released meanwhile" not in desk.browser.send(path, path, scope=[JOBS], expected="2", do="review").text


def test_nothing_chosen(desk: Desk) -> None:
    """An app without a scope is refused in words that lead to the grid."""
    path = f"/apps/{desk.app}/scopes"
    answer = desk.browser.send(path, path, expected="1", do="review")
    assert answer.status_code == 400
    assert '<a href="#scopes">Choose at least one scope.</a>' in answer.text


def details(desk: Desk, **typed: str) -> dict[str, Any]:
    """The form of the app's page as it stands now, with what is *typed* into it."""
    text = desk.browser.open(f"/apps/{desk.app}").text
    now = desk.colleague.ok("GET", f"/apps/{desk.app}")
    fields = ("name", "organizationName", "homePageUrl", "credentialManagement")
    return desk.form(text) | {name: now[name] for name in fields} | typed


def test_details_are_edited(desk: Desk) -> None:
    """Names and address change; a page opened before somebody else's edit says what they changed, and keeps ours."""
    path = f"/apps/{desk.app}"
    form = details(desk, name="Ours")
    first = details(desk, organizationName="Theirs & Co")
    assert "Saved." in desk.browser.http.post(path, data=first).text
    late = desk.browser.http.post(path, data=form)
    assert late.status_code == 409
    assert "Organization name is now \u201cTheirs &amp; Co\u201d" in late.text
    assert "What you typed is still below" in late.text
    assert 'name="name" type="text" value="Ours"' in late.text
    assert desk.colleague.ok("GET", path)["name"] == "Dispatch Helper"
    saved = desk.browser.http.post(path, data=form | desk.form(late.text))
    assert "Saved." in saved.text
    assert desk.colleague.ok("GET", path)["name"] == "Ours"


def test_other_changes_are_no_conflict(desk: Desk, world: World) -> None:
    """A version or a tenant that came meanwhile hinders nobody: the fields of the page are as they were."""
    form = details(desk, name="Ours")
    desk.colleague.ok("POST", f"/apps/{desk.app}/versions", {"scopes": [JOBS]})
    assert "Saved." in desk.browser.http.post(f"/apps/{desk.app}", data=form).text
    assert desk.colleague.ok("GET", f"/apps/{desk.app}")["name"] == "Ours"


def test_a_form_that_shows_nothing_changes_nothing(desk: Desk) -> None:
    """Without the tag or the values that were shown, nothing is written over."""
    form = {name: value for name, value in details(desk, name="Ours").items() if not name.startswith(("before", "tag"))}
    assert desk.browser.http.post(f"/apps/{desk.app}", data=form).status_code == 409
    assert desk.colleague.ok("GET", f"/apps/{desk.app}")["name"] == "Dispatch Helper"


@pytest.mark.parametrize(("field", "words"), [("name", "Give the app a name."), ("homePageUrl", "home page")])
def test_details_refused(desk: Desk, field: str, words: str) -> None:
    """What is wrong is said beside its field, and what was typed stays."""
    answer = desk.browser.http.post(f"/apps/{desk.app}", data=details(desk, **{"organizationName": "Kept", field: ""}))
    assert answer.status_code == 400
    assert words in answer.text.partition(f'id="{field}-wrong"')[2]
    assert 'value="Kept"' in answer.text
