"""One message whole: what it says, how it looks, every try to send it, and once more; and what would come next."""

from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, Response

from dashboard.access import Caller, Operator, RefusedError, Viewer
from dashboard.api.apps import TEXT, require
from dashboard.api.messages import NoticeId
from dashboard.askings import replay_message, seen_message
from dashboard.chosen import chosen
from dashboard.discreet import discreet_in_full, may_read
from dashboard.frame import Frame, Looking, done
from dashboard.pages.messages import PLACE
from dashboard.reading import Reading
from models import db_now
from models.queries.retold import retold
from models.replay import against
from tasks.preview import Preview, lacking, preview

router = APIRouter()
App = Annotated[str, Query(max_length=300, pattern=TEXT)]
Tenant = Annotated[str, Query(max_length=300, pattern=TEXT)]
# A letter is looked at as a mail program would show it: nothing of it runs, loads, is sent or leads anywhere, and it
# can do nothing as whoever looks at it. Only its own colours are its own.
_LETTER = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'self'; sandbox"
    ),
    # What is in a sandbox cannot be opened by itself where this asks for a window of its own.
    "Cross-Origin-Opener-Policy": "unsafe-none",
}


@router.get("/messages/next")
def next_one(caller: Operator, frame: Looking, app: App, tenant: Tenant) -> Response:
    """The message that a tenant's next reminder would be, by the templates as they are."""
    made, elsewhere = _next(caller, frame.session, app, tenant)
    return frame.page(
        "next.html",
        title="The next reminder",
        place=PLACE,
        app=app,
        tenant=tenant,
        made=made,
        elsewhere=elsewhere,
    )


@router.get("/messages/next/letter")
def next_letter(caller: Operator, session: Reading, app: App, tenant: Tenant) -> Response:
    """How that message looks."""
    made, _ = _next(caller, session, app, tenant)
    if made is None:
        raise RefusedError(404, "There is nothing to remind of.")
    return _letter(made.said.html)


def _next(caller: Caller, session: Reading, app: str, tenant: str) -> tuple[Preview | None, list[str]]:
    """It, if there is anything to ask where that is watched, and where else there is."""
    require(caller, session, app)
    rules, now = chosen(), db_now(session)
    found = lacking(session, app, tenant, rules, now=now)
    return (preview(found.watched, rules, now=now) if found.watched else None), list(found.elsewhere)


@router.get("/messages/{notice_id}")
def one_message(frame: Looking, notice_id: NoticeId) -> Response:
    """One message and what became of it."""
    return _shown(frame, notice_id)


@router.get("/messages/{notice_id}/letter")
def letter(caller: Viewer, session: Reading, notice_id: NoticeId) -> Response:
    """How it looks to its reader."""
    found = discreet_in_full(caller, seen_message(caller, session, notice_id))
    if not found.html:
        raise RefusedError(404, "There is no such letter, or not for you.")
    return _letter(found.html)


@router.post("/messages/{notice_id}")
def once_more(
    caller: Operator, frame: Looking, notice_id: NoticeId, *, anyway: Annotated[bool, Form()] = False
) -> Response:
    """Send it once more, as it was."""
    frame.let_go()
    try:
        made = replay_message(caller, notice_id, anyway=anyway)
    except RefusedError as refusal:
        if refusal.status == 404:
            raise
        return _shown(frame, notice_id, refusal=refusal)
    return done("replayed", f"{PLACE}/{made}")


def _shown(frame: Frame, notice_id: int, *, refusal: RefusedError | None = None) -> Response:
    caller, session = frame.caller, frame.session
    try:
        found = discreet_in_full(caller, seen_message(caller, session, notice_id))
    except RefusedError:
        return frame.missing(f"message {notice_id}", title="No such message", place=PLACE)
    is_readable = may_read(caller, found)
    return frame.page(
        "message.html",
        title=found.subject,
        place=PLACE,
        status=refusal.status if refusal else 200,
        message=found,
        is_readable=is_readable,
        told=[(name, value) for name, value in (found.payload or {}).items() if name in TOLD],
        against=against(session, notice_id) if frame.may_act else None,
        retold=retold(session, notice_id),
        refusal=refusal,
    )


TOLD = {"kind", "app", "source", "firing", "new", "resolved", "instead_of"}  # of a message about alerts


def _letter(html: str) -> Response:
    return HTMLResponse(html, headers=_LETTER)
