"""How an app's rollouts go: who ran what when, how long it takes, when it will be done, what is blocked till then."""

from collections.abc import Sequence
from datetime import UTC, date, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter
from sqlalchemy.orm import Session

from dashboard.access import Caller, RefusedError, Viewer
from dashboard.api.apps import AppKey, Environment
from dashboard.api.lists import Listing, Place, add_list, few, validated
from dashboard.chosen import features
from dashboard.reading import Reading
from models import db_now
from models.queries.adoption import AdoptionPoint, Days, VersionStage, adoption, version_stages
from models.queries.as_of import Instant, TenantThen, tenants_then
from models.queries.blocked import BlockedCount, blocked_counts
from models.queries.reminded import ReminderEffect
from models.queries.studies import cohorts_of, forecast_of, reminder_effect_of, time_to_upgrade, weeks_of
from models.queries.taken import Watched, watched
from models.queries.upgrades import TARGET, CohortUpgrades, Expected, TimeToUpgrade
from models.queries.week import Weeks
from uptake.facts import Status

Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
AskedVersion = Annotated[Number | None, Query(description="This version; else the latest.")]
STEPS = {"day": 1, "week": 7}
SHOWN = timedelta(days=90)  # where nobody says from when on
LONGEST = timedelta(days=3660)
_NO_VERSION = "There is no such version of the app."

router = APIRouter(tags=["rollouts"])
_TIMES, _FORECAST = TypeAdapter(TimeToUpgrade), TypeAdapter(Expected)
_WEEKS, _EFFECT = TypeAdapter(Weeks), TypeAdapter(ReminderEffect)


class Meant(BaseModel):
    """Which days of an app's adoption are meant; a day is one in UTC, and counts as it ends."""

    environment: Environment = "production"
    begins: date | None = Field(None, alias="from", description="90 days before the last, unless said otherwise.")
    ends: date | None = Field(None, alias="to", description="The last day; today, unless said otherwise.")
    step: Literal["day", "week"] = Field("day", description="Every day from the first one on, or every seventh.")


def app_adoption(
    caller: Viewer, session: Reading, app: AppKey, meant: Annotated[Meant, Query()]
) -> Listing[AdoptionPoint]:
    """How many tenants ran each version at the end of each day, and which share of the connected they are."""
    known, today = require_watched(caller, session, app), db_now(session).astimezone(UTC).date()
    last = min(meant.ends or today, today)
    # The first days of the calendar have none before them.
    first = meant.begins or date.fromordinal(max(1, last.toordinal() - SHOWN.days))
    if last - first > LONGEST:
        raise RefusedError(400, f"Ask for no more than {LONGEST.days} days at once: {first} to {last} are more.")
    days = Days(first, last, STEPS[meant.step])

    def fetch(session: Session, after: Any, most: int) -> Sequence[tuple[Place, AdoptionPoint]]:
        place = (day_of(after[0]), after[1]) if after else None
        found = adoption(session, known, days, environment=meant.environment, after=place, most=most)
        return [((one.day.isoformat(), one.version or 0), one) for one in found]

    return Listing("adoption", fetch, (str, int))


def app_stages(
    caller: Viewer, session: Reading, app: AppKey, environment: Environment = "production"
) -> Listing[VersionStage]:
    """How far each version has got, in one word: unused, low, adopted, majority, complete or replaced."""
    known = require_watched(caller, session, app)
    return few(
        "stages",
        lambda session: version_stages(session, known, environment=environment),
        lambda one: (-one.version,),
    )


class Then(BaseModel):
    """Which instant is meant, and whom of then."""

    at: AwareDatetime | None = Field(None, description="With its offset, such as 2026-03-02T09:00:00Z; else now.")
    environment: Environment = "production"
    status: Status | None = None
    version: Number | None = None


def app_as_of(caller: Viewer, session: Reading, app: AppKey, then: Annotated[Then, Query()]) -> Listing[TenantThen]:
    """Who ran what at an instant of the past, as far as was seen by now."""
    known, now = require_watched(caller, session, app), db_now(session)
    at = then.at or now
    if at > now:
        raise RefusedError(400, "Nobody knows who will run what: `at` is an instant of the past.")
    meant = Instant(at=at, environment=then.environment, status=then.status, version=then.version)

    def fetch(session: Session, after: Any, most: int) -> Sequence[tuple[Place, TenantThen]]:
        found = tenants_then(session, known, meant, after=after[0] if after else None, most=most)
        return [((place,), one) for place, one in found]

    return Listing("as-of", fetch, (int,))


