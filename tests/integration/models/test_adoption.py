"""Who ran what: on every day what a recount from the stretches gives, at every instant what was recorded then."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise, product

import pytest

from models.queries.adoption import Days, adoption, version_stages
from models.queries.as_of import Instant, tenants_then
from models.queries.taken import Watched, watched
from models.queries.week import WEEK, weeks
from tests.integration.models.lives import lived
from tests.integration.models.world import A, B, World
from uptake.facts import Status
from uptake.lag import LagClass, judge
from uptake.stages import StageName
from uptake.versions import ScopeVersion

DAY = timedelta(days=1)
ENVIRONMENTS = ("production", "integration")


def known(world: World) -> Watched:
    """The world's app as it is now."""
    found = watched(world.session, "acme:4711")
    assert found
    return found


def recounted(world: World, day: date, environment: str) -> Counter[int]:
    """Who was connected at the end of *day*, by version, from every stretch there is."""
    end = datetime.combine(day + DAY, time(), UTC)
    rows = world.rows(
        "SELECT coalesce(version, 0), valid_from, valid_to FROM tenure"
        " WHERE status = 'connected' AND environment = :environment",
        environment=environment,
    )
    return Counter(version for version, begins, ends in rows if begins < end and (ends is None or ends >= end))


@pytest.mark.parametrize("seed", range(6))
def test_any_day_equals_a_recount(world: World, seed: int) -> None:
    """Adoption at any past date, in each environment, is that of the stretches: counts, the connected and shares."""
    began = world.now.date()
    for _ in lived(world, random.Random(seed)):
        pass
    app, today = known(world), world.now.date()
    for environment, step in product(ENVIRONMENTS, (1, 7)):
        days = Days(began - 2 * DAY, today, step)
        points = adoption(world.session, app, days, environment=environment)
        assert [(one.day, one.version or 0) for one in points] == sorted((one.day, one.version or 0) for one in points)
        for place in range((today - days.first).days // step + 1):
            day = days.first + place * step * DAY
            told = [one for one in points if one.day == day]
            expected = recounted(world, day, environment)
            assert Counter({one.version or 0: one.tenants for one in told}) == expected
            for one in told:
                assert one.connected == expected.total()
                assert one.share == one.tenants / one.connected
                assert one.as_of == min(datetime.combine(day + DAY, time(), UTC), app.as_of or world.now)
        assert {(one.day - days.first).days % step for one in points} == {0}
        # Any other span is that part of it, whatever was before and came after.
        part = Days(days.first + 21 * DAY, today - 9 * DAY, step)
        assert adoption(world.session, app, part, environment=environment) == [
            one for one in points if part.first <= one.day <= part.last
        ]


def test_pages_of_days(world: World) -> None:
    """Row by row it is the same as at once."""
    for _ in lived(world, random.Random(7), steps=20):
        pass
    app, days = known(world), Days(world.now.date() - 20 * DAY, world.now.date(), 3)
    whole = adoption(world.session, app, days, environment="production")
    assert len(whole) > 6
    found, after = [], None
    for _ in whole:
        page = adoption(world.session, app, days, environment="production", after=after, most=2)
        found += page
        after = (page[-1].day, page[-1].version or 0) if page else after
    assert found == whole


@pytest.mark.parametrize(("seed", "pages"), [(0, -1), (1, 10), (2, 0)])
def test_any_instant_is_as_it_was(world: World, seed: int, pages: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who ran what at an instant is what was on record then, whatever came after; also where all are walked through."""
    monkeypatch.setattr("models.queries.as_of.PAGES", pages)
    rows: dict[datetime, list[tuple[object, ...]]] = {}
    present = """SELECT t.external_id, c.status, c.version, g.grants
        FROM connection c JOIN tenant t ON t.id = c.tenant_id LEFT JOIN scope_set g ON g.id = c.scope_set_id
        WHERE c.environment = 'production' ORDER BY c.tenant_id"""
    before = world.now
    for _ in lived(world, random.Random(seed), steps=15):
        rows[world.now] = world.rows(present)
    app = known(world)
    for at, expected in rows.items():
        for later in (timedelta(), timedelta(hours=1)):
            then = Instant(at=at + later, environment="production")
            found = tenants_then(world.session, app, then)
            assert [(one.tenant, one.status, one.version, one.scopes) for _, one in found] == expected
            paged, after = [], None
            for _ in found:
                page = tenants_then(world.session, app, then, after=after, most=2)
                paged += page
                after = page[-1][0] if page else after
            assert paged == found
            for status, version in product(("connected", "disabled"), (1, 2, None)):
                some = Instant(at=at + later, environment="production", status=status, version=version)
                meant = [
                    (place, one) for place, one in found if one.status == status and version in {None, one.version}
                ]
                assert tenants_then(world.session, app, some) == meant
                assert tenants_then(world.session, app, some, most=1) == meant[:1]
            for version in (1, 2):
                some = Instant(at=at + later, environment="production", version=version)
                expected_page = [(place, one) for place, one in found if one.version == version][:2]
                assert tenants_then(world.session, app, some, most=2) == expected_page
    assert tenants_then(world.session, app, Instant(at=before, environment="production")) == []


def test_stages(world: World) -> None:
    """A version goes from low to adopted to majority; the one before is replaced when it falls below 10 %."""
    for tenant in map(str, range(20)):
        world.put(tenant, 1)
    world.poll()
    assert [
        (one.version, one.stage) for one in version_stages(world.session, known(world), environment="production")
    ] == [(1, StageName.COMPLETE)]
    world.release(A, B)
    stages, first, second = {}, *([version_stages(world.session, known(world), environment="production")[0]] * 2)
    for upgraded in (1, 2, 10, 19):
        for tenant in map(str, range(upgraded)):
            world.put(tenant, 2)
        world.poll(after=DAY)
        second, first = version_stages(world.session, known(world), environment="production")
        stages[upgraded] = (second.stage, first.stage)
    assert stages == {
        1: (StageName.LOW, StageName.MAJORITY),
        2: (StageName.ADOPTED, StageName.MAJORITY),
        10: (StageName.MAJORITY, StageName.MAJORITY),
        19: (StageName.MAJORITY, StageName.REPLACED),
    }
    assert (first.replaced_on, first.peak_share, first.tenants) == (world.now.date(), 1.0, 1)
    assert (second.adopted_on, second.share) == (world.now.date() - 2 * DAY, 0.95)
    assert [one.stage for one in version_stages(world.session, known(world), environment="elsewhere")] == [
        StageName.UNUSED,
        StageName.UNUSED,
    ]


@pytest.mark.parametrize("ago", [timedelta(), 5 * DAY, 12 * DAY])
@pytest.mark.parametrize("seed", range(2))
def test_weeks_are_as_they_were(world: World, seed: int, ago: timedelta) -> None:
    """What is said of the ends of both weeks is what is counted from the stretches of then, judged as then."""
    for _ in lived(world, random.Random(seed)):
        pass
    # Also where our picture ends before the last things that we saw.
    as_of = world.now - ago
    found = weeks(world.session, replace(known(world), as_of=as_of), environment="production")
    assert found.as_of == as_of
    for figures, ends_at in ((found.this, as_of), (found.last, as_of - WEEK)):
        assert figures
        history = tuple(
            ScopeVersion(one.number, one.grants, one.released_at)
            for one in world.versions
            if one.released_at <= ends_at
        )
        rows = world.rows(
            """SELECT s.connection_id, s.epoch, s.status, s.version, g.grants, s.valid_from, s.valid_to
            FROM tenure s LEFT JOIN scope_set g ON g.id = s.scope_set_id
            WHERE s.environment = 'production' ORDER BY s.connection_id, s.valid_from"""
        )
        held = [row for row in rows if row[2] == "connected" and row[5] <= ends_at and (not row[6] or row[6] > ends_at)]
        verdicts = [judge(history, version=row[3], grants=frozenset(row[4])) for row in held]
        classes = Counter(verdict.lag for verdict in verdicts if verdict)
        assert (figures.connected, figures.current) == (len(held), classes[LagClass.CURRENT])
        assert figures.blocking == classes[LagClass.BLOCKING]
        assert figures.adoption == (classes[LagClass.CURRENT] / len(held) if held else None)
        upgrades = [
            after
            for before, after in pairwise(rows)
            if before[:2] == after[:2]
            and (after[3] or 0) > (before[3] or 1000)
            and ends_at - WEEK < after[5] <= ends_at
        ]
        assert figures.upgrades == len(upgrades)
        assert figures.latest_version == history[-1].number


def test_a_new_life_is_no_upgrade(world: World) -> None:
    """Who disconnected and connected anew between two polls came with the version, and accepted none."""
    world.put("1", 1)
    world.put("2", 1)
    world.poll()
    world.release(A, B)
    world.put("1", 2, client_id="another")
    world.put("2", 2)
    world.poll()
    found = weeks(world.session, known(world), environment="production").this
    assert found
    assert (found.upgrades, found.current) == (1, 2)


def test_paused_is_not_connected(world: World) -> None:
    """Who is paused counts on no day; the day on which the last one went has no row."""
    world.put("1", 1)
    world.poll()
    world.put("1", 1, status=Status.DISABLED)
    world.poll(after=2 * DAY)
    points = adoption(
        world.session, known(world), Days(world.now.date() - 3 * DAY, world.now.date()), environment="production"
    )
    assert [(one.day, one.tenants) for one in points] == [
        (world.now.date() - 2 * DAY, 1),
        (world.now.date() - DAY, 1),
    ]
