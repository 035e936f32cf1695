"""The pages of tenants: who is listed, and all that is told of one."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from config.settings import settings
from dashboard.app import application
from models import Role
from models.contacts import Person, keep_contacts
from models.leases import claim_source
from models.listing import record_listing, sync_sources
from tasks.rules import rules
from tests.integration.access.callers import asked, cookie
from tests.integration.models.world import A, B, World
from uptake.facts import SeenApp

TOML = f"""
[[source]]
name = "acme"
kind = "portal"
url = "http://127.0.0.1:9/portal/v2"
token_url = "http://127.0.0.1:9/token"
organization = "acme"
accept_url = "https://go.example/{{tenant}}/{{app}}"
client_id = "us"
client_secret = "env:HOME"
app_key = "env:HOME"

[[feature]]
name = "Calendar"
scopes = ["{B}"]
"""
ODD = "a/b?c#%d"
NAMES = {"1": "<b>Müller</b> HVAC", "2": "Bright HVAC", "3": "Zeta", ODD: "Odd"}


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An uptake.toml with a page where to accept, and a feature."""
    path = tmp_path / "uptake.toml"
    path.write_text(TOML)
    monkeypatch.setenv("UPTAKE_CONFIG", str(path))
    settings.cache_clear()
    rules.cache_clear()
    yield path
    settings.cache_clear()
    rules.cache_clear()


@pytest.fixture
def app(world: World, database_url: str) -> FastAPI:
    """Four tenants, of which two accepted what the new version wants; the first has a contact and was reminded."""
    for tenant, name in NAMES.items():
        world.put(tenant, 1, tenant_name=name)
    world.poll()
    world.release(A, B)
    for tenant in ("3", ODD):
        world.put(tenant, 2, tenant_name=NAMES[tenant])
    world.poll()
    keep_contacts(world.session, [Person("acme", "1", "eve@mueller.example", labels={"tier": "gold"})])
    world.evaluate(after=timedelta(days=20))
    world.session.execute(
        text("""
        WITH sent AS (
            INSERT INTO notice (key, receiver, "to", reason, subject, body, state, created_at, due_at)
            VALUES ('test', 'tenants', 'eve@mueller.example', 'first', 'Please <accept>', '', 'sent', now(), now())
            RETURNING id
        )
        INSERT INTO event (at, type, app_id, tenant_id, connection_id, data)
        SELECT now(), 'reminder.sent', c.app_id, c.tenant_id, c.id, jsonb_build_object('notice', sent.id)
        FROM sent, connection c JOIN tenant t ON t.id = c.tenant_id WHERE t.external_id = '1'
        """)
    )
    world.session.execute(
        text("""INSERT INTO reminder (connection_id, app_id, tenant_id, environment, target_version, opened_at, sent,
                due_at)
            SELECT c.id, app_id, tenant_id, environment, 2, now(), 1, now() FROM connection c
            JOIN tenant t ON t.id = c.tenant_id WHERE t.external_id = '1'""")
    )
    sync_sources(world.session, [("acme", "portal"), ("other", "portal")], now=world.now)
    world.session.execute(
        text("""INSERT INTO tenant (source_id, external_id, name, first_seen_at)
                SELECT id, unnest(ARRAY['1', '77']), 'Elsewhere', now() FROM source WHERE name = 'other'""")
    )
    world.session.commit()
    return application(database_url)


@pytest.fixture
def viewer(world: World) -> dict[str, str]:
    """Somebody who only looks."""
    return cookie(world.session)


@pytest.fixture
def operator(world: World) -> dict[str, str]:
    """Somebody who does something about it."""
    return cookie(world.session, Role.OPERATOR, name="olga")


