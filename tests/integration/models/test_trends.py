"""Trends and totals, as the page of all apps asks for them, against what the days and the rows of it say."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from models import Session
from models.queries import trends as module
from models.queries.apps import overview, totals
from models.queries.rollouts import uptake
from models.queries.trends import DAYS, EVERY, trends
from tasks.study import study_next
from tests.integration.models.world import A, B, World

APP = "acme:4711"


def rolled(world: World) -> None:
    """Six tenants, of whom one upgrades every fourth day; another is in integration, and one never connected."""
    for number in range(6):
        world.put(str(number), 1)
    world.put("9", 1, environment="integration")
    world.poll()
    world.release(A, B)
    for number in range(4):
        world.put(str(number), 2)
        world.poll(after=timedelta(days=4))


def test_trend_is_of_the_days(world: World) -> None:
    """Each point is what the curve of days has there, and a week ago is what it had then."""
    rolled(world)
    on_the_spot = trends(world.session, [APP], now=world.now)
    assert study_next(now=world.now) == world.app_id
    drawn = trends(world.session, [APP, "acme:nothing", "4711", "other:4711"], now=world.now)
    assert drawn == on_the_spot
    trend = drawn[APP].trend
    assert trend
    days = {one.version: one.tenants for one in uptake(world.session, APP, until=world.now.date(), days=DAYS + 1)}
    assert trend.tenants == {version: list(counts[::EVERY]) for version, counts in days.items()}
    assert [line[-1] for line in trend.tenants.values()] == [2, 4]
    assert trend.week_ago == {version: counts[-8] for version, counts in days.items() if counts[-8]}
    assert trend.share_a_week_ago(2) == trend.week_ago[2] / 6
    assert [one.number for one in drawn[APP].released] == [2, 1]


def test_a_release_is_there_at_once(world: World) -> None:
    """What was worked out before a version was released says nothing about it, but the mark is there."""
    rolled(world)
    study_next(now=world.now)
    world.release(A)
    world.poll()
    drawn = trends(world.session, [APP], now=world.now)[APP]
    assert [one.number for one in drawn.released] == [3, 2, 1]
    assert drawn.trend
    assert drawn.trend.share_a_week_ago(3) == 0


def test_of_another_environment(world: World) -> None:
    """Environments are told apart."""
    rolled(world)
    study_next(now=world.now)
    drawn = trends(world.session, [APP], now=world.now, environment="integration")[APP]
    assert drawn.trend
    assert [line[-1] for line in drawn.trend.tenants.values()] == [1]


def test_what_nobody_understands_is_not_drawn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that another release kept in another shape is none; of many apps without one, some stay so."""
    rolled(world)
    study_next(now=world.now)
    monkeypatch.setattr(module, "ON_THE_SPOT", 0)
    world.session.execute(text("""UPDATE study SET answer = '{"points": 3}' WHERE question = 'trend'"""))
    assert trends(world.session, [APP], now=world.now)[APP].trend is None


def test_totals_are_those_of_the_rows(world: World) -> None:
    """Together is what the apps add up to, of the sources that one sees; what is deleted is in neither."""
    rolled(world)
    world.evaluate(after=timedelta(days=20))
    world.session.execute(
        text("""INSERT INTO alert (source_id, kind, state, severity, since, opened_at, fired_at, reason)
            SELECT id, 'source_error', 'firing', 'critical', now(), now(), now(), 'failed' FROM source""")
    )
    found = totals(world.session)
    (app,) = overview(world.session)
    assert (found.apps, found.connected, found.current, found.blocking, found.firing) == (1, 6, 4, 2, 3)
    assert (found.connected, found.current, found.blocking) == (app.connected, app.current, app.blocking)
    assert totals(world.session, sources=["acme"]) == found
    assert set(vars_of(totals(world.session, sources=["other"]))) == {0}
    world.session.execute(text("UPDATE app SET deleted_at = now()"))
    assert totals(world.session).apps == totals(world.session).connected == 0


def test_apps_by_letters(world: World) -> None:
    """Letters of the name or of the key, in any case; what means something to LIKE means itself."""
    world.put("1", 1)
    world.poll()
    with Session() as session:
        for letters in ("dispatch", "HELPER", "acme:47", "11"):
            assert [one.app for one in overview(session, letters=letters)] == [APP], letters
        for letters in ("%", "_", "acme-4711", "\\"):
            assert overview(session, letters=letters) == [], letters


def vars_of(found: object) -> list[int]:
    """The numbers of a tally."""
    return [getattr(found, name) for name in found.__slots__]  # type: ignore[attr-defined]  # a dataclass with slots
