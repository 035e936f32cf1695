"""Apps: how far each rollout is, whether it goes on, and what needs somebody."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from sqlalchemy.orm import Session as OrmSession

from dashboard.charts import Chart, chart
from dashboard.chosen import muting
from dashboard.frame import Frame, Looking
from models.queries.alert_lists import WantedAlerts
from models.queries.alerts_alike import alerts_alike
from models.queries.apps import AppOverview, laggards, overview
from models.queries.rollouts import Uptake, Version, uptake, versions
from models.queries.sources import sources

router = APIRouter()
DAYS, WEEK = 90, 7
COARSE = 3  # days: a picture this small shows no more
SHOWN = 12
MOST = 500
_SIZE = (168, 40)


@dataclass(frozen=True, slots=True)
class Row:
    """One app among the others."""

    app: AppOverview
    latest: Version | None
    chart: Chart | None
    gained: float | None  # share of the latest version against a week ago


@router.get("/")
def front(frame: Looking, q: Annotated[str, Query(max_length=200)] = "") -> Response:
    """All apps with their curves, and what needs somebody."""
    caller, session, mutes = frame.caller, frame.session, muting()
    known = overview(session, sources=caller.sources)
    rows = _rows(session, frame, [app for app in known if q.casefold() in f"{app.name} {app.app}".casefold()])
    return frame.page(
        "overview.html",
        title="Apps",
        known=known,
        rows=rows,
        q=q,
        sources=[source for source in sources(session) if caller.sees(source.source)],
        groups=alerts_alike(session, WantedAlerts(), now=frame.now, mutes=mutes or (), sources=caller.sources),
        mutes=mutes,
        laggards=laggards(session, lags=("blocking",), environment="production", sources=caller.sources, most=MOST),
        shown=SHOWN,
        most=MOST,
        days=DAYS,
    )


def _rows(session: OrmSession, frame: Frame, apps: Sequence[AppOverview]) -> list[Row]:
    curves: dict[str, list[Uptake]] = defaultdict(list)
    for curve in uptake(session, until=frame.now.date(), days=DAYS):
        curves[curve.app].append(curve)
    released: dict[str, list[Version]] = defaultdict(list)
    for version in versions(session):
        released[version.app].append(version)
    width, height = _SIZE
    return [
        Row(
            app,
            next(iter(released[app.app]), None),
            chart(curves[app.app], released[app.app], width=width, height=height, every=COARSE),
            _gained(app, curves[app.app]),
        )
        for app in apps
    ]


def _gained(app: AppOverview, curves: Sequence[Uptake]) -> float | None:
    """By how much the share of the latest version grew within a week; None: nobody was connected then."""
    then = sum(curve.tenants[-1 - WEEK] for curve in curves)
    if not then or app.adoption is None:
        return None
    on_latest = sum(curve.tenants[-1 - WEEK] for curve in curves if curve.version == app.latest_version)
    return app.adoption - on_latest / then
