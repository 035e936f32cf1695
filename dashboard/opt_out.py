"""The one page that is for everybody: where somebody says that they want no more reminders.

Looking at it changes nothing, for mail programs look at links by themselves; its button, or the mail program's own
(RFC 8058), does.
"""

import importlib.resources

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from config.links import contact_of
from dashboard.pages import Reading, page
from models import db_now
from models.opt_out import Reader, opt_in, opt_out, reader

router = APIRouter(prefix="/opt-out", default_response_class=HTMLResponse, include_in_schema=False)


@router.get("/style.css")
def style() -> Response:
    """The style sheet, beside the page: nothing else of the dashboard has to be reachable."""
    content = importlib.resources.files("dashboard").joinpath("templates", "style.css").read_bytes()
    return Response(content, media_type="text/css", headers={"Cache-Control": "max-age=300"})


@router.get("/{token}")
def ask(session: Reading, token: str) -> Response:
    """Whom it is about, and the button."""
    contact = contact_of(token)
    return _answer(reader(session, *contact) if contact else None, token)


@router.post("/{token}")
def out(session: Reading, token: str) -> Response:
    """No more reminders for them; a second time is the same."""
    contact = contact_of(token)
    if contact:
        opt_out(session, *contact, now=db_now(session))
        session.commit()
    return _answer(reader(session, *contact) if contact else None, token)


@router.post("/{token}/undo")
def undo(session: Reading, token: str) -> Response:
    """They have changed their mind."""
    contact = contact_of(token)
    if contact:
        opt_in(session, *contact, now=db_now(session))
        session.commit()
    return _answer(reader(session, *contact) if contact else None, token, up="../")


def _answer(found: Reader | None, token: str, *, up: str = "") -> Response:
    text = page("opt_out.html", reader=found, token=token, up=up)
    return HTMLResponse(text, 200 if found else 404, headers={"Cache-Control": "no-store"})
