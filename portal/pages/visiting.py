"""Signing in and out, and who may open which page."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Form, Request, Response

from portal.callers import Call, call_of
from portal.pages import routes
from portal.pages.routes import NotOurs, SignInFirst
from portal.pages.views import is_ours, onwards, page
from portal.people import Visitor, known, signed_in
from portal.problems import Problem

router = routes.router()
HOME = {"organization": "/apps", "tenant": "/access", "operator": "/approvals"}


async def _visitor(request: Request) -> Visitor | None:
    number, mark = request.session.get("person"), request.session.get("mark")
    if not isinstance(number, int) or not isinstance(mark, str):
        return None
    async with request.app.state.reader.connect() as connection:
        return await known(connection, number, mark)


def visit(kind: str) -> Callable[..., Awaitable[Call]]:
    """A call by a signed-in person of this *kind*; a form they send must be one of ours."""

    async def check(request: Request) -> Call:
        visitor = await _visitor(request)
        if visitor is None:
            raise SignInFirst(request.url.path if request.method == "GET" else "")
        request.state.visitor = visitor
        if request.method != "GET" and not is_ours(request, await request.form()):
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
    """The form; *to* is where the visitor wanted to go."""
    return page(request, "sign_in.html", to=to, username="", wrong=False)


@router.post("/sign-in")
async def sign_in(
    request: Request, username: Annotated[str, Form()] = "", password: Annotated[str, Form()] = "", to: str = ""
) -> Response:
    """Begin a session, if name and password fit; attempts at one name are limited."""
    if not is_ours(request, await request.form()):
        raise NotOurs
    # Counted by the very string that is looked up: another spelling of a name is another name, or nobody's.
    username = username.replace("\0", "")[:MAX_USERNAME]
    request.app.state.rates.sign_ins.admit(username)
    request.app.state.rates.sign_ins.charge(username)
    async with request.app.state.reader.connect() as connection:
        visitor = await signed_in(connection, username, password)
    if visitor is None:
        return page(request, "sign_in.html", status=403, to=to, username=username, wrong=True)
    # A session that somebody else began in this browser must not go on as this visitor's.
    request.session.clear()
    request.session.update(person=visitor.person, mark=visitor.mark)
    is_path = to.startswith("/") and not to.startswith(("//", "/\\"))
    return onwards(request, to if is_path else HOME[visitor.kind])


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session."""
    if not is_ours(request, await request.form()):
        raise NotOurs
    request.session.clear()
    return onwards(request, "/sign-in")
