"""One app: how its rollout goes and will go, what can be relied on, and who holds it up."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session as OrmSession

from dashboard.api.apps import Meant, app_tenants
from dashboard.chosen import features, muting
from dashboard.discreet import discreet
from dashboard.figures import Figure, adoption_figure, forecast_figure, upgrade_figure
from dashboard.frame import Frame, Looking
from models.queries.adoption import version_stages
from models.queries.alert_lists import WantedAlerts
from models.queries.alerts_alike import alerts_alike
from models.queries.apps import AppOverview, overview
from models.queries.blocked import blocked_counts
from models.queries.notices import told
from models.queries.readiness import readiness
from models.queries.rollouts import uptake, versions
from models.queries.studies import forecast_of, reminder_effect_of, time_to_upgrade, weeks_of
from models.queries.taken import Watched, watched
from models.queries.upgrades import Expected, TimeToUpgrade

router = APIRouter()
SPANS = (30, 90, 180, 365, 730)
SHOWN = 12
LISTED = 50
MOST_DAYS = 730


class View(BaseModel):
    """How the page shows what it shows."""

    days: Literal["30", "90", "180", "365", "730"] = "90"
    show: Literal["share", "count"] = "count"
    after: Annotated[str, Field(max_length=1000)] | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """How long the latest version takes, and when it will be done, with their pictures."""

    taken: TimeToUpgrade | None = None
    upgrade: Figure | None = None
    expected: Expected | None = None
    forecast: Figure | None = None


@router.get("/apps/{app:path}")
def one_app(frame: Looking, app: str) -> Response:
    """Everything about one app."""
    session, mutes = frame.session, muting()
    view, meant = frame.asked(View), frame.asked(Meant)
    environment = meant.environment
    found = known(frame, app, environment)
    at = watched(session, app) if found else None
    if found is None or at is None:
        return frame.missing(app, title="No such app")
    released = versions(session, app, environment=environment)
    curves = uptake(session, app, until=frame.now.date(), days=int(view.days), environment=environment)
    if not meant.model_fields_set & {"lag", "status", "missing", "version", "q"}:
        # Who has chosen nothing wants to see who holds the rollout up, or else who holds too much.
        lag = "trimming" if found.trimming and not found.blocking else "blocking"
        meant = meant.model_copy(update={"lag": lag})
    return frame.page(
        "app.html",
        title=found.name,
        app=found,
        environment=environment,
        figure=adoption_figure(curves, released, as_share=view.show == "share"),
        view=view,
        spans=SPANS,
        outlook=_outlook(session, frame, app, at, environment),
        weeks=weeks_of(session, at, environment=environment),
        versions=released,
        stages={one.version: one for one in version_stages(session, at, environment=environment)},
        readiness=readiness(session, app, environment=environment),
        blocked=blocked_counts(session, at, app, features(), environment=environment),
        effect=reminder_effect_of(session, at, environment=environment),
        meant=meant,
        tenants=app_tenants(frame.caller, session, app, meant).page(session, view.after, LISTED),
        groups=alerts_alike(session, WantedAlerts(app=app), now=frame.now, mutes=mutes or ()),
        mutes=mutes,
        reminders=[discreet(frame.caller, one) for one in told(session, app=app, reminders=True, most=SHOWN)],
        told=[discreet(frame.caller, one) for one in told(session, app=app, reminders=False, most=SHOWN)],
    )


def known(frame: Frame, app: str, environment: str) -> AppOverview | None:
    """The app, if there is one and the caller may see it."""
    # No text of PostgreSQL holds a NUL, so no app is called so.
    if "\0" in app or not frame.caller.sees(app):
        return None
    return next(iter(overview(frame.session, app=app, environment=environment, deleted=True)), None)


def _outlook(session: OrmSession, frame: Frame, app: str, at: Watched, environment: str) -> Outlook:
    if at.latest_version is None:
        return Outlook()
    taken = time_to_upgrade(session, at, at.latest_version, environment=environment)
    expected = forecast_of(session, at, environment=environment)
    if expected is None:
        return Outlook(taken, upgrade_figure(taken) if taken else None)
    days = min((frame.now - expected.released_at).days + 2, MOST_DAYS)
    curves = uptake(session, app, until=frame.now.date(), days=max(days, 2), environment=environment)
    upgrade = upgrade_figure(taken) if taken else None
    return Outlook(taken, upgrade, expected, forecast_figure(expected, curves))
