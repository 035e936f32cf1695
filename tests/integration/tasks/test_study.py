"""Studies: worked out ahead, once for each reason, and equal to what would be worked out on the spot."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from models import db_now
from models.alive import alive
from models.queries.studies import (
    cohorts_of,
    forecast_of,
    reminder_effect_of,
    time_to_upgrade,
    weeks_of,
)
from models.queries.taken import watched
from tasks.study import EACH, HELPERS, help_to_study, study_apps, study_next
from tests.integration.models.world import A, B, World

MINUTE = timedelta(minutes=1)


def said(world: World) -> list[Any]:
    """The answer to every question."""
    app = watched(world.session, "acme:4711")
    assert app
    return [
        time_to_upgrade(world.session, app, 2, environment="production"),
        forecast_of(world.session, app, environment="production"),
        cohorts_of(world.session, app, 2, by="first", environment="production"),
        cohorts_of(world.session, app, 2, by="before", environment="production"),
        weeks_of(world.session, app, environment="production"),
        reminder_effect_of(world.session, app, environment="production"),
    ]


@pytest.fixture
def rolling(world: World) -> World:
    """Eight of thirty tenants have upgraded."""
    for number in range(30):
        world.put(str(number), 1, environment="production" if number else "integration")
    world.poll()
    world.release(A, B)
    for number in range(1, 9):
        world.put(str(number), 2)
        world.poll(after=timedelta(hours=9))
    return world


def test_kept_is_what_would_be_said(rolling: World) -> None:
    """What is stored, read back, is what is worked out on the spot; and it is what is answered from then on."""
    on_the_spot = said(rolling)
    assert study_next(now=rolling.now) == rolling.app_id
    assert said(rolling) == on_the_spot
    kept = rolling.rows("SELECT environment, question, version FROM study ORDER BY 1, 2, 3")
    assert ("integration", "forecast", 2) in kept
    assert [row[1:] for row in kept if row[0] == "production"] == [
        ("cohorts_before", 1),
        ("cohorts_before", 2),
        ("cohorts_first", 1),
        ("cohorts_first", 2),
        ("forecast", 2),
        ("reminder_effect", 0),
        ("time_to_upgrade", 1),
        ("time_to_upgrade", 2),
        ("trend", 0),
        ("weeks", 0),
    ]
    rolling.put("9", 2)
    rolling.poll()
    assert said(rolling) == on_the_spot


def test_once_for_each_reason(rolling: World) -> None:
    """A second run does nothing, until something changed and five minutes are over, or an hour is."""
    began = rolling.now
    assert study_next(now=began) == rolling.app_id
    assert study_next(now=began) is None
    # What may have been recorded while it was studied.
    assert study_next(now=began + 5 * MINUTE) == rolling.app_id
    assert study_next(now=began + 20 * MINUTE) is None
    rolling.put("9", 2)
    rolling.poll(after=30 * MINUTE)
    assert study_next(now=rolling.now) == rolling.app_id
    app = watched(rolling.session, "acme:4711")
    assert app
    found = time_to_upgrade(rolling.session, app, 2, environment="production")
    assert found
    assert (found.upgraded, found.as_of) == (9, rolling.now)
    assert study_next(now=rolling.now + 5 * MINUTE) == rolling.app_id
    assert study_next(now=rolling.now + 64 * MINUTE) is None
    assert study_next(now=rolling.now + 65 * MINUTE) == rolling.app_id


def test_what_nobody_needs_any_more(rolling: World) -> None:
    """Answers about what is not there any more go; apps that are gone, or were never read, are not studied."""
    rolling.session.execute(
        text("INSERT INTO study VALUES (:app, 'production', 77, 'forecast', :now, NULL, NULL, '{}')"),
        {"app": rolling.app_id, "now": rolling.now - MINUTE},
    )
    assert study_next(now=rolling.now) == rolling.app_id
    assert rolling.rows("SELECT count(*) FROM study WHERE version = 77") == [(0,)]
    rolling.list_apps(deleted=True)
    assert study_next(now=rolling.now + 100 * MINUTE) is None


def test_what_another_release_said(rolling: World) -> None:
    """An answer in a shape that is not ours is as none."""
    on_the_spot = said(rolling)
    study_next(now=rolling.now)
    rolling.session.execute(text("""UPDATE study SET answer = '{"old": 1}'"""))
    assert said(rolling) == on_the_spot


def test_the_task_ends(rolling: World) -> None:
    """It works off what is due and comes to an end; a second run changes nothing."""
    kept = []
    for _ in range(2):
        study_apps()
        kept.append(rolling.rows("SELECT made_at, answer FROM study ORDER BY environment, question, version"))
    assert kept[0]
    assert kept[0] == kept[1]
    assert study_next() is None


_MORE = """
INSERT INTO app (source_id, external_id, name, first_seen_at, next_poll_at, walked_at)
SELECT source_id, 'x' || n, 'Extra', now(), now(), now() FROM app, generate_series(1, :many) n WHERE id = :app
"""


@pytest.mark.parametrize(
    ("more", "workers", "helpers"),
    [(0, 9, 0), (EACH - 1, 9, 0), (EACH, 9, 1), (3 * EACH, 9, 3), (30 * EACH, 99, HELPERS), (9 * EACH, 3, 2)]
    + [(9 * EACH, few, 0) for few in (0, 1)],
)
def test_whoever_is_idle_helps(
    rolling: World, monkeypatch: pytest.MonkeyPatch, more: int, workers: int, helpers: int
) -> None:
    """As many are rung for as there is work for, one for each other worker at most, and for as long as one is idle."""
    rolling.session.execute(text(_MORE), {"app": rolling.app_id, "many": more})
    now = db_now(rolling.session)
    for number in range(workers):
        alive(rolling.session, f"host {number}", "1", now=now)
    alive(rolling.session, "silent", "1", now=now - 6 * MINUTE)
    rolling.session.commit()
    monkeypatch.setattr("tasks.study.SPAN", timedelta(0))
    rung: list[Any] = []
    monkeypatch.setattr(help_to_study, "apply_async", lambda *_, **how: rung.append(how["expires"]))
    study_apps()
    assert rung == helpers * [5]


def test_older_versions_once_a_day(rolling: World) -> None:
    """Who took an older version is said as it was, until a day is over; of the last two it is said each time."""
    for grants in ((A,), (A, B)):
        rolling.release(*grants)
        rolling.poll()
    app = watched(rolling.session, "acme:4711")
    assert app

    def told() -> list[int]:
        """How many upgraded to each version, as pages say it."""
        return [
            sum(one.upgraded for one in cohorts_of(rolling.session, app, version, by="first", environment="production"))
            for version in (2, 3, 4)
        ]

    study_next(now=rolling.now)
    assert told() == [8, 0, 0]
    rolling.put("9", 4)
    rolling.poll(after=23 * 60 * MINUTE)
    study_next(now=rolling.now)
    assert told() == [8, 1, 1]
    rolling.poll(after=60 * MINUTE)
    study_next(now=rolling.now)
    assert told() == [9, 1, 1]
