"""The answers that take long, as they were worked out last; worked out on the spot where nobody has yet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import text
from sqlalchemy.orm import Session

from models.queries.reminded import ReminderEffect, reminder_effect
from models.queries.taken import Cohort, Watched, releases
from models.queries.trends import TREND, trend
from models.queries.upgrades import TARGET, CohortUpgrades, Expected, TimeToUpgrade, cohorts, expected, times_to_upgrade
from models.queries.week import Weeks, weeks
from models.study import Answer, Question, stored

Said = TypeVar("Said")
VERSIONS = 12  # the newest, of which it is said ahead how long they took
YOUNG = 2  # the latest and the one before, whose rollout may go on
OLDER_AGAIN = timedelta(days=1)  # of all others, who took them is worked out anew

_TIMES = Question("time_to_upgrade", TypeAdapter(TimeToUpgrade))
_FORECAST = Question("forecast", TypeAdapter(Expected))
_WEEKS = Question("weeks", TypeAdapter(Weeks))
_EFFECT = Question("reminder_effect", TypeAdapter(ReminderEffect))
_COHORTS: dict[Cohort, Question[list[CohortUpgrades]]] = {
    "first": Question("cohorts_first", TypeAdapter(list[CohortUpgrades])),
    "before": Question("cohorts_before", TypeAdapter(list[CohortUpgrades])),
}
_ENVIRONMENTS = text("SELECT DISTINCT environment FROM tally WHERE app_id = :app ORDER BY 1")


@dataclass(frozen=True, slots=True)
class Studied:
    """All that was worked out of an app in one environment."""

    environment: str
    answers: Sequence[Answer]


def time_to_upgrade(session: Session, app: Watched, version: int, *, environment: str) -> TimeToUpgrade | None:
    """How long tenants took for *version*; None: there is no such version."""
    if found := stored(session, _TIMES, app.id, environment=environment, version=version):
        return found
    return next(iter(times_to_upgrade(session, app, [version], environment=environment)), None)


def forecast_of(session: Session, app: Watched, *, environment: str, target: float = TARGET) -> Expected | None:
    """When *target* of the tenants will have the latest version; None: there is none. Another target takes longer."""
    if target == TARGET and app.latest_version is not None:
        found = stored(session, _FORECAST, app.id, environment=environment, version=app.latest_version)
        if found:
            return found
    return expected(session, app, environment=environment, target=target)


def cohorts_of(session: Session, app: Watched, version: int, *, environment: str, by: Cohort) -> list[CohortUpgrades]:
    """How the tenants took *version*, by what they began with or had before it; of older ones up to a day late."""
    found = stored(session, _COHORTS[by], app.id, environment=environment, version=version)
    return cohorts(session, app, version, environment=environment, by=by) if found is None else found


def weeks_of(session: Session, app: Watched, *, environment: str) -> Weeks:
    """This week against the last."""
    found = stored(session, _WEEKS, app.id, environment=environment, version=0)
    return found or weeks(session, app, environment=environment)


def reminder_effect_of(session: Session, app: Watched, *, environment: str) -> ReminderEffect:
    """Which reminders worked."""
    found = stored(session, _EFFECT, app.id, environment=environment, version=0)
    return found or reminder_effect(session, app, environment=environment)


def study(session: Session, app: Watched, *, now: datetime) -> Iterator[Studied]:
    """Work all of it out, environment by environment; a second or so for 10,000 tenants."""
    for environment in session.scalars(_ENVIRONMENTS, {"app": app.id}).all():
        yield Studied(environment, list(_answers(session, app, environment, now)))


def _answers(session: Session, app: Watched, environment: str, now: datetime) -> Iterator[Answer]:
    newest = list(releases(session, app))[:VERSIONS]
    for one in times_to_upgrade(session, app, newest, environment=environment):
        yield _said(_TIMES, one, one.version)
    if foreseen := expected(session, app, environment=environment):
        yield _said(_FORECAST, foreseen, foreseen.version)
    for by, question in _COHORTS.items():
        for version in newest:
            kept = None if version in newest[:YOUNG] else _of_today(session, app, question, environment, version)
            yield _said(question, kept or cohorts(session, app, version, environment=environment, by=by), version)
    yield _said(_WEEKS, weeks(session, app, environment=environment), 0)
    yield _said(_EFFECT, reminder_effect(session, app, environment=environment), 0)
    yield _said(TREND, trend(session, app, environment=environment, now=now), 0)


def _of_today(
    session: Session, app: Watched, question: Question[list[CohortUpgrades]], environment: str, version: int
) -> list[CohortUpgrades] | None:
    """What was said of an older version, while it is not too old: little comes to it, and it takes long to say."""
    kept = stored(session, question, app.id, environment=environment, version=version)
    until = kept[0].as_of if kept else None
    return kept if until and app.as_of and app.as_of - until < OLDER_AGAIN else None


def _said(question: Question[Any], answer: object, version: int) -> Answer:
    return Answer(question.name, version, question.shape.dump_json(answer))
