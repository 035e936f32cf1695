"""The pages: read-only, server-rendered, without a script."""

import importlib.resources
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from sqlalchemy.orm import Session as OrmSession

from config.settings import SettingsError
from dashboard.access import OPEN, Viewer
from dashboard.charts import Chart, chart
from models import Session, db_now
from models.queries.alerts import alerts
from models.queries.apps import AppOverview, laggards, overview
from models.queries.notices import told
from models.queries.rollouts import Uptake, Version, uptake, versions
from models.queries.sources import sources
from tasks.rules import rules
from uptake.letter import clean
from uptake.mutes import Mute

DAYS = 90
SMALL, LARGE = (168, 40), (840, 240)
SHOWN = 12
MOST = 500


def _shown(value: object) -> object:
    """Text as a page may show it: a name brings no character that cannot be seen."""
    return value if type(value) is not str or value.isprintable() else clean(value, len(value))


router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)
_pages = Environment(
    loader=PackageLoader("dashboard"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    finalize=_shown,
    trim_blocks=True,
    lstrip_blocks=True,
)


def reading() -> Iterator[OrmSession]:
    """A session for one request."""
    with Session() as session:
        yield session


Reading = Annotated[OrmSession, Depends(reading)]


def page(template: str, **shown: object) -> str:
    """The *template* with what it shows."""
    return _pages.get_template(template).render(**shown)


@router.get("/")
def front(caller: Viewer, session: Reading) -> str:
    """All apps with their curves, and what needs somebody."""
    now, mutes = db_now(session), muting()
    return _pages.get_template("overview.html").render(
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
        missing = _pages.get_template("missing.html").render(caller=caller, now=now, app=app, title="Not found")
        return HTMLResponse(missing, 404)
    page = _pages.get_template("app.html").render(
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
    return HTMLResponse(page)


def muting() -> tuple[Mute, ...] | None:
    """The mutes of uptake.toml, read once; None: it cannot be used here, and what they are for is not known."""
    try:
        return rules().policies.mutes
    except SettingsError:
        # Whoever mends it restarts the workers; a page is to be seen all the same.
        return None


def gone(*, behind: bool = False) -> Response:
    """What a browser shows while the database does not answer, or is *behind*; it tries again by itself."""
    return HTMLResponse(_pages.get_template("gone.html").render(now=None, title="No answer", behind=behind), 503)


def refused(status: int, title: str, headers: Mapping[str, str]) -> Response:
    """What a browser shows when somebody may not, or not now."""
    return HTMLResponse(page("refused.html", said=title), status, headers=dict(headers))


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


def _when(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "never"


def _ago(at: datetime | None, now: datetime) -> str:
    """How long ago, in its largest unit."""
    if at is None:
        return "never"
    seconds = max(int((now - at).total_seconds()), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def _percent(app: AppOverview) -> str:
    """Rounded down: 100 % means everybody."""
    return "-" if app.adoption is None else f"{int(app.adoption * 100)} %"


_pages.filters.update(when=_when, ago=_ago, percent=_percent)
