"""What every page does around its own work: asks who has not signed in, and says in words what goes wrong."""

import re
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from portal.pages.views import onwards, page
from portal.problems import Problem

# What a page is headed with and says where the API's own words are none for people.
SAID = {
    400: ("That is not possible", "The address or the form holds something that does not belong there."),
    404: ("There is no such page", "It is not there, or it is not yours to see."),
    405: ("There is no such page", "It is not there, or it is not yours to see."),
    410: ("This app was deleted", "Its key is deleted with it, and the access of its tenants has ended."),
    413: ("That is too much at once", "Send it in several parts."),
    429: ("Too many attempts", "Wait a minute, then try again."),
    500: ("Something went wrong here", "It is not your fault. Go back, and see what was done before trying again."),
    503: ("The portal cannot answer now", "Its database does not answer. Try again in a few seconds."),
}
# To an app that is not there leads no way back.
NOWHERE = {404, 405, 410}
APP = re.compile(r"/(apps|access)/[1-9][0-9]*")
PAGES = frozenset({"", "apps", "access", "approvals", "sign-in", "sign-out"})


def in_words(request: Request, problem: Problem) -> Response | None:
    """The page that says *problem*; None when the call was one of the API."""
    first = request.url.path.split("/")[1]
    wants_page = "text/html" in request.headers.get("accept", "") and "/v2/" not in request.url.path
    if first not in PAGES and not wants_page:
        return None
    title, more = SAID.get(problem.status, (problem.title, "See how it stands now, then try again."))
    told = {"title": title, "more": more, "back": _app_of(request) if problem.status not in NOWHERE else ""}
    return page(request, "problem.html", status=problem.status, headers=problem.headers, **told)


def _app_of(request: Request) -> str:
    """The page of the app that the call was about; empty when it was about none."""
    found = APP.match(request.url.path)
    return found[0] if found else ""


class SignInFirst(Exception):  # noqa: N818 - a way to go, no error
    """Nobody has signed in; afterwards the visitor goes on to *path*. *said* is told before."""

    def __init__(self, path: str, said: str | None = None) -> None:
        super().__init__()
        self.path = path
        self.said = said


class NotOurs(Exception):  # noqa: N818 - as above
    """A form that none of our pages made for this session."""


class PageRoute(APIRoute):
    """A page: whoever has not signed in is asked to, and a form that is none of ours does nothing."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        if more.get("methods") == ["GET"]:
            # Whoever checks a link asks for the head alone; the server leaves the body out.
            more["methods"] = ["GET", "HEAD"]
        super().__init__(path, endpoint, **more)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The work of the page with all that around it."""
        work = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await work(request)
            except SignInFirst as first:
                return onwards(request, f"/sign-in?to={quote(first.path)}", first.said)
            except NotOurs:
                more = "It was opened too long ago, or in another session. Go back, reload the page and send it again."
                return page(request, "problem.html", status=403, title="This form has expired", more=more)

        return handle


def router() -> APIRouter:
    """An empty router of pages, which the API's document does not name."""
    return APIRouter(include_in_schema=False, route_class=PageRoute)
