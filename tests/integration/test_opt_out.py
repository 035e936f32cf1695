"""The opt-out page: whoever has the link, and nobody else, stops the reminders that go to them."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from config.links import contact_of, opt_out_url
from config.settings import settings
from dashboard.app import application
from models.contacts import Person, keep_contacts
from tests.integration.models.world import A, B, World

PUBLIC = "https://uptake.acme.example/apps"


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The dashboard can be reached from outside."""
    monkeypatch.setenv("UPTAKE_SECRET_KEY", "k" * 32)
    monkeypatch.setenv("UPTAKE_PUBLIC_URL", f"{PUBLIC}/")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def link(world: World, public: None) -> str:
    """The path of the opt-out page of Ada, who is reminded of tenant 1."""
    world.put("1", 1, tenant_name="Bright <b>HVAC</b>")
    world.poll()
    people = [Person("acme", "1", "ada@bright.example", rank=1), Person("acme", "1", "bob@bright.example", rank=2)]
    keep_contacts(world.session, people)
    world.session.commit()
    ((tenant,),) = world.rows("SELECT id FROM tenant")
    url = opt_out_url([tenant], "ada@bright.example", source_id=world.source_id)
    assert url
    assert url.startswith(f"{PUBLIC}/opt-out/")
    return url.removeprefix(PUBLIC)


def ask(method: str, path: str, database_url: str, **sent: object) -> httpx.Response:
    """One request."""

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(application(database_url))
        async with httpx.AsyncClient(transport=transport, base_url="http://dashboard") as client:
            return await client.request(method, path, **sent)  # type: ignore[arg-type]  # content and headers

    return asyncio.run(asked())


OUT = "SELECT email, opted_out_at IS NOT NULL FROM contact ORDER BY email"
ADA, BOB = ("ada@bright.example", False), ("bob@bright.example", False)


def test_looking_changes_nothing(world: World, link: str, database_url: str) -> None:
    """Mail programs follow links by themselves; what a name brings is no markup."""
    answer = ask("GET", link, database_url)
    assert answer.status_code == 200
    assert "ada@bright.example" in answer.text
    assert "Bright &lt;b&gt;HVAC" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert world.rows(OUT) == [ADA, BOB]


def test_one_click_is_enough(world: World, link: str, database_url: str) -> None:
    """As a mail program sends it (RFC 8058); twice is the same, and the other contact goes on."""
    for _ in range(2):
        answer = ask("POST", link, database_url, content="List-Unsubscribe=One-Click")
        assert answer.status_code == 200
        assert "gets no more reminders" in answer.text
    assert world.rows(OUT) == [(ADA[0], True), BOB]
    assert world.events().count("contact.opted_out") == 1
    undone = ask("POST", f"{link}/undo", database_url)
    assert "No more reminders?" in undone.text
    assert world.rows(OUT) == [ADA, BOB]
    assert world.events().count("contact.opted_in") == 1


def test_what_waits_is_not_sent(world: World, link: str, database_url: str) -> None:
    """A reminder that is queued for them is cancelled, and its turn goes to who is left."""
    world.release(A, B)
    world.poll()
    world.session.execute(
        text("""INSERT INTO reminder (connection_id, app_id, tenant_id, environment, target_version, opened_at, due_at,
                    sent) SELECT id, app_id, tenant_id, environment, 2, :now, :late, 1 FROM connection"""),
        {"now": world.now, "late": world.now + timedelta(days=3)},
    )
    world.session.execute(
        text("""INSERT INTO notice (key, receiver, "to", reason, tenant_id, reminder_id, subject, body, state,
                    created_at, due_at)
                SELECT 'k' || n, 'tenants', CASE n WHEN 1 THEN 'ada@bright.example' ELSE 'bob@bright.example' END,
                    'first', r.tenant_id, r.id, 's', 'b', 'due', :now, :now
                FROM reminder r CROSS JOIN generate_series(1, 2) n"""),
        {"now": world.now},
    )
    world.session.execute(text("INSERT INTO notice_reminder SELECT id, reminder_id, 1 FROM notice"))
    world.session.commit()
    ask("POST", link, database_url)
    assert world.rows("SELECT key, state, settle_reason, gives_back FROM notice ORDER BY key") == [
        ("k1", "cancelled", "opted_out", True),
        ("k2", "due", None, False),
    ]


