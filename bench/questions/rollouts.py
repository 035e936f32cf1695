"""Questions of how rollouts go: adoption by day, who ran what, what is blocked, and what was worked out ahead."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.orm import Session

from bench.questions.known import App, Known
from bench.questions.question import Question
from models.queries.adoption import Days, adoption, version_stages
from models.queries.as_of import Instant, tenants_then
from models.queries.blocked import blocked_counts
from models.queries.reminded import reminder_effect
from models.queries.studies import cohorts_of, forecast_of, reminder_effect_of, study, time_to_upgrade, weeks_of
from models.queries.taken import Watched, watched, watched_by_id
from models.queries.trends import trend
from models.queries.upgrades import cohorts, expected, times_to_upgrade
from models.queries.week import weeks
from uptake.features import Feature

_HERE = "production"
_PAGE = 101
_OTHER_TARGET = 0.8


def _of_app(name: str, ask: Callable[[Session, Watched, App, Known], object]) -> Question:
    def asked(session: Session, known: Known) -> object:
        app = known.app()
        found = watched(session, app.key)
        return found and ask(session, found, app, known)

    return Question(name, asked)


def _adoption(days: int, step: int = 1) -> Callable[[Session, Watched, App, Known], object]:
    def ask(session: Session, app: Watched, _: App, known: Known) -> object:
        last = known.now.date()
        meant = Days(last - timedelta(days=days), last, step)
        return adoption(session, app, meant, environment=_HERE, most=_PAGE)

    return ask


def _then(**wanted: object) -> Callable[[Session, Watched, App, Known], object]:
    def ask(session: Session, app: Watched, _: App, known: Known) -> object:
        at = known.now - timedelta(days=known.chance.randint(1, 700))
        return tenants_then(session, app, Instant(at=at, environment=_HERE, **wanted), most=_PAGE)  # type: ignore[arg-type]  # as named

    return ask


def _blocked(session: Session, app: Watched, drawn: App, known: Known) -> object:
    feature = Feature(name="invoices", scopes=tuple(known.chance.sample(list(drawn.scopes), min(2, len(drawn.scopes)))))
    return blocked_counts(session, app, drawn.key, [feature], environment=_HERE)


def _latest(app: Watched) -> int:
    return app.latest_version or 1


ROLLOUTS = (
    _of_app("adoption by day, a year", _adoption(365)),
    _of_app("adoption by week, two years", _adoption(730, 7)),
    _of_app("stages of versions", lambda session, app, *_: version_stages(session, app, environment=_HERE)),
    _of_app("who ran what then", _then()),
    _of_app("who ran what then, of a version", _then(version=2)),
    _of_app("who ran what then, those who had left", _then(status="disconnected")),
    _of_app("what is blocked", _blocked),
    _of_app(
        "worked out: time to upgrade",
        lambda session, app, *_: time_to_upgrade(session, app, _latest(app), environment=_HERE),
    ),
    _of_app("worked out: forecast", lambda session, app, *_: forecast_of(session, app, environment=_HERE)),
    _of_app(
        "worked out: cohorts",
        lambda session, app, *_: cohorts_of(session, app, _latest(app), environment=_HERE, by="before"),
    ),
    _of_app("worked out: this week and the last", lambda session, app, *_: weeks_of(session, app, environment=_HERE)),
    _of_app("worked out: reminders", lambda session, app, *_: reminder_effect_of(session, app, environment=_HERE)),
)

# Of an app, these look at every stretch or reminder there is: that is why workers do it ahead.
LABOURS = (
    _of_app("time to upgrade", lambda session, app, *_: times_to_upgrade(session, app, [1, 2, 3], environment=_HERE)),
    _of_app("forecast", lambda session, app, *_: expected(session, app, environment=_HERE)),
    _of_app(
        "forecast of another share",
        lambda session, app, *_: forecast_of(session, app, environment=_HERE, target=_OTHER_TARGET),
    ),
    _of_app(
        "cohorts by the first version",
        lambda session, app, *_: cohorts(session, app, _latest(app), environment=_HERE, by="first"),
    ),
    _of_app(
        "cohorts by the version before",
        lambda session, app, *_: cohorts(session, app, _latest(app), environment=_HERE, by="before"),
    ),
    _of_app("this week and the last", lambda session, app, *_: weeks(session, app, environment=_HERE)),
    _of_app("which reminders worked", lambda session, app, *_: reminder_effect(session, app, environment=_HERE)),
    _of_app(
        "all of it", lambda session, app, _, known: list(study(session, watched_by_id(session, app.id), now=known.now))
    ),
    _of_app("trend", lambda session, app, _, known: trend(session, app, environment=_HERE, now=known.now)),
)
