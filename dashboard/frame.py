"""What every page has around what it shows: who looks at it, since when it is true, and where else one can go."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeVar
from urllib.parse import quote, urlencode

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session as OrmSession

from dashboard.access import Caller, Viewer
from dashboard.reading import Reading
from dashboard.templating import page
from models import Role, db_now
from models.views import views_of

PLACES = (
    ("/", "Apps"),
    ("/tenants", "Tenants"),
    ("/alerts", "Alerts"),
    ("/messages", "Messages"),
    ("/health", "Health"),
    ("/settings", "Settings"),
)
Asked = TypeVar("Asked", bound=BaseModel)
_SAID = "said"  # the parameter that says what was done


@dataclass(frozen=True, slots=True)
class Frame:
    """One look at a page."""

    request: Request
    caller: Caller
    session: OrmSession
    now: datetime

    @property
    def here(self) -> str:
        """The page's own address, with what it was asked to show."""
        return self.address()

    @property
    def may_act(self) -> bool:
        """Whether there are buttons."""
        return self.caller.role.includes(Role.OPERATOR)

    def let_go(self) -> None:
        """Hold no transaction while something is done that has one of its own, or takes its time."""
        self.session.rollback()

    def address(self, **chosen: object) -> str:
        """This page with some of its parameters *chosen* otherwise; None: without them."""
        return self.elsewhere(quote(self.request.scope["path"], safe="/:"), **chosen)

    def elsewhere(self, path: str, **chosen: object) -> str:
        """Another *path*, asked for what this page was asked for."""
        kept = [(name, value) for name, value in self.request.query_params.multi_items() if name not in chosen]
        more = [(name, str(value)) for name, value in chosen.items() if value is not None]
        found = [(name, value) for name, value in kept + more if value and name != _SAID]
        return f"{path}?{urlencode(found)}" if found else path

    @property
    def is_later(self) -> bool:
        """Whether this is not the first page of a list."""
        return "after" in self.request.query_params

    def csv(self, path: str, **chosen: object) -> str:
        """The list at *path* of the API as CSV, narrowed as this page is."""
        _, _, query = self.address(after=None, **chosen).partition("?")
        return f"{path}.csv?{query}" if query else f"{path}.csv"

    def asked(self, model: type[Asked]) -> Asked:
        """What the address asks for, as *model* has it, without empty fields and what cannot be understood."""
        told = {name: value for name, value in self.request.query_params.items() if value and "\0" not in value}
        try:
            return model.model_validate(told)
        except ValidationError as error:
            wrong = {one["loc"][0] for one in error.errors()}
            return model.model_validate({name: value for name, value in told.items() if name not in wrong})

    def page(self, template: str, *, title: str, place: str = "/", status: int = 200, **shown: object) -> Response:
        """The *template* in this frame; *place* is the entry of the navigation that it belongs to."""
        said = _DONE.get(self.request.query_params.get(_SAID, ""))
        text = page(
            template,
            frame=self,
            caller=self.caller,
            now=self.now,
            here=self.here,
            places=PLACES,
            views=views_of(self.session, self.caller.account_id) if self.caller.account_id is not None else None,
            place=place,
            said=said,
            title=title,
            **shown,
        )
        return HTMLResponse(text, status)

    def missing(self, what: str, *, title: str, place: str = "/") -> Response:
        """There is no such thing, or not for whoever asks."""
        return self.page("missing.html", title=title, place=place, status=404, what=what)


def _frame(caller: Viewer, session: Reading, request: Request) -> Frame:
    return Frame(request, caller, session, db_now(session))


Looking = Annotated[Frame, Depends(_frame)]


def done(what: str, to: str) -> Response:
    """Back to the page *to* after something was done, which says so there; *what* is one of a few words."""
    if what not in _DONE:
        raise KeyError(what)
    joined = "&" if "?" in to else "?"
    return RedirectResponse(f"{to}{joined}{_SAID}={what}", 303)


# Nobody can have a page say anything else by a link.
_DONE = {
    "poll": "The app is polled as soon as a worker is free.",
    "polls": "The source is asked for its apps as soon as a worker is free, and each of them is polled.",
    "account": "The account is changed.",
    "token": "The token opens nothing any more.",
    "sessions": "Everywhere else you are signed out.",
    "password": "The password is changed; everywhere else you are signed out.",
    "replayed": "This message is the other one once more, and goes out with the next tick.",
    "acknowledged": "Acknowledged: it is told of again when it gets more severe, and when it is over.",
    "snoozed": "Snoozed: nobody is told of it until then.",
    "taken_back": "Taken back: it is told of again.",
    "nothing_ticked": "Nothing was done: tick some alerts first, or choose all of the group.",
    "no_end": "Nothing was done: say until when to snooze them.",
    "silenced": "Silenced: nobody is told of what matches while the silence holds.",
    "silence_ended": "The silence is over; what still fires is told.",
    "silence_changed": "The silence ends at that time now.",
}
