"""Signing in and out: with a password, or by a link that holds once. dashboard.oidc has the third way."""

from typing import Annotated
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import exists, select
from sqlalchemy.orm import Session as OrmSession

from config.settings import settings
from dashboard.access import OPEN
from dashboard.origins import COOKIE, cookie_name, leave, local, neighbourhood, peer, take_away
from dashboard.rates import TooOftenError
from dashboard.reading import Reading
from dashboard.templating import page
from models import Account, Session, db_now
from models.accounts import spelled
from models.audit import Actor, audited
from models.passwords import BusyError, fits
from models.sessions import begin, end, use_link

log = structlog.get_logger()
router = APIRouter(dependencies=[OPEN], default_response_class=HTMLResponse, include_in_schema=False)
_WRONG = "Name and password do not fit together."
_OLD_LINK = (
    "This link was used already, or is older than a quarter of an hour. Whoever runs Uptake gets another one by"
    " `uptake user link NAME`."
)


@router.get("/sign-in")
def ask(session: Reading, next: str = "/") -> Response:  # noqa: A002 - as the address says
    """The ways in that there are."""
    return form(session, next=next)


@router.post("/sign-in")
def sign_in(
    request: Request,
    name: Annotated[str, Form(max_length=1000)] = "",
    password: Annotated[str, Form(max_length=5000)] = "",
    next: Annotated[str, Form(max_length=5000)] = "/",  # noqa: A002 - as above
) -> Response:
    """Begin a session, if name and password fit; a disabled account's never do. Attempts are limited."""
    # Counted by the very name that is looked up, so that no other spelling of it counts anew.
    known_as = spelled(name) or ""
    with Session() as session:
        try:
            # By both together, so that nobody shuts somebody else out by guessing at their name from elsewhere.
            request.app.state.sign_in_addresses.admit(neighbourhood(request))
            request.app.state.sign_ins.admit(f"{neighbourhood(request)} {known_as}")
            account_id = _proved(request, session, known_as, password)
        except TooOftenError as error:
            said = f"There were too many attempts. Wait {error.wait} seconds, then try again."
            return form(session, said=said, name=name, next=next, status=429, **{"Retry-After": str(error.wait)})
        except BusyError:
            said = "Too many are signing in at this moment. Try again."
            return form(session, said=said, name=name, next=next, status=503, **{"Retry-After": "5"})
        if account_id is None:
            return form(session, said=_WRONG, name=name, next=next, status=403)
        return begun(request, session, account_id, by="password", to=next)


@router.get("/sign-in/once/{key}")
def once(request: Request, key: str) -> Response:
    """Begin the session of whom the link is for; it is used up by that."""
    with Session() as session:
        account_id = use_link(session, key, now=db_now(session))
        if account_id is None:
            session.rollback()
            log.warning("link.refused", address=peer(request))
            return form(session, said=_OLD_LINK, status=403)
        return begun(request, session, account_id, by="link", to="/")


@router.post("/sign-out")
def out(request: Request) -> Response:
    """End the session, on the server too."""
    response = RedirectResponse("/sign-in", 303)
    with Session.begin() as session:
        _end_present(request, session)
    take_away(request, response, COOKIE)
    return response


def begun(request: Request, session: OrmSession, account_id: int, *, by: str, to: str) -> Response:
    """A new session of an account, never one that the browser had: whoever had left a cookie there learns nothing."""
    now = db_now(session)
    _end_present(request, session)
    key = begin(session, account_id, now=now)
    name = session.scalars(select(Account.name).where(Account.id == account_id)).one()
    audited(session, Actor(name, "page"), "session.began", name, now=now, by=by, address=peer(request))
    session.commit()
    log.info("session.began", account=name, by=by, address=peer(request))
    response = RedirectResponse(local(to), 303)
    leave(request, response, COOKIE, key)
    return response


def form(
    session: OrmSession,
    *,
    said: str = "",
    name: str = "",
    next: str = "/",  # noqa: A002 - as above
    status: int = 200,
    **headers: str,
) -> Response:
    """The page with the ways in that there are; what is wrong stands above them."""
    has_accounts, has_passwords = session.execute(_WAYS).one()
    issuer = settings().oidc_issuer
    shown = {"has_accounts": has_accounts, "has_passwords": has_passwords, "said": said, "name": name}
    provider = urlsplit(issuer).hostname if issuer else None
    return HTMLResponse(page("sign_in.html", provider=provider, next=local(next), **shown), status, headers=headers)


_ENABLED = select(Account.id).where(Account.disabled_at.is_(None))
_WAYS = select(exists(_ENABLED), exists(_ENABLED.where(Account.password_hash.is_not(None))))


def _proved(request: Request, session: OrmSession, name: str, password: str) -> int | None:
    known = select(Account.id, Account.password_hash).where(Account.name == name, Account.disabled_at.is_(None))
    account_id, kept = session.execute(known).one_or_none() or (None, None)
    # No transaction is open while this takes its time.
    session.rollback()
    if fits(kept, password):
        return account_id
    # A name that nobody has may be a password in the wrong place.
    log.warning("signin.refused", name=name if account_id else None, address=peer(request))
    return None


def _end_present(request: Request, session: OrmSession) -> None:
    if present := request.cookies.get(cookie_name(request, COOKIE)):
        end(session, present)
