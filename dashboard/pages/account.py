"""One's own account: what one may do, where one is signed in, and the password, if there is one."""

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import Response
from sqlalchemy import select

from dashboard.access import RefusedError, Viewer
from dashboard.frame import Frame, Looking, done
from dashboard.origins import COOKIE, cookie_name, leave
from dashboard.pages.sections import PLACE, sections
from models import Account
from models.accounts import change_password
from models.audit import Actor, audited
from models.passwords import LONGEST, SHORTEST, BusyError, fits
from models.sessions import begin, end_others, sessions_of

router = APIRouter()
ACCOUNT = f"{PLACE}/account"
Password = Annotated[str, Form(max_length=5000)]


@router.get(ACCOUNT)
def account(frame: Looking) -> Response:
    """Who one is here."""
    return _shown(frame)


@router.post(f"{ACCOUNT}/sessions")
def sign_out_elsewhere(caller: Viewer, frame: Looking) -> Response:
    """End one's sessions in all other browsers."""
    mine = _mine(frame)
    ended = end_others(frame.session, mine.id, _key(frame))
    actor = Actor(caller.name, caller.by_way_of)
    audited(frame.session, actor, "sessions.ended", mine.name, now=frame.now, sessions=ended)
    frame.session.commit()
    return done("sessions", ACCOUNT)


@router.post(ACCOUNT)
def another_password(caller: Viewer, frame: Looking, present: Password, new: Password, again: Password) -> Response:
    """Another password, for who knows the present one; all other sessions end."""
    mine = _mine(frame)
    if mine.password_hash is None:
        raise RefusedError(409, "This account has no password.")
    if new != again:
        return _shown(frame, wrong="The two new passwords are not the same.")
    if not SHORTEST <= len(new) <= LONGEST:
        return _shown(frame, wrong=f"A password has {SHORTEST} characters at least, and {LONGEST} at most.")
    frame.request.app.state.sign_ins.admit(f"password of {caller.key}")
    kept = mine.password_hash
    # No transaction is open while this takes its time.
    frame.let_go()
    try:
        if not fits(kept, present):
            return _shown(frame, wrong="The present password is another one.")
    except BusyError:
        return _shown(frame, wrong="Too many are signing in at this moment. Try again.")
    change_password(frame.session, mine.name, new, actor=Actor(caller.name, caller.by_way_of), now=frame.now)
    key = begin(frame.session, mine.id, now=frame.now)
    frame.session.commit()
    response = done("password", ACCOUNT)
    leave(frame.request, response, COOKIE, key)
    return response


def _shown(frame: Frame, *, wrong: str = "") -> Response:
    mine = _found(frame)
    return frame.page(
        "account.html",
        title="Your account",
        place=PLACE,
        status=422 if wrong else 200,
        sections=sections(frame),
        account=mine,
        open=sessions_of(frame.session, mine.id, _key(frame), now=frame.now) if mine else (),
        shortest=SHORTEST,
        wrong=wrong,
    )


def _found(frame: Frame) -> Account | None:
    return frame.session.scalar(select(Account).where(Account.id == frame.caller.account_id))


def _mine(frame: Frame) -> Account:
    """The account of who looks; a program has none."""
    if (found := _found(frame)) is None:
        raise RefusedError(409, "A program has no account.")
    return found


def _key(frame: Frame) -> str:
    return frame.request.cookies.get(cookie_name(frame.request, COOKIE), "")
