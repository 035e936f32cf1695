"""Whether everything works, and why not: who is alive, how portals answer, what waits, and polls at once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response

from dashboard.access import Operator, RefusedError
from dashboard.api.apps import TEXT
from dashboard.askings import Asked, poll_app_now, poll_source_now
from dashboard.chosen import alert_receivers
from dashboard.discreet import discreet_refusal, discreet_stop
from dashboard.figures import durations_figure
from dashboard.frame import Frame, Looking, done
from models.migrations import newest
from models.queries.notices import Refused, refused
from models.queries.overdue import Overdue, overdue
from models.queries.readings import MOST, hours, readings, slowest
from models.queries.sources import TICK_IS_LATE, sources, tick_age
from models.queries.wellbeing import WorkerRow, database, queues, workers
from models.stopped import stopped

router = APIRouter()
HEALTH = "/health"
SHOWN = 50
LIVELY = timedelta(minutes=5)  # whoever looked for work since runs, as far as one can tell
Key = Annotated[str, Form(max_length=300, pattern=TEXT)]


@router.get(HEALTH)
def health(
    frame: Looking,
    apps: Literal["failing", "all"] = "failing",
    after: Annotated[str | None, Query(max_length=300)] = None,
) -> Response:
    """All of it, as far as whoever looks may see it."""
    return _shown(frame, apps=apps, after=after)


@router.post(HEALTH)
def poll_now(caller: Operator, frame: Looking, app: Key = "", source: Key = "") -> Response:
    """Have an app, or a source with all of its apps, polled as soon as a worker is free."""
    frame.let_go()
    try:
        asked = poll_app_now(caller, app) if app else poll_source_now(caller, source)
    except RefusedError as refusal:
        return _shown(frame, apps="failing", after=None, refusal=refusal)
    if asked.rests_until is not None:
        return _shown(frame, apps="failing", after=None, rests=asked)
    return done("poll" if app else "polls", HEALTH)


def _shown(
    frame: Frame, *, apps: str, after: str | None, refusal: RefusedError | None = None, rests: Asked | None = None
) -> Response:
    session, caller, now = frame.session, frame.caller, frame.now
    of_late = hours(session, now=now, sources=caller.sources)
    source, _, app = (after or "").replace("\0", "").partition(":")
    found = readings(
        session,
        failing=apps == "failing",
        sources=caller.sources,
        after=(source, app) if source else None,
        most=SHOWN + 1,
    )
    tick, running = tick_age(session), workers(session)
    return frame.page(
        "health.html",
        title="Health",
        place=HEALTH,
        tick=tick,
        is_late=tick is None or tick > TICK_IS_LATE,
        # They serve all sources, and are machines: who sees some is told the versions alone.
        workers=running if caller.sees_all else (),
        versions=_versions(running, now=now),
        sources=[one for one in sources(session) if caller.sees(one.source)],
        hours=of_late,
        totals={name: sum(getattr(one, name) for one in of_late) for name in OUTCOMES},
        polls=sum(one.polls for one in of_late),
        most=MOST,
        figure=durations_figure(of_late, now=now),
        slowest=slowest(session, now=now, sources=caller.sources),
        readings=found[:SHOWN],
        following=found[SHOWN - 1].app if len(found) > SHOWN else None,
        apps=apps,
        after=after,
        queues=queues(session, now=now, sources=caller.sources),
        stopped=[discreet_stop(caller, one) for one in stopped(session)],
        refused=_refused(frame),
        overdue=_overdue(frame),
        database=database(session),
        schema=newest(),
        version=version("uptake"),
        refusal=refusal,
        rests=rests,
        status=refusal.status if refusal else 200,
    )


OUTCOMES = ("complete", "partial", "held", "failed")


def _refused(frame: Frame) -> Sequence[Refused]:
    """Reminders that came to nothing, for who sees all sources."""
    if not frame.caller.sees_all:
        return ()
    found = refused(frame.session, since=frame.now - timedelta(days=1))
    return [discreet_refusal(frame.caller, one) for one in found]


def _overdue(frame: Frame) -> Sequence[Overdue] | None:
    """What is late; None: this is about all sources, and whoever looks sees some of them."""
    if not frame.caller.sees_all:
        return None
    return overdue(frame.session, alert_receivers(), now=frame.now)


def _versions(running: Sequence[WorkerRow], *, now: datetime) -> Sequence[str]:
    """The versions of Uptake that run, this one among them."""
    lively = {one.version for one in running if one.version and now - one.at < LIVELY}
    return sorted(lively | {version("uptake")})
