"""Tenants by the API: found by letters, counted over their apps, and told with all that happened to them."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from dashboard.app import application
from models import Scope
from models.listing import sync_sources
from models.queries.tenant_lists import tenants
from models.queries.typed import HAS_LETTERS, looked_for
from tests.integration.access.callers import asked, bearer
from tests.integration.models.world import A, B, World
from tests.integration.test_api import got, refused
from uptake.facts import Status

NAMES = {"1": "Müller HVAC", "2": "東京 Gas", "3": "Bright HVAC", "a/b c": "100% Öl_Dienst", "50": None}


@pytest.fixture
def app(world: World, database_url: str) -> FastAPI:
    """Five tenants, of which two are blocked, and one of the same id at another source."""
    for number, (tenant, name) in enumerate(NAMES.items()):
        world.put(tenant, 1, tenant_name=name, environment="production")
        if number < 2:
            world.put(tenant, 1, tenant_name=name, environment="dev")
    world.poll()
    world.release(A, B)
    for tenant in ("2", "3", "a/b c"):
        world.put(tenant, 2, tenant_name=NAMES[tenant])
    world.poll()
    world.evaluate(after=timedelta(days=20))
    sync_sources(world.session, [("acme", "portal"), ("other", "portal")], now=world.now)
    world.session.execute(
        text("""INSERT INTO tenant (source_id, external_id, name, first_seen_at)
                SELECT id, unnest(ARRAY['1', '77']), 'Zeta', now() FROM source WHERE name = 'other'""")
    )
    world.session.commit()
    return application(database_url)


@pytest.fixture
def mine(world: World) -> dict[str, str]:
    """A program's token."""
    return bearer(world.session)


def keys(app: FastAPI, headers: dict[str, str], query: str = "") -> list[str]:
    """Which tenants are listed."""
    return [one["key"] for one in got(app, f"tenants{query}", headers)["data"]]


def test_all_of_them(app: FastAPI, mine: dict[str, str]) -> None:
    """By name and over all sources, with what they have and in how many apps they are blocked."""
    listed = {one["key"]: one for one in got(app, "tenants", mine)["data"]}
    assert list(listed) == ["acme:a/b c", "acme:50", "acme:3", "acme:1", "other:1", "other:77", "acme:2"]
    first = listed["acme:1"]
    assert (first["tenant"], first["source"], first["tenant_name"]) == ("1", "acme", "Müller HVAC")
    assert (first["apps"], first["blocking"], first["trimming"]) == (1, 1, 0)
    assert first["blocked_since"] is not None
    assert first["as_of"] is not None
    assert (listed["acme:2"]["blocking"], listed["acme:2"]["blocked_since"]) == (0, None)
    assert (listed["other:77"]["apps"], listed["other:77"]["as_of"]) == (0, None)


@pytest.mark.parametrize(
    ("letters", "found"),
    [
        ("müll", ["1"]), ("MÜLLER", ["1"]), ("hvac", ["3", "1"]), ("東京", ["2"]), ("gas", ["2"]), ("ga", ["2"]),
        ("va", []), ("0% ö", ["a/b c"]), ("l_d", ["a/b c"]), ("l%d", []), ("a/b", ["a/b c"]), ("5", ["50"]),
        ("c\n1", []), ("\n5", []), ("\\", []), ("", ["a/b c", "50", "3", "1", "2"]),
    ],
)  # fmt: skip
def test_letters(app: FastAPI, world: World, letters: str, found: list[str]) -> None:
    """A few letters of a name or id find a tenant in any script and case; what LIKE reads as more is itself."""
    headers = bearer(world.session, name="letters", sources=["acme"])
    answer = asked(app, "GET", "/api/v1/tenants", params={"q": letters}, headers=headers)
    assert [one["tenant"] for one in answer.json()["data"]] == found


def test_letters_are_in_an_index(world: World) -> None:
    """Nobody who looks for three letters reads all tenants."""
    world.session.execute(text("SET LOCAL enable_seqscan = off"))
    plan = world.session.execute(text(f"EXPLAIN SELECT FROM tenant t WHERE {HAS_LETTERS}"), looked_for("Hva")).scalars()
    assert "ix_tenant_letters" in "".join(plan)


def test_who_is_paused_lacks_nothing(app: FastAPI, mine: dict[str, str], world: World) -> None:
    """Only what a tenant is connected to counts, however its scopes compare."""
    world.put("3", 2, tenant_name=NAMES["3"], status=Status.DISABLED)
    world.put("1", 1, tenant_name=NAMES["1"], status=Status.DISABLED)
    world.poll()
    assert keys(app, mine, "?blocking=true") == ["acme:50"]
    found = {one["key"]: (one["apps"], one["blocking"]) for one in got(app, "tenants", mine)["data"]}
    assert (found["acme:50"], found["acme:1"]) == ((1, 1), (0, 0))
    world.release(A)
    world.poll()
    world.evaluate()
    held = {one["key"]: (one["apps"], one["blocking"], one["trimming"]) for one in got(app, "tenants", mine)["data"]}
    assert (held["acme:2"], held["acme:3"], held["acme:1"]) == ((1, 0, 1), (0, 0, 0), (0, 0, 0))


