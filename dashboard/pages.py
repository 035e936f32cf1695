"""The pages: read-only, server-rendered, without a script."""

import importlib.resources
from collections import defaultdict
from datetime import datetime

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session as OrmSession

from config.settings import SettingsError
from dashboard.access import OPEN, Viewer
from dashboard.charts import Chart, chart
from dashboard.reading import Reading
from dashboard.templating import page
from models import db_now
from models.queries.alerts import alerts
from models.queries.apps import laggards, overview
from models.queries.notices import told
from models.queries.rollouts import Uptake, Version, uptake, versions
from models.queries.sources import sources
from tasks.rules import rules
from uptake.mutes import Mute

DAYS = 90
SMALL, LARGE = (168, 40), (840, 240)
SHOWN = 12
MOST = 500


router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)


@router.get("/")
def front(caller: Viewer, session: Reading) -> str:
    """All apps with their curves, and what needs somebody."""
    now, mutes = db_now(session), muting()
    return page(
        "overview.html",
        caller=caller,
        now=now,
        apps=[app for app in overview(session) if caller.sees(app.app)],
        charts=_charts(session, now, SMALL),
        latest={version.app: version for version in reversed(versions(session))},
        sources=[source for source in sources(session) if caller.sees(source.source)],
        alerts=[one for one in alerts(session, now=now, mutes=mutes or (), most=MOST) if caller.sees(one.source)],
        mutes=mutes,
        laggards=[one for one in laggards(session, most=MOST) if caller.sees(one.app)],
        reminders=[one for one in told(session, reminders=True, most=SHOWN) if caller.sees(one.app)],
        told=[one for one in told(session, reminders=False, most=SHOWN) if caller.sees(one.app)],
        shown=SHOWN,
        title="Apps",
    )


@router.get("/apps/{app}")
def one_app(caller: Viewer, session: Reading, app: str) -> Response:
    """One app: its curve, its versions, and everybody who lags behind."""
    # No text of PostgreSQL holds a NUL, so no app is called so.
    app = app.replace("\0", "\N{REPLACEMENT CHARACTER}")
    now, found, mutes = db_now(session), overview(session, app=app), muting()
    if not found or not caller.sees(app):
        missing = page("missing.html", caller=caller, now=now, app=app, title="Not found")
        return HTMLResponse(missing, 404)
    shown = page(
        "app.html",
        caller=caller,
        now=now,
        app=found[0],
        chart=_charts(session, now, LARGE, app=app).get(app),
        versions=versions(session, app=app),
        alerts=alerts(session, app=app, now=now, mutes=mutes or (), most=MOST),
        mutes=mutes,
        laggards=laggards(session, app=app, most=MOST),
        reminders=told(session, app=app, reminders=True, most=2 * SHOWN),
        told=told(session, app=app, reminders=False, most=SHOWN),
        shown=MOST,
        title=found[0].name,
    )
    return HTMLResponse(shown)


def muting() -> tuple[Mute, ...] | None:
    """The mutes of uptake.toml, read once; None: it cannot be used here, and what they are for is not known."""
    try:
        return rules().policies.mutes
    except SettingsError:
        # Whoever mends it restarts the workers; a page is to be seen all the same.
        return None


@router.get("/style.css", dependencies=[OPEN])
def style() -> Response:
    """The pages' style sheet."""
    return _file("style.css", "text/css")


@router.get("/icon.svg", dependencies=[OPEN])
def icon() -> Response:
    """The pages' picture in a browser's tab."""
    return _file("icon.svg", "image/svg+xml")


def _file(name: str, media_type: str) -> Response:
    content = importlib.resources.files("dashboard").joinpath("templates", name).read_bytes()
    return Response(content, media_type=media_type, headers={"Cache-Control": "max-age=300"})


def _charts(
    session: OrmSession, now: datetime, size: tuple[int, int], *, app: str | None = None
) -> dict[str, Chart | None]:
    curves: dict[str, list[Uptake]] = defaultdict(list)
    for curve in uptake(session, until=now.date(), days=DAYS, app=app):
        curves[curve.app].append(curve)
    released: dict[str, list[Version]] = defaultdict(list)
    for version in versions(session, app=app):
        released[version.app].append(version)
    width, height = size
    return {name: chart(mine, released[name], width=width, height=height) for name, mine in curves.items()}
