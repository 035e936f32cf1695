"""Who signs in, and as what: added without a password, let in by a link that is shown once."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Form
from fastapi.responses import Response
from pydantic import Field

from dashboard.access import Admin, Caller, RefusedError, require_all
from dashboard.api.apps import TEXT
from dashboard.frame import Frame, Looking, done
from dashboard.origins import origin
from dashboard.pages.sections import PLACE, sections
from models import Role
from models.accounts import Fate, account_named, add_account, change_role, disable, enable, spelled
from models.audit import Actor, audited
from models.queries.accounts import accounts, source_names, strange_sources
from models.sessions import link

router = APIRouter()
PEOPLE = f"{PLACE}/people"
Name = Annotated[str, Form(max_length=1000, pattern=TEXT)]
Sources = Annotated[tuple[Annotated[str, Field(max_length=200, pattern=TEXT)], ...], Form(max_length=100)]
_LAST = "They are the last admin who can sign in: make somebody else one first."


@router.get(PEOPLE)
def people(caller: Admin, frame: Looking) -> Response:
    """Everybody who has an account."""
    require_all(caller)
    return _shown(frame)


@router.post(PEOPLE)
def add(caller: Admin, frame: Looking, name: Name, role: Annotated[Role, Form()], source: Sources = ()) -> Response:
    """Let somebody in: an account, and the link by which they come."""
    require_all(caller)
    if (known_as := spelled(name)) is None:
        return _shown(frame, wrong="A name is a word or an e-mail address: no spaces, 120 characters at most.")
    chosen = _sources(frame, source)
    actor = _actor(caller)
    made = add_account(frame.session, known_as, role, actor=actor, now=frame.now, sources=chosen)
    if made is None:
        return _shown(frame, wrong=f"{known_as} has an account already.")
    return _linked(frame, caller, made, known_as)


@router.post(f"{PEOPLE}/link")
def another_link(caller: Admin, frame: Looking, name: Name) -> Response:
    """Another link for somebody who has an account."""
    require_all(caller)
    account = account_named(frame.session, name)
    if account is None:
        raise _nobody()
    if account.disabled_at is not None:
        return _shown(frame, wrong=f"{name} is disabled: enable them first.")
    return _linked(frame, caller, account.id, name)


@router.post(f"{PEOPLE}/role")
def another_role(
    caller: Admin, frame: Looking, name: Name, role: Annotated[Role, Form()], source: Sources = ()
) -> Response:
    """Another role and another choice of sources, at once."""
    require_all(caller)
    chosen = _sources(frame, source)
    fate = change_role(frame.session, name, role, sources=chosen, actor=_actor(caller), now=frame.now)
    return _changed(frame, fate)


@router.post(f"{PEOPLE}/state")
def another_state(
    caller: Admin, frame: Looking, name: Name, to: Annotated[Literal["enabled", "disabled"], Form()]
) -> Response:
    """Let somebody in no more, or again."""
    require_all(caller)
    change = enable if to == "enabled" else disable
    return _changed(frame, change(frame.session, name, actor=_actor(caller), now=frame.now))


def _changed(frame: Frame, fate: Fate) -> Response:
    if fate is Fate.UNKNOWN:
        raise _nobody()
    if fate is Fate.LAST_ADMIN:
        frame.session.rollback()
        return _shown(frame, wrong=_LAST)
    frame.session.commit()
    return done("account", PEOPLE)


def _linked(frame: Frame, caller: Caller, account_id: int, name: str) -> Response:
    """The page that shows the link, once."""
    audited(frame.session, _actor(caller), "link.made", name, now=frame.now)
    url = f"{origin(frame.request)}/sign-in/once/{link(frame.session, account_id, now=frame.now)}"
    frame.session.commit()
    said = "It signs them in once, within a quarter of an hour."
    return frame.page(
        "once.html",
        title="A link",
        place=PLACE,
        sections=sections(frame),
        what=f"The link for {name}",
        secret=url,
        means=said,
        back=PEOPLE,
    )


def _shown(frame: Frame, *, wrong: str = "") -> Response:
    return frame.page(
        "people.html",
        title="People",
        place=PLACE,
        status=422 if wrong else 200,
        sections=sections(frame),
        people=accounts(frame.session),
        roles=list(Role),
        sources=source_names(frame.session),
        wrong=wrong,
    )


def _sources(frame: Frame, named: Sequence[str]) -> Sequence[str] | None:
    """Those that were chosen; None: all. A strange one would be a permission to see nothing."""
    if strange_sources(frame.session, named):
        raise RefusedError(422, "There is no such source.")
    return named or None


def _actor(caller: Caller) -> Actor:
    return Actor(caller.name, caller.by_way_of)


def _nobody() -> RefusedError:
    return RefusedError(404, "Nobody is called so.")
