"""An app's tenants, page by page, and what of its scopes can be relied on."""

import random
from datetime import timedelta

import pytest
from sqlalchemy import text

from models.queries.apps import overview
from models.queries.readiness import Readiness, readiness
from models.queries.tenants_of import Sort, TenantOf, Wanted, tenants_of
from tests.integration.models.world import A, B, C, World
from uptake.facts import Status

APP = "acme:4711"


@pytest.fixture(params=["together", "known", "near"], autouse=True)
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rule holds where all are put in order, and where an index is followed as far as is needed."""
    if request.param != "together":
        monkeypatch.setattr("models.queries.tenants_of.FEW", 0)
        monkeypatch.setattr("models.queries.tenants_of.SOME", 0)
        monkeypatch.setattr("models.queries.tenants_of.NEAR", 3)
        monkeypatch.setattr("models.queries.tenants_of.SOON", 3)
    if request.param == "near":
        monkeypatch.setattr("models.queries.tenants_of.KNOWN", 0)


@pytest.fixture
def mixed(world: World) -> World:
    """Tenants 1 to 9: on three versions, one disabled, one that never connected."""
    world.release(A, B)
    for tenant in range(1, 10):
        world.put(str(tenant), 1 + tenant % 2, tenant_name=f"Firm {tenant}")
    world.put("8", 1, status=Status.DISABLED)
    world.put("9", None)
    world.poll()
    world.release(A, B, C)
    world.put("7", 3, tenant_name="Füchse & 50%_off")
    world.poll()
    world.evaluate()
    return world


def pages(world: World, wanted: Wanted = Wanted(), *, sort: Sort = "name", most: int = 2) -> list[TenantOf]:  # noqa: B008
    """All of them, so many at a time."""
    found: list[TenantOf] = []
    while True:
        after = found[-1].place if found else None
        page = tenants_of(world.session, APP, wanted, sort=sort, after=after, most=most)
        if not page:
            return found
        found += page


def names(world: World, **wanted: object) -> list[str]:
    """The ids of those that are meant."""
    return sorted(one.tenant for one in pages(world, Wanted(**wanted)))  # type: ignore[arg-type]  # as the test says


@pytest.mark.parametrize("most", [1, 2, 5, 100])
@pytest.mark.parametrize("sort", ["name", "since"])
def test_pages_are_the_whole(mixed: World, sort: Sort, most: int) -> None:
    """However large the pages are, everybody is on one of them, in order."""
    whole = tenants_of(mixed.session, APP, Wanted(), sort=sort, most=1000)
    assert pages(mixed, sort=sort, most=most) == whole
    assert len(whole) == 9
    places = [one.place for one in whole]
    assert places == sorted(places)


def test_who_is_meant(mixed: World) -> None:
    """By class, version, status, missing scope and letters of the name or id, in any case and script."""
    assert names(mixed) == list("123456789")
    assert names(mixed, lag="blocking") == list("123456")
    assert names(mixed, lag="current") == ["7"]
    assert names(mixed, version=2) == ["1", "3", "5"]
    assert names(mixed, status="disabled") == ["8"]
    assert names(mixed, status="not_connected") == ["9"]
    mixed.put("10", None, status=Status.AWAITING_APPROVAL)
    mixed.poll()
    assert names(mixed, status="not_connected") == ["10", "9"]
    assert names(mixed, status="awaiting_approval") == ["10"]
    (app,) = overview(mixed.session)
    assert app.not_connected == 2
    assert names(mixed, missing=C) == list("123456")
    assert names(mixed, missing=B) == ["2", "4", "6"]
    assert names(mixed, letters="füch") == ["7"]
    assert names(mixed, letters="FIRM 3") == ["3"]
    assert names(mixed, letters="50%_") == ["7"]
    assert names(mixed, letters="0%_") == ["7"]
    # One or two begin a word.
    assert names(mixed, letters="50") == ["7"]
    assert names(mixed, letters="0%") == []
    assert names(mixed, letters="\\") == []
    assert names(mixed, environment="integration") == []


def test_who_is_blocked_longest_comes_first(mixed: World) -> None:
    """Those who lack nothing come last; each with what it lacks and since when."""
    found = pages(mixed, sort="since")
    blocked = [one for one in found if one.lag == "blocking"]
    assert found[: len(blocked)] == blocked
    assert [one.since for one in blocked] == sorted(one.since for one in blocked if one.since)
    assert {one.tenant: one.missing for one in blocked}["2"] == [B, C]
    assert {one.tenant: one.missing for one in blocked}["1"] == [C]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("sort", ["name", "since"])
def test_who_does_not_change_is_on_one_page(world: World, sort: Sort, seed: int) -> None:
    """While others come, go, upgrade and are renamed between two pages, nobody else is missed or told twice."""
    chance = random.Random(seed)
    world.release(A, B)
    for tenant in range(30):
        world.put(str(tenant), chance.choice([1, 2]), tenant_name=f"Firm {chance.randrange(10)}")
    world.poll()
    world.evaluate()
    touched: set[str] = set()
    found: list[TenantOf] = []
    while page := tenants_of(
        world.session,
        APP,
        Wanted(),
        sort=sort,
        after=found[-1].place if found else None,
        most=4,
    ):
        found += page
        for other in chance.sample(range(34), 3):
            touched.add(str(other))
            world.put(str(other), chance.choice([1, 2]), tenant_name=f"Firm {chance.randrange(10)}")
        world.poll(after=timedelta(minutes=1))
        world.evaluate()
    seen = [one.tenant for one in found if one.tenant not in touched]
    assert sorted(seen) == sorted(str(tenant) for tenant in range(30) if str(tenant) not in touched)


def test_what_can_be_relied_on(mixed: World) -> None:
    """Each scope of the latest version and who grants it; another one when asked; of nobody there is no share."""
    assert readiness(mixed.session, APP) == [
        Readiness(A, connected=7, granted=7, unknown=0),
        Readiness(B, connected=7, granted=4, unknown=0),
        Readiness(C, connected=7, granted=1, unknown=0),
    ]
    (other,) = readiness(mixed.session, APP, scope="tn.acc.invoices:r")
    assert (other.granted, other.share) == (0, 0.0)
    (nobody,) = readiness(mixed.session, APP, scope=A, environment="integration")
    assert nobody.share is None
    assert readiness(mixed.session, "acme:1") == []
    for one in readiness(mixed.session, APP):
        recount = """SELECT count(*) FROM connection c JOIN scope_set g ON g.id = c.scope_set_id
                     WHERE c.status = 'connected' AND c.environment = 'production' AND :scope = ANY(g.grants)"""
        assert mixed.session.scalar(text(recount), {"scope": one.scope}) == one.granted


def test_the_same_name_at_the_edge(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those with one name each comes once, also where the last one that is looked at has it."""
    monkeypatch.setattr("models.queries.tenants_of.NEAR", 2)
    for tenant, name in (("1", "Aaa"), ("3", "Bbb"), ("2", "Bbb")):
        world.put(tenant, 1, tenant_name=name)
    world.poll()
    # Connected in the other order than they were met.
    world.session.execute(text("SET LOCAL session_replication_role = replica"))
    world.session.execute(
        text("""UPDATE connection SET id = id + 1000 WHERE tenant_id = (
            SELECT min(id) FROM tenant WHERE name = 'Bbb')""")
    )
    world.session.execute(text("SET LOCAL session_replication_role = origin"))
    assert sorted(one.tenant for one in pages(world, Wanted(letters="Bbb"), most=1)) == ["2", "3"]
