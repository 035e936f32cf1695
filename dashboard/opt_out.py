"""The one page that is for everybody: where somebody says that they want no more reminders.

Looking at it changes nothing, for mail programs look at links by themselves; its button, or the mail program's own
(RFC 8058), does.
"""

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from config.links import contact_of
from dashboard.access import OPEN
from dashboard.reading import Reading
from dashboard.static import kept
from dashboard.templating import page
from models import db_now
from models.opt_out import opt_in, opt_out, reader, tenants_of

router = APIRouter(prefix="/opt-out", dependencies=[OPEN], default_response_class=HTMLResponse, include_in_schema=False)


@router.get("/style.css")
def style() -> Response:
    """The style sheet, beside the page: nothing else of the dashboard has to be reachable."""
    found = kept("style.css")
    return Response(found.body, media_type=found.media_type, headers={"Cache-Control": "max-age=300"})


@router.get("/{token}")
def ask(session: Reading, token: str) -> Response:
    """Whom it is about, and the button."""
    return _answer(session, token)


@router.post("/{token}")
def out(session: Reading, token: str) -> Response:
    """No more reminders for them; a second time is the same."""
    if contact := _contact(session, token):
        opt_out(session, *contact, now=db_now(session))
        session.commit()
    return _answer(session, token)


@router.post("/{token}/undo")
def undo(session: Reading, token: str) -> Response:
    """They have changed their mind."""
    if contact := _contact(session, token):
        opt_in(session, *contact, now=db_now(session))
        session.commit()
    return _answer(session, token, up="../")


def _contact(session: Session, token: str) -> tuple[Sequence[int], str] | None:
    """The tenants and the address that the link is about."""
    found = contact_of(token)
    if found is None:
        return None
    if found.source_id is None:
        return found.tenants, found.email
    return tenants_of(session, found.source_id, found.email), found.email


def _answer(session: Session, token: str, *, up: str = "") -> Response:
    contact = _contact(session, token)
    found = reader(session, *contact) if contact else None
    text = page("opt_out.html", reader=found, token=token, up=up)
    return HTMLResponse(text, 200 if found else 404, headers={"Cache-Control": "no-store"})
