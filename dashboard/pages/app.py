"""One app: its curve, its versions, and everybody who lags behind."""

from typing import Literal

from fastapi import APIRouter
from fastapi.responses import Response

from dashboard.figures import adoption_figure
from dashboard.frame import Looking
from dashboard.muting import muting
from models.queries.alerts import alerts
from models.queries.apps import laggards, overview
from models.queries.notices import told
from models.queries.readiness import readiness
from models.queries.rollouts import uptake, versions

router = APIRouter()
Days = Literal[30, 90, 180, 365, 730]
SPANS = (30, 90, 180, 365)
SHOWN = 12
MOST = 500


@router.get("/apps/{app}")
def one_app(
    frame: Looking,
    app: str,
    days: int = 90,
    show: Literal["share", "count"] = "count",
    environment: str = "production",
) -> Response:
    """Everything about one app."""
    # No text of PostgreSQL holds a NUL, so no app is called so.
    app = app.replace("\0", "\N{REPLACEMENT CHARACTER}")
    session, mutes = frame.session, muting()
    found = overview(session, app=app, environment=environment)
    if not found or not frame.caller.sees(app):
        return frame.missing(app, title="No such app")
    days = days if days in SPANS else 90
    known = versions(session, app=app, environment=environment)
    curves = uptake(session, until=frame.now.date(), days=days, app=app, environment=environment)
    return frame.page(
        "app.html",
        title=found[0].name,
        app=found[0],
        figure=adoption_figure(curves, known, as_share=show == "share"),
        days=days,
        spans=SPANS,
        show=show,
        versions=known,
        readiness=readiness(session, app, environment=environment),
        alerts=alerts(session, app=app, now=frame.now, mutes=mutes or (), most=MOST),
        mutes=mutes,
        laggards=laggards(session, app=app, most=MOST),
        reminders=told(session, app=app, reminders=True, most=2 * SHOWN),
        told=told(session, app=app, reminders=False, most=SHOWN),
        shown=MOST,
    )
