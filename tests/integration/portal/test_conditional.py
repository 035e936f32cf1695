"""Reading again what did not change costs no body, for whoever asks."""

import pytest

from tests.integration.portal.world import JOBS, VIEW, Caller, World, app_body, code, connected

PATHS = [
    "",
    "/scope-groups",
    "/apps",
    "/apps/{app}",
    "/apps/{app}/versions",
    "/apps/{app}/versions/1",
    "/apps/{app}/versions/1/diff",
    "/apps/{app}/availability",
    "/apps/{app}/connections",
    "/connections",
]


@pytest.mark.parametrize("path", PATHS)
def test_unchanged_is_304_for_every_token(world: World, developer: Caller, admin: Caller, path: str) -> None:
    """The tag is weak and independent of token and key; naming it brings 304 and no body."""
    app = connected(developer, admin)
    other = world.colleague(developer)
    path = path.format(app=app)
    first = developer("GET", path)
    tag = first.headers["etag"]

    assert tag.startswith('W/"')
    assert other("GET", path).headers["etag"] == tag
    for caller in (developer, other):
        again = caller("GET", path, headers={"If-None-Match": f'"other", {tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert developer("GET", path, headers={"If-None-Match": 'W/"other"'}).content == first.content


def test_immutable_version_may_be_kept_forever(developer: Caller) -> None:
    """A version never changes, and both the answer and its 304 say so."""
    app = developer.ok("POST", "/apps", app_body())["id"]
    first = developer("GET", f"/apps/{app}/versions/1")
    again = developer("GET", f"/apps/{app}/versions/1", headers={"If-None-Match": first.headers["etag"]})

    assert again.status_code == 304
    for answer in (first, again):
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"


def test_tag_of_a_page_is_its_own(developer: Caller) -> None:
    """The tag belongs to the query and the page: another page, size or filter has another."""
    for _ in range(3):
        developer.ok("POST", "/apps", app_body())
    pages = [developer("GET", "/apps", params=q).headers["etag"] for q in ({"pageSize": 1}, {"pageSize": 1, "page": 2})]

    assert len({*pages, developer("GET", "/apps").headers["etag"]}) == 3


def test_tag_of_connections_changes_with_any_row_or_release(developer: Caller, admin: Caller) -> None:
    """A row that changes on the page changes its tag, and so does a new version of the app."""
    app = connected(developer, admin)
    seen = [developer("GET", "/connections").headers["etag"]]
    developer.ok("POST", f"/apps/{app}/versions", {"scopes": [VIEW, JOBS]})
    seen.append(developer("GET", "/connections").headers["etag"])
    admin.ok("POST", f"/app-access/{app}/upgrade", {"version": 2})
    seen.append(developer("GET", "/connections").headers["etag"])

    assert len(set(seen)) == 3


def test_errors_are_never_304(developer: Caller) -> None:
    """Even "any tag" brings no 304 for what is not there."""
    assert code(developer("GET", "/apps/1", headers={"If-None-Match": "*"})) == (404, "not_found")


def test_tags_on_two_lines(developer: Caller) -> None:
    """A header that is sent twice means what it means when it is sent once with a comma."""
    lines = [("If-None-Match", '"other"'), ("If-None-Match", developer("GET", "/apps").headers["etag"])]
    assert developer("GET", "/apps", headers=lines).status_code == 304
