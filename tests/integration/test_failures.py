"""What PostgreSQL cannot hold, and what we did wrong, is told as that: the database is there."""

import sys
from typing import Any

import pytest
from sqlalchemy import text

from models import Role
from models.base import engine_for
from tests.integration.access.callers import SAME_SITE, asked, bearer, cookie
from tests.integration.models.world import World
from tests.integration.test_api import refused

LARGE = str(2**63)


@pytest.mark.parametrize(
    ("method", "path", "form", "status"),
    [
        pytest.param("GET", "/apps/acme:%00/versions/1", None, 404, id="U1_an_app"),
        pytest.param("GET", f"/apps/acme:4711/versions/{LARGE}", None, 404, id="U2_a_version"),
        pytest.param("POST", f"/views/{LARGE}/forget", {}, 422, id="U3_a_view"),
        pytest.param("POST", "/alerts/hold", {"what": "acknowledge", "alert": LARGE}, 422, id="U4_an_alert"),
        pytest.param("POST", "/settings/people/link", {"name": "a\0"}, 422, id="U5_a_name"),
        pytest.param("POST", "/settings/people/state", {"name": "a\0", "to": "disabled"}, 422, id="U6_a_state"),
        pytest.param(
            "POST", "/settings/people", {"name": "bob", "role": "viewer", "source": "\0"}, 422, id="U7_a_source"
        ),
    ],
)
def test_what_nobody_can_hold(
    world: World, database_url: str, method: str, path: str, form: dict[str, Any] | None, status: int
) -> None:
    """A NUL or a number beyond all is nobody's, whoever asks by it; nobody is sent to the database for it."""
    headers = cookie(world.session, Role.ADMIN) | SAME_SITE
    answer = asked(database_url, method, path, headers=headers, data=form)
    assert answer.status_code == status, answer.text
    assert "database" not in answer.text


@pytest.mark.parametrize(
    ("statement", "status", "said"),
    [
        pytest.param("SELECT cast('x' AS int)", 422, "cannot be understood", id="F1_no_number"),
        pytest.param("SELECT * FROM nothing", 503, "uptake migrate", id="F2_no_table"),
        pytest.param("SELECT nothing FROM app", 503, "uptake migrate", id="F3_no_column"),
        pytest.param("SELECT FROM WHERE", 500, "mistake of ours", id="F4_no_sense"),
        pytest.param("SELECT nothing()", 500, "mistake of ours", id="F5_no_function"),
    ],
)
def test_what_failed(
    world: World,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    statement: str,
    status: int,
    said: str,
) -> None:
    """A value that cannot be, a schema that is behind and a mistake of ours are three things; one is logged."""
    headers, engine = bearer(world.session), engine_for(database_url)

    def broken(*_: object, **__: object) -> None:
        # By a connection of its own: the test's would be broken after it.
        with engine.connect() as connection:
            connection.execute(text(statement))

    for module, name in (("dashboard.api.apps", "overview"), ("dashboard.pages.overview", "totals")):
        monkeypatch.setattr(sys.modules[module], name, broken)
    page, answer = (asked(database_url, "GET", path, headers=headers) for path in ("/", "/api/v1/apps"))
    assert said in refused(answer, status)
    assert (page.status_code, said in page.text) == (status, True)
    engine.dispose()
    told = capsys.readouterr()
    assert ("request.broke" in told.out + told.err) is (status == 500)
    assert "sqlstate=42" in told.out + told.err or status != 500
