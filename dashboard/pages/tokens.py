"""What programs show to the API: made here and shown once, revoked here."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import Response

from dashboard.access import Admin, RefusedError, require_all
from dashboard.frame import Frame, Looking, done
from dashboard.pages.sections import PLACE, sections
from models import Scope
from models.audit import Actor
from models.queries.accounts import source_names, strange_sources, tokens
from models.tokens import make_token, revoke_token

router = APIRouter()
TOKENS = f"{PLACE}/tokens"
LONGEST_NAME = 120
DAYS = (30, 90, 365, 0)  # 0: for ever
Name = Annotated[str, Form(max_length=1000)]


@router.get(TOKENS)
def tokens_of_programs(caller: Admin, frame: Looking, *, revoked: bool = False) -> Response:
    """The tokens there are, or also the ones that were."""
    require_all(caller)
    return _shown(frame, also_revoked=revoked)


@router.post(TOKENS)
def make(
    caller: Admin,
    frame: Looking,
    name: Name,
    scope: Annotated[Scope, Form()],
    days: Annotated[int, Form(ge=0, le=3650)] = DAYS[1],
    source: Annotated[tuple[str, ...], Form(max_length=100)] = (),
) -> Response:
    """A new token, on the one page that ever shows it."""
    require_all(caller)
    if not (name.isprintable() and name.strip() and len(name) <= LONGEST_NAME):
        return _shown(frame, wrong="A token's name is a few words: 120 characters at most, all of which can be seen.")
    if strange_sources(frame.session, source):
        raise RefusedError(422, "There is no such source.")
    until = frame.now + timedelta(days=days) if days else None
    actor = Actor(caller.name, caller.by_way_of)
    key = make_token(frame.session, name, scope, expires_at=until, sources=source or None, actor=actor, now=frame.now)
    if key is None:
        return _shown(frame, wrong=f"There is a token {name} already: revoke it, or choose another name.")
    frame.session.commit()
    return frame.page(
        "once.html",
        title="A token",
        place=PLACE,
        sections=sections(frame),
        what=f"The token {name}",
        secret=key,
        means="Programs send it as `Authorization: Bearer`. Keep it where they find it and nobody else does.",
        back=TOKENS,
    )


@router.post(f"{TOKENS}/revoke")
def revoke(caller: Admin, frame: Looking, name: Name) -> Response:
    """End a token now."""
    require_all(caller)
    if not revoke_token(frame.session, name, actor=Actor(caller.name, caller.by_way_of), now=frame.now):
        raise RefusedError(404, "There is no token of that name that holds.")
    frame.session.commit()
    return done("token", TOKENS)


def _shown(frame: Frame, *, also_revoked: bool = False, wrong: str = "") -> Response:
    return frame.page(
        "tokens.html",
        title="Tokens",
        place=PLACE,
        status=422 if wrong else 200,
        sections=sections(frame),
        tokens=tokens(frame.session, also_revoked=also_revoked),
        also_revoked=also_revoked,
        scopes=list(Scope),
        days=DAYS,
        sources=source_names(frame.session),
        wrong=wrong,
    )
