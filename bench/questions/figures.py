"""Questions of what watches Uptake from outside: figures of now, and what has ended since the last look."""

from collections.abc import Callable

from sqlalchemy.orm import Session

from bench.questions.known import Known
from bench.questions.question import Question
from models.queries.figures import (
    be_brief,
    broken_evaluations,
    open_alerts,
    open_threads,
    queues,
    readings,
    stands,
    stopped_receivers,
    ticked_at,
    work,
)
from models.queries.since import events_between, marks, polls_since, tries_since

_LOOKED_AT_AGAIN = 500  # ids


def _watched(name: str, ask: Callable[[Session, Known], object], *, counts: str | None = None) -> Question:
    def briefly(session: Session, known: Known) -> object:
        be_brief(session)
        return ask(session, known)

    return Question(f"figures: {name}", briefly, is_awaited=False, counts=counts)


def _ended(session: Session, _: Known) -> object:
    last = marks(session)
    return (
        polls_since(session, after=last.poll - _LOOKED_AT_AGAIN),
        tries_since(session, after=last.attempt - _LOOKED_AT_AGAIN, under_way=range(last.attempt - 20, last.attempt)),
        events_between(session, last.tx, last.tx),
    )


FIGURES = (
    _watched("how all stand", lambda session, known: stands(session, now=known.now)),
    _watched("how exact", lambda session, _: readings(session)),
    _watched("what is due", lambda session, known: work(session, now=known.now)),
    _watched(
        "what waits to be sent", lambda session, known: queues(session, now=known.now), counts="ix_notice_waiting"
    ),
    _watched("open alerts", lambda session, known: open_alerts(session, now=known.now), counts="ix_alert_open_kind"),
    _watched("open threads", lambda session, _: open_threads(session), counts="ix_reminder_due_at"),
    _watched(
        "what is broken",
        lambda session, _: (
            broken_evaluations(session),
            ticked_at(session),
            stopped_receivers(session),
        ),
    ),
    _watched("what has ended", _ended),
)
