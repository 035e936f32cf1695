"""The dashboard: its answers agree with the questions, and nothing a tenant wrote is taken for markup."""

import re
from datetime import timedelta
from pathlib import Path
from secrets import token_hex

import httpx
import pytest
from sqlalchemy import text

from config.mutes import DAYS
from models import Session, db_now
from models.base import engine_for
from models.keys import Prefix, new_key
from tasks.rules import rules
from tests.integration.access.callers import asked, bearer
from tests.integration.models.world import A, B, World
from tests.integration.tasks.conftest import chosen as chosen  # noqa: PLC0414 - a fixture of that folder, for this too


def ask(path: str, database_url: str) -> httpx.Response:
    """One request of a program that may see everything."""
    with Session() as session:
        headers = bearer(session, name=f"test {token_hex(4)}")
    return asked(database_url, "GET", path, headers=headers)


def test_apps(world: World, database_url: str) -> None:
    """The API answers what `uptake status --json` prints."""
    world.put("1", 1)
    world.poll()
    answer = ask("/api/v1/apps", database_url).json()
    assert answer["next"] is None
    assert [(app["app"], app["connected"], app["adoption"]) for app in answer["data"]] == [("acme:4711", 1, 0.0)]


def test_page_is_inert(world: World, database_url: str) -> None:
    """A tenant's name is text; every answer carries the security headers."""
    world.put("1", 1, tenant_name="<script>alert(1)</script>")
    world.poll()
    world.release(A, B)
    world.poll()
    world.evaluate(after=timedelta(days=20))
    answer = ask("/", database_url)
    assert answer.status_code == 200
    assert "Dispatch Helper" in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "<script>" not in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_muted_is_marked(world: World, database_url: str, chosen: Path) -> None:
    """What a mute of uptake.toml keeps quiet now counts as what nobody is told of, on all pages that show alerts."""
    world.put("1", 1)
    world.poll()
    world.release(A, B)
    world.poll()
    world.evaluate(after=timedelta(days=20))
    pages = ("/", "/apps/acme:4711")
    assert _quiet(database_url, pages) == 2 * ["\N{EN DASH}"]
    today = db_now(world.session).weekday()
    days = [DAYS[today], DAYS[(today + 1) % 7]]
    chosen.write_text(f'{chosen.read_text()}[[mute]]\nname = "now"\ndays = {days}\nkind = "tenant_lagging"\n')
    rules.cache_clear()
    assert _quiet(database_url, pages) == 2 * ["1"]
    chosen.write_text("[policy]\nsettel = 1\n")
    rules.cache_clear()
    for page in pages:
        answer = ask(page, database_url)
        assert answer.status_code == 200
        assert "this process cannot use <code>uptake.toml</code>" in answer.text


def _quiet(database_url: str, pages: tuple[str, ...]) -> list[str]:
    """How many alerts of the one group are quiet, by each page."""
    cell = re.compile(r'missing scopes</span></td><td class="n">.*?</td><td class="n">(.*?)</td>')
    return [cell.findall(ask(page, database_url).text)[0] for page in pages]


def test_health(world: World, database_url: str) -> None:
    """Alive is not ready: without a tick for a minute it says what is missing."""
    assert ask("/healthz", database_url).json() == {"status": "ok"}
    answer = ask("/readyz", database_url)
    assert answer.status_code == 503
    assert "nobody has ticked" in answer.json()["problems"][0]


def test_page_of_an_app(world: World, database_url: str) -> None:
    """Its versions with what they changed, its laggards, and nothing for an app that is not there."""
    world.put("1", 1, tenant_name="Bright <b>HVAC</b>")
    world.poll()
    world.release(A, B)
    world.poll()
    world.evaluate(after=timedelta(days=20))
    answer = ask("/apps/acme:4711", database_url)
    assert answer.status_code == 200
    assert f'<code class="add">{B}</code>' in answer.text
    assert "Bright &lt;b&gt;HVAC&lt;/b&gt;" in answer.text
    missing = ask("/apps/acme:<i>", database_url)
    assert missing.status_code == 404
    assert "acme:&lt;i&gt;" in missing.text


def test_failing_source_is_said(world: World, database_url: str) -> None:
    """A page of old figures says so, and why."""
    world.put("1", 1)
    world.poll()
    world.session.execute(text("UPDATE source SET last_fault = 'auth', last_error = 'the client id is not known'"))
    assert "the client id is not known" in ask("/", database_url).text


def test_database_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser gets a page that tries again, a program a problem."""
    engine = engine_for("postgresql+psycopg://somebody:hush@127.0.0.1:9/uptake")
    monkeypatch.setitem(Session.kw, "bind", engine)
    headers = {"Authorization": f"Bearer {new_key(Prefix.TOKEN)}"}
    page, answer = (asked("unused", "GET", path, headers=headers) for path in ("/", "/api/v1/apps"))
    assert (page.status_code, answer.status_code) == (503, 503)
    assert "does not answer" in page.text
    assert 'http-equiv="refresh"' in page.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hush" not in page.text + answer.text
    engine.dispose()
