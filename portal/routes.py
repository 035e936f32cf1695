"""What every route of the API does around its own work: limits, entity tags, answers that say "unchanged"."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from portal.answers import names_tag, tag
from portal.idempotency import Keyed, ReplayedError
from portal.queries import names_of
from portal.rates import Charge


class PortalRoute(APIRoute):
    """A route whose answers tell the caller's limits and, when read, carry a tag and heed `If-None-Match`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The work of the route with all that around it."""
        work = super().get_route_handler()
        names = names_of(self.dependant)

        async def handle(request: Request) -> Response:
            request.state.query_names = names
            answer = await _once(work, request)
            if request.method == "GET" and answer.status_code == 200:
                answer = _conditional(request, answer)
            charge: Charge | None = getattr(request.state, "charge", None)
            if charge is not None:
                if answer.status_code == 304:
                    charge.give_back()
                answer.headers.update(charge.told)
            return answer

        return handle


async def _once(work: Callable[[Request], Coroutine[Any, Any, Response]], request: Request) -> Response:
    """The route's work; under an Idempotency-Key its answer is kept in the same transaction."""
    try:
        answer = await work(request)
        if (keyed := _keyed(request)) is not None:
            await keyed.keep(answer)
    except ReplayedError as replayed:
        return replayed.answer
    finally:
        if (keyed := _keyed(request)) is not None:
            await keyed.close()
    return answer


def _keyed(request: Request) -> Keyed | None:
    return getattr(request.state, "keyed", None)


def _conditional(request: Request, answer: Response) -> Response:
    """*answer* with its tag; without its body when the caller has it already.

    The tag is made of the representation and nothing else, so every token and key sees the same one.
    """
    answer.headers.setdefault("ETag", tag(bytes(answer.body)))
    asked = ",".join(request.headers.getlist("if-none-match"))
    if not names_tag(asked, answer.headers["ETag"]):
        return answer
    kept = {name: answer.headers[name] for name in ("ETag", "Cache-Control") if name in answer.headers}
    return Response(status_code=304, headers=kept)


def router(*tags: str, prefix: str = "") -> APIRouter:
    """An empty router of such routes."""
    return APIRouter(prefix=prefix, tags=list(tags), route_class=PortalRoute)
