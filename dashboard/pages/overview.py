"""Apps: how far each rollout is, whether it goes on, and what needs somebody."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, cast, get_args

from fastapi import APIRouter, Query
from fastapi.responses import Response

from dashboard.api.apps import apps
from dashboard.charts import Chart, chart
from dashboard.chosen import muting
from dashboard.frame import Frame, Looking
from models.queries.alert_lists import WantedAlerts
from models.queries.alerts_alike import alerts_alike
from models.queries.app_order import Sort
from models.queries.apps import AppOverview, laggards, totals
from models.queries.sources import sources
from models.queries.trends import DAYS, Released, Trend, trends

router = APIRouter()
PAGE = 100
SHOWN = 12
_SIZE = (168, 40)


@dataclass(frozen=True, slots=True)
class Row:
    """One app among the others."""

    app: AppOverview
    latest: Released | None
    chart: Chart | None
    gained: float | None  # share of the latest version against a week ago


@router.get("/")
def front(
    frame: Looking,
    q: Annotated[str, Query(max_length=200)] = "",
    sort: Annotated[str, Query(max_length=20)] = "name",
    after: Annotated[str | None, Query(max_length=1000)] = None,
) -> Response:
    """All apps with their curves, and what needs somebody."""
    caller, session, mutes = frame.caller, frame.session, muting()
    letters = q.replace("\0", "").strip()
    order = cast("Sort", sort) if sort in get_args(Sort) else "name"
    found = apps(caller, q=letters or None, sort=order).page(session, after, PAGE)
    return frame.page(
        "overview.html",
        title="Apps",
        totals=totals(session, sources=caller.sources),
        rows=_rows(frame, found.data),
        next=found.next,
        q=letters,
        order=order,
        sources=[source for source in sources(session) if caller.sees(source.source)],
        groups=alerts_alike(
            session, WantedAlerts(), now=frame.now, mutes=mutes or (), sources=caller.sources, most=SHOWN
        ),
        mutes=mutes,
        laggards=laggards(session, lags=("blocking",), environment="production", sources=caller.sources, most=SHOWN),
        days=DAYS,
    )


def _rows(frame: Frame, apps: Sequence[AppOverview]) -> list[Row]:
    drawn = trends(frame.session, [app.app for app in apps], now=frame.now)
    width, height = _SIZE
    return [
        Row(
            app,
            next(iter(drawn[app.app].released), None),
            chart(drawn[app.app], app.latest_version, width=width, height=height),
            _gained(app, drawn[app.app].trend),
        )
        for app in apps
    ]


def _gained(app: AppOverview, trend: Trend | None) -> float | None:
    """By how much the share of the latest version grew within a week; None: nobody was connected then."""
    before = trend.share_a_week_ago(app.latest_version) if trend else None
    return None if before is None or app.adoption is None else app.adoption - before
