"""One version of an app: what it changed, how tenants took it, and who waits."""

from fastapi import APIRouter
from fastapi.responses import Response

from dashboard.api.apps import Meant, app_tenants
from dashboard.figures import upgrade_figure
from dashboard.frame import Looking
from dashboard.pages.app import LISTED, View, known
from models.queries.rollouts import versions
from models.queries.studies import cohorts_of, time_to_upgrade
from models.queries.taken import watched

router = APIRouter()


@router.get("/apps/{app:path}/versions/{number}")
def one_version(frame: Looking, app: str, number: int) -> Response:
    """How one version was taken."""
    session = frame.session
    meant, view = frame.asked(Meant), frame.asked(View)
    found = known(frame, app, meant.environment)
    at = watched(session, app) if found else None
    released = versions(session, app, environment=meant.environment) if found else []
    version = next((one for one in released if one.number == number), None)
    if found is None or at is None or version is None:
        return frame.missing(f"version {number} of {app}", title="No such version")
    taken = time_to_upgrade(session, at, number, environment=meant.environment)
    # Of the latest version one wants to know who does not have it, of an older one who still does.
    is_latest = number == found.latest_version
    listed = meant.model_copy(update={"lag": "blocking"} if is_latest else {"version": number})
    return frame.page(
        "rollout.html",
        title=f"{found.name} v{number}",
        app=found,
        environment=meant.environment,
        version=version,
        taken=taken,
        figure=upgrade_figure(taken) if taken else None,
        before=cohorts_of(session, at, number, environment=meant.environment, by="before"),
        first=cohorts_of(session, at, number, environment=meant.environment, by="first"),
        tenants=app_tenants(frame.caller, session, app, listed).page(session, view.after, LISTED),
        is_latest=is_latest,
        newer=[one for one in released if one.number > number],
        older=[one for one in released if one.number < number],
    )