def test_who_looks_after_very_many(world: World, public: None, database_url: str) -> None:
    """Their link is short enough for a mail's header, and stops what is about all tenants of that source."""
    tenants = [f"{number}" for number in range(1000, 1400)]
    for tenant in tenants:
        world.put(tenant, 1)
    world.poll()
    keep_contacts(world.session, [Person("acme", tenant, "ada@bright.example", rank=1) for tenant in tenants])
    world.session.execute(text("INSERT INTO source (name, kind, next_poll_at) VALUES ('other', 'portal', now())"))
    world.session.execute(
        text("""INSERT INTO tenant (source_id, external_id, first_seen_at)
                SELECT id, '1000', now() FROM source WHERE name = 'other'""")
    )
    keep_contacts(world.session, [Person("other", "1000", "ada@bright.example", rank=1)])
    world.session.commit()
    ids = [tenant for (tenant,) in world.rows("SELECT id FROM tenant WHERE source_id = :id", id=world.source_id)]
    url = opt_out_url(ids, "ada@bright.example", source_id=world.source_id)
    assert url
    assert len(f"List-Unsubscribe: <{url}>") < 998
    path = url.removeprefix(PUBLIC)
    assert "and 380 others" in ask("GET", path, database_url).text
    assert "No more reminders</h1>" in ask("POST", path, database_url).text
    count = (
        "SELECT s.name, count(*) FROM contact k JOIN tenant t ON t.id = k.tenant_id JOIN source s ON s.id = t.source_id"
    )
    assert world.rows(f"{count} WHERE opted_out_at IS NOT NULL GROUP BY 1") == [("acme", 400)]
    assert "No more reminders?" in ask("POST", f"{path}/undo", database_url).text
    assert world.rows(f"{count} WHERE opted_out_at IS NOT NULL GROUP BY 1") == []
    few = opt_out_url(ids[:30], "a" * 60 + "@bright.example", source_id=world.source_id)
    assert few
    assert len(f"List-Unsubscribe: <{few}>") < 998


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_forged_links(world: World, link: str, database_url: str, method: str) -> None:
    """Neither another id, nor a link that was cut off, nor one signed with another key."""
    token = link.rpartition("/")[2]
    for forged in ("1", token[:-1], f"2.{token.partition('.')[2]}", "%00", "style.css.x"):
        answer = ask(method, f"/opt-out/{forged}", database_url)
        assert answer.status_code == 404, forged
        assert "leads nowhere" in answer.text
    assert ask("POST", "/opt-out/1/undo", database_url).status_code == 404
    assert world.rows(OUT) == [ADA, BOB]


def test_other_key(link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who changes the key ends all links that were sent; without one there are none."""
    token = link.rpartition("/")[2]
    assert contact_of(token) is not None
    monkeypatch.setenv("UPTAKE_SECRET_KEY", "x" * 32)
    settings.cache_clear()
    assert contact_of(token) is None
    monkeypatch.delenv("UPTAKE_SECRET_KEY")
    monkeypatch.delenv("UPTAKE_PUBLIC_URL")
    settings.cache_clear()
    assert contact_of(token) is None
    assert opt_out_url([1], "ada@bright.example", source_id=1) is None


def test_forgotten_contact(world: World, link: str, database_url: str) -> None:
    """Who is no contact any more is told so."""
    world.session.execute(text("DELETE FROM contact WHERE email LIKE 'ada@%'"))
    world.session.commit()
    assert ask("POST", link, database_url).status_code == 404


def test_contact_that_was_put_in_again(world: World, link: str, database_url: str) -> None:
    """The links in their old messages hold."""
    world.session.execute(text("DELETE FROM contact WHERE email LIKE 'ada@%'"))
    keep_contacts(world.session, [Person("acme", "1", "ada@bright.example")])
    world.session.commit()
    assert ask("POST", link, database_url).status_code == 200
    assert world.rows(OUT) == [(ADA[0], True), BOB]


def test_style_is_beside_the_page(link: str, database_url: str) -> None:
    """Nothing but /opt-out has to be reachable."""
    answer = ask("GET", "/opt-out/style.css", database_url)
    assert answer.headers["content-type"].startswith("text/css")