def app_time_to_upgrade(
    caller: Viewer,
    session: Reading,
    request: Request,
    app: AppKey,
    version: AskedVersion = None,
    environment: Environment = "production",
) -> Response:
    """How long tenants take to upgrade to a version, with those who still wait counted as that (Kaplan-Meier)."""
    known = require_watched(caller, session, app)
    found = time_to_upgrade(session, known, asked(known, version), environment=environment)
    if found is None:
        raise RefusedError(404, _NO_VERSION)
    return validated(request, _TIMES.dump_json(found))


def app_forecast(
    caller: Viewer,
    session: Reading,
    request: Request,
    app: AppKey,
    target: Annotated[float, Query(gt=0, le=1, description="A share of the connected tenants.")] = TARGET,
    environment: Environment = "production",
) -> Response:
    """When the target will have the latest version, as an interval, what that rests on, and how such forecasts did."""
    found = forecast_of(session, require_watched(caller, session, app), environment=environment, target=target)
    if found is None:
        raise RefusedError(404, _NO_VERSION)
    return validated(request, _FORECAST.dump_json(found))


def app_cohorts(
    caller: Viewer,
    session: Reading,
    app: AppKey,
    version: AskedVersion = None,
    by: Annotated[
        Literal["first", "before"], Query(description="The version they were first seen with, or had before this one.")
    ] = "first",
    environment: Environment = "production",
) -> Listing[CohortUpgrades]:
    """How the tenants took a version, by the version that each of them began with or had before."""
    known = require_watched(caller, session, app)
    number = asked(known, version)
    return few(
        "cohorts",
        lambda session: cohorts_of(session, known, number, environment=environment, by=by),
        lambda one: (one.cohort or 0,),
    )


def app_week(
    caller: Viewer, session: Reading, request: Request, app: AppKey, environment: Environment = "production"
) -> Response:
    """The last seven days against the seven before: upgrades, reminders, and how it stood at the end."""
    found = weeks_of(session, require_watched(caller, session, app), environment=environment)
    return validated(request, _WEEKS.dump_json(found))


def app_blocked(
    caller: Viewer, session: Reading, app: AppKey, environment: Environment = "production"
) -> Listing[BlockedCount]:
    """What is blocked now, feature by feature and scope by scope, and for how many tenants."""
    known = require_watched(caller, session, app)
    named = features()
    return few(
        "blocked",
        lambda session: blocked_counts(session, known, app, named, environment=environment),
        lambda one: (one.kind, one.name),
        kinds=(str, str),
    )


def app_reminder_effect(
    caller: Viewer, session: Reading, request: Request, app: AppKey, environment: Environment = "production"
) -> Response:
    """After how many reminders of each step the tenant upgraded within 72 hours, beside how many do without one."""
    found = reminder_effect_of(session, require_watched(caller, session, app), environment=environment)
    return validated(request, _EFFECT.dump_json(found))


def require_watched(caller: Caller, session: Session, app: str) -> Watched:
    """The app; what there is not, and what the caller does not see, is refused in the same words (RefusedError)."""
    found = watched(session, app) if caller.sees(app) else None
    if found is None:
        raise RefusedError(404, "There is no such app.")
    return found


def asked(app: Watched, version: int | None) -> int:
    """The version that is meant; raises RefusedError where an app has none yet."""
    number = version or app.latest_version
    if number is None:
        raise RefusedError(404, _NO_VERSION)
    return number


def day_of(text: str) -> date:
    """A day from a cursor; raises RefusedError for what is none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RefusedError(400, "That cursor is none of this list's: take `next` of the page before.") from None


add_list(router, "/apps/{app:path}/adoption", app_adoption, row=AdoptionPoint)
add_list(router, "/apps/{app:path}/stages", app_stages, row=VersionStage)
add_list(router, "/apps/{app:path}/as-of", app_as_of, row=TenantThen)
add_list(router, "/apps/{app:path}/cohorts", app_cohorts, row=CohortUpgrades)
add_list(router, "/apps/{app:path}/blocked", app_blocked, row=BlockedCount)
router.get("/apps/{app:path}/time-to-upgrade", response_model=TimeToUpgrade)(app_time_to_upgrade)
router.get("/apps/{app:path}/forecast", response_model=Expected)(app_forecast)
router.get("/apps/{app:path}/week", response_model=Weeks)(app_week)
router.get("/apps/{app:path}/reminders/effect", response_model=ReminderEffect)(app_reminder_effect)