def test_sources_are_never_widened(app: FastAPI, world: World) -> None:
    """Whoever does not see the source of an app finds none of its tenants."""
    assert [one.tenant for one in tenants(world.session, app="acme:4711", blocking=True, sources=["acme"])] == [
        "50",
        "1",
    ]
    assert tenants(world.session, app="acme:4711", blocking=True, sources=["other"]) == []
    assert tenants(world.session, app="acme:4711", sources=["other"]) == []


def test_only_the_blocked(app: FastAPI, mine: dict[str, str]) -> None:
    """Whoever lacks scopes of an app in the environment, or all others."""
    assert keys(app, mine, "?blocking=true") == ["acme:50", "acme:1"]
    assert keys(app, mine, "?blocking=true&environment=dev") == ["acme:1", "acme:2"]
    assert "acme:1" not in keys(app, mine, "?blocking=false")
    assert len(keys(app, mine, "?blocking=false")) == 5


def test_what_nobody_told(app: FastAPI, mine: dict[str, str], world: World) -> None:
    """Whose grants nobody knows is connected all the same, and not judged."""
    world.put("60", None, status=Status.CONNECTED, grants=None)
    world.poll()
    world.evaluate()
    assert "acme:60" in keys(app, mine, "?app=acme:4711")
    assert keys(app, mine, "?class=unknown") == ["acme:60"]


def test_what_cannot_be_meant(app: FastAPI, mine: dict[str, str]) -> None:
    """Nothing that is asked for is left out silently: two ways to say the class are one too many."""
    for blocking in ("true", "false"):
        answer = asked(app, "GET", f"/api/v1/tenants?blocking={blocking}&class=trimming", headers=mine)
        assert "`class`" in refused(answer, 422)
    assert "no such app" in refused(asked(app, "GET", "/api/v1/tenants?app=acme:1", headers=mine), 404)
    refused(asked(app, "GET", "/api/v1/tenants.csv?app=acme:1", headers=mine), 404)


@pytest.mark.parametrize(
    "query",
    ["", "q=hvac&", "q=ö&", "blocking=true&", "blocking=true&q=hvac&", "blocking=false&", "blocking=false&q=hvac&"],
)
@pytest.mark.parametrize("few", [(4000, 4000), (0, 4000), (0, 0)])
def test_pages(
    app: FastAPI, mine: dict[str, str], monkeypatch: pytest.MonkeyPatch, query: str, few: tuple[int, int]
) -> None:
    """Each is on one page, in the order of the whole, be it near in it or found by an index."""
    whole = keys(app, mine, f"?{query}")
    for name in ("FEW", "SOME"):
        monkeypatch.setattr(f"models.queries.tenant_lists.{name}", few[0])
    monkeypatch.setattr("models.queries.tenant_lists.KNOWN", few[1])
    for name in ("NEAR", "SOON"):
        monkeypatch.setattr(f"models.queries.tenant_lists.{name}", few[0] or 2)
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = got(app, f"tenants?{query}limit=1{cursor and '&cursor='}{cursor}", mine)
        found += [one["key"] for one in page["data"]]
        cursor = page["next"]
    assert found == whole


@pytest.mark.parametrize("letters", ["hvac", "y", None])
@pytest.mark.parametrize("blocking", [None, True, False])
def test_pages_over_sources(
    app: FastAPI, world: World, monkeypatch: pytest.MonkeyPatch, letters: str | None, blocking: bool | None
) -> None:
    """Whoever sees several sources but not all misses none of a source whose next one is far."""
    for statement in (
        "INSERT INTO source (name, kind, next_poll_at) VALUES ('third', 'portal', now())",
        """INSERT INTO tenant (source_id, external_id, name, first_seen_at)
           SELECT id, n, n, now() FROM source, unnest(ARRAY['Y hvac', 'Y hvac Y', 'Z']) AS n
           WHERE source.name IN ('other', 'third')""",
    ):
        world.session.execute(text(statement))
    both = ["acme", "other"]
    whole = [one.key for one in tenants(world.session, letters=letters, blocking=blocking, sources=both)]
    assert not any(key.startswith("third") for key in whole)
    for name in ("FEW", "SOME", "KNOWN"):
        monkeypatch.setattr(f"models.queries.tenant_lists.{name}", 0)
    for name in ("NEAR", "SOON", "FAR"):
        monkeypatch.setattr(f"models.queries.tenant_lists.{name}", 2)
    found, after = [], None
    while page := tenants(world.session, letters=letters, blocking=blocking, sources=both, after=after, most=2):
        found += [one.key for one in page]
        after = (page[-1].place, page[-1].tenant_id)
    assert found == whole
    if letters == "hvac" and blocking is None:
        assert found == ["acme:3", "acme:1", "other:Y hvac", "other:Y hvac Y"]