def page(app: FastAPI, headers: dict[str, str], path: str, status: int = 200) -> str:
    """What a browser gets."""
    answer = asked(app, "GET", path, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.text


def listed(app: FastAPI, headers: dict[str, str], query: str = "") -> set[str]:
    """Which tenants are on the page."""
    told = page(app, headers, f"/tenants{query}")
    keys = {f"acme:{tenant}" for tenant in NAMES} | {"other:1", "other:77"}
    return {key for key in keys if f'id="tenant-{key}"' in told}


def test_list(app: FastAPI, viewer: dict[str, str]) -> None:
    """All, or by letters, class and app; the CSV is asked for the same."""
    assert len(listed(app, viewer)) == 6
    assert listed(app, viewer, "?q=hvac") == {"acme:1", "acme:2"}
    assert listed(app, viewer, "?class=blocking") == {"acme:1", "acme:2"}
    assert listed(app, viewer, "?class=current&app=acme:4711") == {"acme:3", f"acme:{ODD}"}
    assert len(listed(app, viewer, "?app=acme:4711")) == 4
    assert listed(app, viewer, "?app=acme:1") == set()
    assert len(listed(app, viewer, "?class=&app=&q=")) == len(listed(app, viewer, "?class=nonsense")) == 6
    told = page(app, viewer, "/tenants?class=blocking&q=hvac")
    assert "/api/v1/tenants.csv?class=blocking&amp;q=hvac" in told
    lines = page(app, viewer, "/api/v1/tenants.csv?class=blocking&q=hvac&app=acme:4711").splitlines()
    assert [line.partition(",")[0] for line in lines] == ["key", "acme:1", "acme:2"]


def test_apps_are_told_apart(app: FastAPI, viewer: dict[str, str], world: World) -> None:
    """Who is connected to one app is not listed for another."""
    lease = claim_source(world.session, world.source_id, now=world.now, every=world.step, forced=True)
    assert lease
    apps = [
        SeenApp(one, one, None, "public", "approved", world.now, False, ("production",)) for one in ("4711", "4712")
    ]
    record_listing(world.session, lease, apps, now=world.now, duration_seconds=0.1)
    world.session.commit()
    assert len(listed(app, viewer, "?app=acme:4711")) == 4
    assert listed(app, viewer, "?app=acme:4712") == set()


def test_list_says_what_to_do(app: FastAPI, viewer: dict[str, str], world: World) -> None:
    """Nobody found is not the same as nobody there."""
    assert "Try fewer letters" in page(app, viewer, "/tenants?q=nobody")
    nobody = cookie(world.session, name="new", sources=["third"])
    assert "No tenant is known yet" in page(app, nobody, "/tenants")


def test_pages(app: FastAPI, viewer: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """From page to page each tenant is there once."""
    monkeypatch.setattr("dashboard.pages.tenants.SHOWN", 4)
    told = page(app, viewer, "/tenants?q=")
    first = listed(app, viewer)
    following = told.partition('class="pager"><a href="')[2].partition('"')[0].replace("&amp;", "&")
    assert following.startswith("/tenants?after=")
    assert len(first) == 4
    second = listed(app, viewer, following.removeprefix("/tenants"))
    assert len(second) == 2
    assert not first & second
    assert "cursor is none" in page(app, viewer, "/tenants?after=nonsense", 400)


def test_sources(app: FastAPI, world: World) -> None:
    """Who sees some sources sees their tenants alone, and of others not even that they are there."""
    limited = cookie(world.session, name="lim", sources=["other"])
    assert listed(app, limited) == {"other:1", "other:77"}
    assert "Nothing is known" in page(app, limited, "/tenants/acme:2", 404)
    assert "Elsewhere" in page(app, limited, "/tenants/1")
    assert "Dispatch Helper" not in page(app, limited, "/tenants")


def test_one(app: FastAPI, operator: dict[str, str]) -> None:
    """What is blocked, how it stands, where to accept, whom to write to, what happened and what was sent."""
    told = page(app, operator, "/tenants/acme:1")
    assert "&lt;b&gt;Müller&lt;/b&gt; HVAC" in told
    assert "<b>" not in told
    for said in (
        "</strong>: Calendar ",
        f'<code class="add">{B}</code>',
        "v1 of v2",
        'href="https://go.example/1/4711"',
        "tier=gold",
        "eve@mueller.example",
        "<strong>Connected</strong>",
        "info: missing scopes, grace over",
        "<strong>Reminder sent</strong>",
        "Please &lt;accept&gt;",
        "/api/v1/tenants/acme:1/timeline.csv?order=newest",
    ):
        assert said in told
    current = page(app, operator, "/tenants/acme:3")
    assert "Nothing: it has every scope" in current
    assert "go.example" not in current
    assert "nobody there can be reminded" in current


def test_viewers_see_no_addresses(app: FastAPI, viewer: dict[str, str], operator: dict[str, str]) -> None:
    """Whom to write to is for operators, in the timeline and the story, too."""
    assert page(app, operator, "/tenants/acme:1?app=acme:4711").count("eve@mueller.example") == 3
    told = page(app, viewer, "/tenants/acme:1?app=acme:4711")
    assert "Operators see whom to write to" in told
    assert "Please &lt;accept&gt;" in told
    assert "to one of its contacts" in told
    assert "eve@" not in told


def test_story(app: FastAPI, viewer: dict[str, str], file: Path) -> None:
    """Of one app it is told why, as `uptake explain` does; a file that cannot be used hides that and nothing else."""
    told = page(app, viewer, "/tenants/acme:1?app=acme:4711")
    assert "The rule: [policy] grace.blocking = 14 days" in told
    assert 'id="story"' not in page(app, viewer, "/tenants/acme:1?app=acme:1")
    file.write_text("[policy]\nsettel = 1\n")
    rules.cache_clear()
    broken = page(app, viewer, "/tenants/acme:1?app=acme:4711")
    assert "no rule can be told" in broken
    assert "Connected" in broken
    assert "go.example" not in broken


def test_timeline(app: FastAPI, viewer: dict[str, str], world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By app and by what it is about, the newest first, page by page."""
    opted = "INSERT INTO event (at, type, tenant_id) SELECT now(), 'contact.opted_out', tenant_id FROM contact"
    world.session.execute(text(opted))
    world.session.commit()
    whole = page(app, viewer, "/tenants/acme:1")
    assert "<strong>A contact wants no more reminders</strong></p>" in whole
    assert whole.index("Reminder sent") < whole.index("<strong>Alert</strong>") < whole.index("Connected")
    alerts = page(app, viewer, "/tenants/acme:1?about=alerts&app=acme:4711")
    assert '<option value="acme:4711" selected>Dispatch Helper</option>' in alerts
    assert '<option value="alerts" selected>' in alerts
    assert "<strong>Alert</strong>" in alerts
    assert "Connected</strong>" not in alerts
    assert "Connected</strong>" in page(app, viewer, "/tenants/acme:1?about=versions&app=acme:4711")
    lines = page(app, viewer, "/api/v1/tenants/acme:1/timeline.csv?about=reminders").splitlines()
    assert len(lines) == 1 + whole.count('class="reminders"') == 3
    monkeypatch.setattr("dashboard.pages.tenant.SHOWN", 2)
    first = page(app, viewer, "/tenants/acme:1")
    earlier = first.partition('class="pager"><a href="')[2].partition("#")[0].replace("&amp;", "&")
    assert "<strong>Alert</strong>" in page(app, viewer, earlier)


def test_names(app: FastAPI, viewer: dict[str, str]) -> None:
    """Any id has a page, by a link that leads there; one that two sources have is asked about."""
    told = page(app, viewer, "/tenants?q=odd")
    link = told.partition('id="tenant-acme:a/b?c#%d"><td><a href="')[2].partition('"')[0]
    whole = page(app, viewer, link)
    assert "<bdi>Odd</bdi>" in whole
    assert f'hx-get="{link}"' in whole
    both = page(app, viewer, "/tenants/1")
    assert 'href="/tenants/acme:1"' in both
    assert 'href="/tenants/other:1"' in both
    assert "Nothing is known" in page(app, viewer, "/tenants/acme:99", 404)
    assert "Nothing is known" in page(app, viewer, "/tenants/%00", 404)
