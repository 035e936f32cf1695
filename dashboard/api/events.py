"""The feed of events: page by page, or as they happen."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any
from weakref import finalize

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter
from sqlalchemy.orm import Session as OrmSession
from starlette.types import Receive, Scope, Send

from dashboard.access import Caller, RefusedError, Viewer, is_still
from dashboard.api.apps import TEXT, require
from dashboard.api.lists import Listing, add_csv, validated
from dashboard.api.lists import Place as Listed
from dashboard.api.tenants import AppName, TenantName, tenants_meant
from dashboard.listeners import Listeners
from dashboard.reading import Reading
from models import Session
from models.queries.event_feed import (
    FIRST,
    Fed,
    FeedEvent,
    Place,
    WantedEvents,
    events_after,
    id_of,
    is_ahead,
    last_event,
    place_of,
)
from models.queries.tenant_names import tenants_named
from uptake.wildcards import fits

STREAM = "text/event-stream"
Type = Annotated[str, Field(max_length=100, pattern=TEXT)]

router = APIRouter(tags=["events"])
_EVENT = TypeAdapter(FeedEvent)


@dataclass(frozen=True, slots=True)
class Events:
    """Some events in commit order; *last* is where to go on from, now or later; *next* the same while there is more."""

    data: Sequence[FeedEvent]
    next: str | None
    last: str


_EVENTS = TypeAdapter(Events)


class Meant(BaseModel):
    """Which events are meant."""

    type: list[Type] | None = Field(None, max_length=50, description="Of this type; `alert.*` is all about alerts.")
    app: AppName = None
    tenant: TenantName = None
    since: AwareDatetime | None = Field(None, description="That happened then, or later.")


class Window(Meant):
    """Where to begin, and how many."""

    after: str | None = Field(None, max_length=50, description="After this event; `now`: after all there are.")
    limit: int = Field(100, ge=1, le=1000)


def events(
    caller: Viewer,
    request: Request,
    meant: Annotated[Window, Query()],
    last_event_id: Annotated[str | None, Header(max_length=50)] = None,
) -> Response:
    """Everything that happened, in commit order: nothing is put between two events later, so none is missed.

    As they happen, for who accepts `text/event-stream`; `Last-Event-ID` goes on where a stream broke off.
    """
    if STREAM in request.headers.get("accept", ""):
        return stream(caller, request, meant, last_event_id)
    # No session of the request's: a stream would hold it for as long as it lasts.
    with Session() as session:
        fed = _fetch(caller, session, meant, after=_begin(session, meant.after), most=meant.limit)
    last = id_of(fed.last)
    return validated(request, _EVENTS.dump_json(Events(fed.events, None if fed.is_whole else last, last)))


def event_list(caller: Viewer, session: Reading, meant: Annotated[Meant, Query()]) -> Listing[FeedEvent]:
    """Everything that happened, in commit order."""
    _require(caller, session, meant)

    def fetch(session: OrmSession, after: Any, most: int) -> Sequence[tuple[Listed, FeedEvent]]:
        found: list[FeedEvent] = []
        place, is_whole = after or FIRST, False
        while len(found) < most and not is_whole:
            fed = _fetch(caller, session, meant, after=place, most=most - len(found))
            found += fed.events
            place, is_whole = fed.last, fed.is_whole
        return [(one.place, one) for one in found]

    return Listing("events", fetch, (int, int))


def event_stream(
    caller: Viewer,
    request: Request,
    meant: Annotated[Window, Query()],
    last_event_id: Annotated[str | None, Header(max_length=50)] = None,
) -> Response:
    """Events as they happen, as Server-Sent Events; `Last-Event-ID` goes on where a stream broke off."""
    return stream(caller, request, meant, last_event_id)


def stream(caller: Caller, request: Request, meant: Window, last_event_id: str | None) -> Response:
    """What the caller sees of what happens from now on, or after an event; raises RefusedError for one too many."""
    listeners: Listeners = request.app.state.listeners
    begin = last_event_id or meant.after
    with Session() as session:
        _require(caller, session, meant)
        # Whoever listened before a restore goes on with what happens now.
        after = None if begin in {None, "now"} else _begin(session, begin, or_now=True)
        named = None if meant.tenant is None else tenants_named(session, meant.tenant, sources=caller.sources)
    keys = None if named is None else {one.key for one in named}
    leave = listeners.admit(caller.key)
    if leave is None:
        raise RefusedError(429, "You have ten streams of events: end one, then begin another.", Retry_After="5")
    heard = listeners.listen(after, is_still=partial(is_still, request, caller))
    return _Stream(_written(heard, partial(_is_meant, caller, meant, keys)), leave)


class _Stream(StreamingResponse):
    """Events as they happen; it *leaves* when it ends, or when nobody ever begins to read it."""

    def __init__(self, written: AsyncIterator[str], leave: Callable[[], None]) -> None:
        # Proxies that hold answers back until they are whole would hold this for ever.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(written, media_type=STREAM, headers=headers)
        self._leave = finalize(self, leave)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()


async def _written(heard: AsyncIterator[tuple[Place, list[FeedEvent]]], is_meant: Any) -> AsyncIterator[str]:
    """The events that are meant, and after each look the place that is reached, which dispatches nothing."""
    yield "retry: 2000\n: here\n\n"
    async for place, found in heard:
        for one in filter(is_meant, found):
            yield f"id: {one.id}\ndata: {_EVENT.dump_json(one).decode()}\n\n"
        yield f": here\nid: {id_of(place)}\n\n"


def _is_meant(caller: Caller, meant: Meant, tenants: set[str] | None, event: FeedEvent) -> bool:
    return (
        caller.sees(event.source)
        and (meant.type is None or any(fits(one, event.type) for one in meant.type))
        and (meant.app is None or event.app == meant.app)
        and (tenants is None or f"{event.source}:{event.tenant}" in tenants)
        and (meant.since is None or event.at >= meant.since)
    )


def _fetch(caller: Caller, session: OrmSession, meant: Meant, *, after: Place, most: int) -> Fed:
    _require(caller, session, meant)
    wanted = WantedEvents(
        types=meant.type,
        app=meant.app,
        tenants=tenants_meant(caller, session, meant.tenant),
        since=meant.since,
    )
    return events_after(session, after, wanted, sources=caller.sources, most=most)


def _require(caller: Caller, session: OrmSession, meant: Meant) -> None:
    if meant.app is not None:
        require(caller, session, meant.app)


def _begin(session: OrmSession, after: str | None, *, or_now: bool = False) -> Place:
    """The place that somebody says; raises RefusedError for what is none."""
    if after is None:
        return FIRST
    if after == "now":
        return last_event(session)
    try:
        place = place_of(after)
    except ValueError:
        raise RefusedError(400, "That is no event's id: take `last` of the answer before, or `now`.") from None
    if is_ahead(session, place):
        if or_now:
            return last_event(session)
        raise RefusedError(400, "No event has that id, as after a restore: begin anew, or with `after=now`.")
    return place


router.get("/events", response_model=Events)(events)
router.get("/events/stream", response_class=StreamingResponse, responses={200: {"content": {STREAM: {}}}})(event_stream)
add_csv(router, "/events", event_list, row=FeedEvent)
