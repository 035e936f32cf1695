"""How it is read: sources and how each answers, polls and what came of them, and a poll now."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from dashboard.access import Operator, RefusedError, Viewer, require_all
from dashboard.api.apps import TEXT, AppKey, require
from dashboard.api.lists import Listing, Place, add_list, few, validated
from dashboard.api.tenants import AppName
from dashboard.askings import Asked, poll_app_now, poll_source_now
from dashboard.chosen import alert_receivers
from dashboard.reading import Reading
from models import db_now
from models.queries import wellbeing as queries
from models.queries.overdue import Overdue
from models.queries.overdue import overdue as all_overdue
from models.queries.poll_lists import Outcome, PollLine, polls_before
from models.queries.sources import SourceHealth
from models.queries.sources import sources as all_sources
from models.queries.wellbeing import WorkerRow

SourceName = Annotated[str, Path(max_length=200, pattern=TEXT, description="As uptake.toml calls it.")]

router = APIRouter(tags=["operations"])
_SOURCE = TypeAdapter(SourceHealth)


def sources(caller: Viewer) -> Listing[SourceHealth]:
    """Every source of uptake.toml: when its list of apps was read, and what is wrong with it, if something is."""

    def fetch(session: Session, after: Any, most: int) -> Sequence[tuple[Place, SourceHealth]]:
        # They are few: each is written by hand.
        seen = sorted((one for one in all_sources(session) if caller.sees(one.source)), key=lambda one: one.source)
        return [((one.source,), one) for one in seen if after is None or one.source > after[0]][:most]

    return Listing("sources", fetch, (str,))


def one_source(caller: Viewer, session: Reading, request: Request, source: SourceName) -> Response:
    """One source."""
    for one in all_sources(session):
        if one.source == source and caller.sees(source):
            return validated(request, _SOURCE.dump_json(one))
    raise RefusedError(404, "There is no such source.")


def polls(
    caller: Viewer,
    session: Reading,
    app: Annotated[AppName, Query()] = None,
    source: Annotated[str | None, Query(max_length=200, pattern=TEXT)] = None,
    outcome: Outcome | None = None,
) -> Listing[PollLine]:
    """What was asked of the portals, what came back, and why where nothing did, the last first."""
    if app is not None:
        require(caller, session, app)
    if source is not None and not caller.sees(source):
        raise RefusedError(404, "There is no such source.")
    seen = caller.sources if source is None else {source}

    def fetch(session: Session, after: Any, most: int) -> Sequence[tuple[Place, PollLine]]:
        found = polls_before(session, app=app, outcome=outcome, sources=seen, before=after, most=most)
        return [((one.started_at, one.id), one) for one in found]

    return Listing("polls", fetch, (datetime, int))


def poll_app(caller: Operator, app: AppKey) -> Asked:
    """Poll an app now: the next tick begins it where a worker is free."""
    return poll_app_now(caller, app)


def poll_source(caller: Operator, source: SourceName) -> Asked:
    """Read a source's list of apps now, and poll all of them, as many at once as it takes."""
    return poll_source_now(caller, source)


def workers(caller: Viewer) -> Listing[WorkerRow]:
    """The workers that looked for due work within the hour, and which version each is; for who sees all sources."""
    require_all(caller)
    return few("workers", queries.workers, lambda one: (one.worker,), kinds=(str,))


def overdue(caller: Viewer) -> Listing[Overdue]:
    """What should have been done by now and is not, as the auditor finds it, by kind; for who sees all sources."""
    require_all(caller)

    def found(session: Session) -> Sequence[Overdue]:
        return all_overdue(session, alert_receivers(), now=db_now(session))

    return few("overdue", found, lambda one: (one.what,), kinds=(str,))


add_list(router, "/workers", workers, row=WorkerRow)
add_list(router, "/overdue", overdue, row=Overdue)
add_list(router, "/sources", sources, row=SourceHealth)
router.get("/sources/{source}", response_model=SourceHealth)(one_source)
router.post("/sources/{source}/poll", status_code=202)(poll_source)
router.post("/apps/{app:path}/poll", status_code=202)(poll_app)
add_list(router, "/polls", polls, row=PollLine)
