"""What every page does around its own work: asks who has not signed in, and says in words what goes wrong."""

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from portal.pages.views import onwards, page
from portal.problems import Problem

SENTENCES = {
    404: "There is no such page, or it is not yours to see.",
    410: "The app was deleted.",
    429: "There were too many attempts. Wait a minute, then try again.",
}


class SignInFirst(Exception):  # noqa: N818 - a way to go, no error
    """Nobody has signed in; afterwards the visitor goes on to *path*."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path


class NotOurs(Exception):  # noqa: N818 - as above
    """A form that none of our pages made for this session."""


class PageRoute(APIRoute):
    """A page: whoever has not signed in is asked to, and what goes wrong is said in words."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The work of the page with all that around it."""
        work = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await work(request)
            except SignInFirst as first:
                return onwards(request, "/sign-in" + (f"?to={quote(first.path)}" if first.path else ""))
            except NotOurs:
                more = "It was opened too long ago, or in another session. Go back, reload the page and send it again."
                return page(request, "problem.html", status=403, title="This form has expired", more=more)
            except Problem as problem:
                more = SENTENCES.get(problem.status, "Go back, reload the page and try again.")
                return page(request, "problem.html", status=problem.status, title=problem.title, more=more)

        return handle


def router() -> APIRouter:
    """An empty router of pages, which the API's document does not name."""
    return APIRouter(include_in_schema=False, route_class=PageRoute)