def test_csv(app: FastAPI, mine: dict[str, str]) -> None:
    """The whole list, by the same filters."""
    lines = asked(app, "GET", "/api/v1/tenants.csv?q=hvac", headers=mine).text.splitlines()
    assert [line.split(",")[0] for line in lines] == ["key", "acme:3", "acme:1"]


def one(app: FastAPI, name: str, headers: dict[str, str]) -> Any:
    """One tenant."""
    return got(app, f"tenants/{name}", headers)


def test_one_tenant(app: FastAPI, mine: dict[str, str], world: World) -> None:
    """Every app in every environment with its lag, alert and reminders; contacts are for operators."""
    world.label("1", tier="gold")
    world.session.commit()
    found = one(app, "acme:1", mine)
    assert (found["tenant_name"], found["labels"], found["contacts"]) == ("Müller HVAC", {"tier": "gold"}, None)
    assert [(app["app"], app["environment"], app["lag"]) for app in found["apps"]] == [
        ("acme:4711", "dev", "blocking"),
        ("acme:4711", "production", "blocking"),
    ]
    _, production = found["apps"]
    assert (production["version"], production["latest_version"], production["missing"]) == (1, 2, [B])
    (alert,) = production["alerts"]
    assert (alert["kind"], alert["state"]) == ("tenant_lagging", "firing")
    assert found["as_of"] == production["as_of"]
    (contact,) = one(app, "acme:1", bearer(world.session, Scope.OPERATE, name="ops"))["contacts"]
    assert (contact["email"], contact["rank"]) == ("admin@t1.example", 1)
    mark = asked(app, "GET", "/api/v1/tenants/acme:1", headers=mine).headers["etag"]
    again = asked(app, "GET", "/api/v1/tenants/acme:1", headers=mine | {"If-None-Match": mark})
    assert again.status_code == 304


def test_which_is_meant(app: FastAPI, mine: dict[str, str], world: World) -> None:
    """By source and id, or by the id alone where one source has it; an id may have slashes and colons in it."""
    assert one(app, "50", mine)["key"] == "acme:50"
    assert "acme:1, other:1" in refused(asked(app, "GET", "/api/v1/tenants/1", headers=mine), 409)
    assert one(app, "a%2Fb%20c", mine)["key"] == "acme:a/b c"
    assert got(app, "tenants/acme:a%2Fb%20c/timeline", mine)["data"][0]["type"] == "tenant.connected"
    theirs = bearer(world.session, name="theirs", sources=["acme"])
    assert one(app, "1", theirs)["key"] == "acme:1"
    hidden = refused(asked(app, "GET", "/api/v1/tenants/other:77", headers=theirs), 404)
    assert hidden == refused(asked(app, "GET", "/api/v1/tenants/nobody", headers=mine), 404)
    refused(asked(app, "GET", "/api/v1/tenants/other:77/timeline", headers=theirs), 404)
    assert keys(app, bearer(world.session, name="no", sources=["other"])) == ["other:1", "other:77"]


def test_timeline(app: FastAPI, mine: dict[str, str]) -> None:
    """Every event in order and back, page by page, with the app it is about."""
    whole = got(app, "tenants/acme:2/timeline", mine)["data"]
    assert [one["type"] for one in whole][:2] == ["tenant.connected", "tenant.connected"]
    assert "tenant.upgraded" in {one["type"] for one in whole}
    assert {one["app"] for one in whole} == {"acme:4711"}
    back = got(app, "tenants/acme:2/timeline?order=newest", mine)["data"]
    assert back == whole[::-1]
    for order, wanted in (("oldest", whole), ("newest", back)):
        first = got(app, f"tenants/acme:2/timeline?limit=1&order={order}", mine)
        rest = got(app, f"tenants/acme:2/timeline?order={order}&cursor={first['next']}", mine)
        assert first["data"] + rest["data"] == wanted
    assert got(app, "tenants/acme:2/timeline?app=acme:1", mine)["data"] == []
    lines = asked(app, "GET", "/api/v1/tenants/acme:2/timeline.csv", headers=mine).text.splitlines()
    assert len(lines) == len(whole) + 1


@pytest.mark.parametrize("cursor", ["WyJub3doZW5lIiwxXQ", "WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwxXQ", "WzEsMV0", "W10"])
def test_times_that_are_none(app: FastAPI, mine: dict[str, str], cursor: str) -> None:
    """A cursor with something else where a time belongs, or a time of no zone, is told to be none."""
    answer = asked(app, "GET", "/api/v1/tenants/acme:2/timeline", params={"cursor": cursor}, headers=mine)
    assert "none of this list's" in refused(answer, 400)
