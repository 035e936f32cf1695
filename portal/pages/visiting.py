"""Signing in and out, and who may open which page."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Form, Request, Response

from portal import sessions
from portal.callers import Call, call_of
from portal.pages import routes
from portal.pages.routes import NotOurs, SignInFirst
from portal.pages.views import is_ours, onwards, page
from portal.people import Visitor, signed_in
from portal.problems import Problem

router = routes.router()
READ = {"GET", "HEAD"}
HOME = {"organization": "/apps", "tenant": "/access", "operator": "/approvals"}


async def _visitor(request: Request) -> Visitor | None:
    key, mark = request.session.get("key"), request.session.get("mark")
    if not isinstance(key, str) or not isinstance(mark, str):
        return None
    return await sessions.known(request.app.state.reader, key, mark)


async def _forget(request: Request) -> None:
    """End the session of this browser, and all that its cookie holds."""
    key = request.session.get("key")
    if isinstance(key, str):
        await sessions.end(request.app.state.reader, key)
    request.session.clear()


def _sign_in_first(request: Request) -> SignInFirst:
    """Back to the very page afterwards, with its filters; after a form that came too late to the one it was on."""
    url = request.url
    if request.method in READ:
        return SignInFirst(f"{url.path}?{url.query}" if url.query else url.path)
    before = urlsplit(request.headers.get("referer", ""))
    path = before.path if before.netloc == url.netloc else ""
    return SignInFirst(path, "Your session had ended, so nothing was done. Sign in, then do it again.")


def _beginning(visitor: Visitor, to: str) -> str:
    """Where the visitor goes on: to the page of ours that was asked for, or to their own beginning."""
    return to if to.startswith("/") and not to.startswith(("//", "/\\")) else HOME[visitor.kind]


def visit(kind: str) -> Callable[..., Awaitable[Call]]:
    """A call by a signed-in person of this *kind*; a form they send must be one of ours."""

    async def check(request: Request) -> Call:
        visitor = await _visitor(request)
        if visitor is None:
            raise _sign_in_first(request)
        request.state.visitor = visitor
        if request.method not in READ and not is_ours(request, await request.form()):
            raise NotOurs
        if visitor.kind != kind:
            raise Problem(404, "not_found", "There is no such page.")
        return call_of(
            request,
            client=visitor.client,
            name=visitor.name,
            faithful=visitor.faithful,
            organization=visitor.organization,
            tenant=visitor.tenant,
        )

    return check


Developer = Annotated[Call, Depends(visit("organization"))]
TenantAdmin = Annotated[Call, Depends(visit("tenant"))]
Operator = Annotated[Call, Depends(visit("operator"))]


# As long as the column; a longer one is nobody's, and is not remembered by the limits.
MAX_USERNAME = 120


@router.get("/")
async def home(request: Request) -> Response:
    """Everybody's own beginning."""
    visitor = await _visitor(request)
    return onwards(request, "/sign-in" if visitor is None else HOME[visitor.kind])


@router.get("/sign-in")
async def ask(request: Request, to: str = "") -> Response:
    """The form; *to* is where the visitor wanted to go, and goes at once when already signed in."""
    visitor = await _visitor(request)
    if visitor is not None:
        return onwards(request, _beginning(visitor, to))
    return page(request, "sign_in.html", to=to, username="")


@router.post("/sign-in")
async def sign_in(
    request: Request, username: Annotated[str, Form()] = "", password: Annotated[str, Form()] = "", to: str = ""
) -> Response:
    """Begin a session, if name and password fit; attempts at one name are limited."""
    if not is_ours(request, await request.form()):
        raise NotOurs
    # Counted by the very string that is looked up: another spelling of a name is another name, or nobody's.
    username = username.replace("\0", "")[:MAX_USERNAME]
    address = request.client.host if request.client else ""
    try:
        request.app.state.rates.attempt(address, username)
    except Problem as problem:
        trouble = f"There were too many attempts. Wait {problem.headers['Retry-After']} seconds, then try again."
        more = {"to": to, "username": username, "trouble": trouble}
        return page(request, "sign_in.html", status=429, headers=problem.headers, **more)
    visitor = await signed_in(request.app.state.reader, username, password)
    if visitor is None:
        trouble = "Name and password do not fit together."
        return page(request, "sign_in.html", status=403, to=to, username=username, trouble=trouble)
    # A session that somebody else began in this browser must not go on as this visitor's.
    await _forget(request)
    request.session.update(key=await sessions.begin(request.app.state.reader, visitor), mark=visitor.mark)
    return onwards(request, _beginning(visitor, to))


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session, on the server too."""
    if not is_ours(request, await request.form()):
        raise NotOurs
    await _forget(request)
    return onwards(request, "/sign-in")
