"""Questions of what happened: the feed of events, polls, and how it goes with portals and with Uptake itself."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.orm import Session

from bench.questions.known import Known
from bench.questions.question import Question
from models.queries.event_feed import FIRST, Place, WantedEvents, events_after, is_ahead, last_event
from models.queries.poll_lists import polls_before
from models.queries.readings import hours, readings, slowest
from models.queries.tenant_names import tenants_named
from models.queries.wellbeing import database, queues, workers

_PAGE, _AT_ONCE = 101, 200
_WEEK = timedelta(days=7)


def _events(
    name: str,
    wanted: Callable[[Known], WantedEvents],
    *,
    after: Callable[[Known], Place] = Known.place,
    sources: tuple[str, ...] | None = None,
) -> Question:
    def ask(session: Session, known: Known) -> object:
        return events_after(session, after(known), wanted(known), sources=sources, most=_PAGE)

    return Question(f"events: {name}", ask)


def _events_of_tenant(session: Session, known: Known) -> object:
    tenants = [one.tenant_id for one in tenants_named(session, known.pair()[1])]
    return events_after(session, FIRST, WantedEvents(tenants=tenants), most=_PAGE)


def _polls_further(session: Session, _: Known) -> object:
    last = polls_before(session, most=1)[0]
    return polls_before(session, before=(last.started_at - _WEEK, last.id), most=_PAGE)


FEED = (
    _events("from the first on", lambda _: WantedEvents(), after=lambda _: FIRST),
    _events("from anywhere on", lambda _: WantedEvents()),
    _events("of a source", lambda _: WantedEvents(), sources=("acme",)),
    _events("of some types", lambda _: WantedEvents(types=["version.*", "tenant.disabled"])),
    _events("of an app", lambda known: WantedEvents(app=known.app().key)),
    _events("of the last week", lambda known: WantedEvents(since=known.now - _WEEK), after=lambda _: FIRST),
    Question("events: of a tenant", _events_of_tenant),
    Question(
        "events: what open pages wait for",
        lambda session, _: events_after(session, last_event(session), most=_AT_ONCE),
    ),
    Question(
        "events: for whoever was away",
        lambda session, known: events_after(session, known.place(), most=_AT_ONCE),
    ),
    Question("events: the last one", lambda session, _: last_event(session)),
    Question("events: is a place ahead", lambda session, known: is_ahead(session, known.place())),
    Question("polls", lambda session, _: polls_before(session, most=_PAGE)),
    Question("polls, further on", _polls_further),
    Question("polls of a source", lambda session, _: polls_before(session, sources=["acme"], most=_PAGE)),
    Question("polls of an app", lambda session, known: polls_before(session, app=known.app().key, most=_PAGE)),
    Question("polls that failed", lambda session, _: polls_before(session, outcome="failed", most=_PAGE)),
    Question("polls that were held", lambda session, _: polls_before(session, outcome="held", most=_PAGE)),
    Question(
        "polls of an app that failed",
        lambda session, known: polls_before(session, app=known.app().key, outcome="failed", most=_PAGE),
    ),
    Question("readings: the last day by the hour", lambda session, known: hours(session, now=known.now)),
    Question("readings: the slowest apps", lambda session, known: slowest(session, now=known.now)),
    Question("readings of all apps", lambda session, _: readings(session, most=_PAGE)),
    Question("readings that failed", lambda session, _: readings(session, failing=True, sources=["acme"], most=_PAGE)),
    Question("who is alive, and where", lambda session, _: (workers(session), database(session))),
    Question(
        "what waits to be sent",
        lambda session, known: queues(session, now=known.now),
        counts="ix_notice_waiting",
    ),
    Question(
        "what waits to be sent, of a source",
        lambda session, known: queues(session, now=known.now, sources=["acme"]),
        counts="ix_notice_waiting",
    ),
)
