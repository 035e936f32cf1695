"""Who asks, and whether they may: the policy that every route names.

`Viewer`, `Operator` and `Admin` are what a route's function takes for the caller; `OPEN` is for the few that everybody
may ask. An application with a route that names none of them does not start.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session as OrmSession

from config.settings import settings
from dashboard.origins import COOKIE, cookie_name, neighbourhood
from dashboard.rates import Rate
from models import Role, Session, db_now
from models.sessions import visitor_of
from models.tokens import holder_of

_bearer = HTTPBearer(auto_error=False, description="A token that `uptake token make` has made.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a person who is signed in, or the program that holds a token."""

    name: str
    role: Role
    sources: frozenset[str] | None = None  # None: all of them
    by_way_of: str = "page"  # page | api
    key: str = ""  # by which calls are counted
    account_id: int | None = None  # None: a program

    @property
    def sees_all(self) -> bool:
        """Whether nothing is kept from them."""
        return self.sources is None

    def sees(self, app_or_source: str | None) -> bool:
        """Whether they may see what is about this: `acme:4711`, `acme`; None, about no source, is for who sees all."""
        return self.sources is None or (app_or_source or "").partition(":")[0] in self.sources


class RefusedError(Exception):
    """The caller may not, or not now; told as a problem to a program and in words to a person."""

    def __init__(self, status: int, title: str, **headers: str) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Policy:
    """Lets callers with the role pass, and nobody else."""

    def __init__(self, role: Role) -> None:
        self.role = role

    def __call__(
        self, request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Caller:
        """The caller; raises RefusedError."""
        caller = _admitted(request, bearer)
        if not caller.role.includes(self.role):
            raise RefusedError(403, f"This takes the role {self.role}; {caller.name} has {caller.role}.")
        return caller


class Scrape:
    """Lets everybody read figures about Uptake itself, or only callers who see all sources where a setting says so."""

    def __call__(
        self, request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Caller | None:
        """The caller; None: they did not say who they are. Raises RefusedError."""
        if not settings().metrics_need_token:
            return _admitted(request, bearer) if "authorization" in request.headers else _known(request, bearer)
        caller = _admitted(request, bearer)
        if caller.sources is not None:
            raise RefusedError(403, f"Figures are of all sources; {caller.name} may see some of them.")
        return caller


def everybody() -> None:
    """Nothing is asked."""


Viewer = Annotated[Caller, Depends(Policy(Role.VIEWER))]
Operator = Annotated[Caller, Depends(Policy(Role.OPERATOR))]
Admin = Annotated[Caller, Depends(Policy(Role.ADMIN))]
OPEN = Depends(everybody)
METRICS = Depends(Scrape())


def _admitted(request: Request, bearer: HTTPAuthorizationCredentials | None) -> Caller:
    rate: Rate = request.app.state.calls
    caller = _known(request, bearer)
    if caller is None:
        # Counted apart from who is known: behind a proxy both may have the same address.
        rate.admit(f"address {neighbourhood(request)}")
        raise RefusedError(401, _UNKNOWN, WWW_Authenticate="Bearer")
    if is_api(request):
        rate.admit(caller.key)
    return caller


def _known(request: Request, bearer: HTTPAuthorizationCredentials | None) -> Caller | None:
    with Session.begin() as session:
        return _caller(session, request, bearer.credentials if bearer else None)


_UNKNOWN = "Show a token that holds (Authorization: Bearer upt_...; `uptake token make` makes one), or sign in."


def is_still(request: Request, caller: Caller) -> bool:
    """Whether who began this *request* is the same *caller* still, and may do as much.

    Nothing is noted: a page that is open is no sign of somebody before it.
    """
    _, _, token = request.headers.get("authorization", "").partition(" ")
    with Session() as session:
        return _caller(session, request, token or None) == caller


def _caller(session: OrmSession, request: Request, token: str | None) -> Caller | None:
    """By the token alone where one is shown: who sends a header knows what they do, a browser's cookie goes along."""
    if "authorization" in request.headers:
        return _by_token(session, token) if token else None
    cookie = request.cookies.get(cookie_name(request, COOKIE))
    return _by_session(session, cookie) if cookie else None


def _by_token(session: OrmSession, key: str) -> Caller | None:
    found = holder_of(session, key, now=db_now(session))
    if found is None:
        return None
    return Caller(f"token {found.name}", found.scope.role, _only(found.sources), "api", f"token {found.id}")


def _by_session(session: OrmSession, key: str) -> Caller | None:
    found = visitor_of(session, key, now=db_now(session))
    if found is None:
        return None
    return Caller(found.name, found.role, _only(found.sources), "page", f"account {found.id}", found.id)


def _only(sources: list[str] | None) -> frozenset[str] | None:
    return None if sources is None else frozenset(sources)


def require_all(caller: Caller) -> None:
    """Refuse whoever sees only some sources, for what is about all of them; raises RefusedError.

    They might else give somebody more than they have.
    """
    if not caller.sees_all:
        raise RefusedError(403, f"This is about all sources; {caller.name} sees some of them.")


def is_api(request: Request) -> bool:
    """Whether a program is answered, by a problem rather than a page."""
    return request.url.path.startswith(("/api/", "/metrics"))


@dataclass(frozen=True, slots=True)
class Named:
    """One way to ask: a path, its method, and who may; None: nobody was named."""

    path: str
    method: str
    policy: str | None


def policies(app: FastAPI) -> Iterator[Named]:
    """Every route of *app*, whatever router it came by, with the policy it names."""
    for route in iter_route_contexts(app.routes):
        dependant: Dependant | None = getattr(route, "dependant", None)
        named = _strictest(list(filter(None, map(_policy, _calls(dependant))))) if dependant else None
        for method in sorted(getattr(route, "methods", None) or {"*"}):
            yield Named(str(route.path), method, named)


def require_policies(app: FastAPI) -> None:
    """Refuse to start an application in which a route says nowhere who may ask it."""
    if nameless := [f"{route.method} {route.path}" for route in policies(app) if route.policy is None]:
        raise RuntimeError(f"Nobody is said to be allowed: {', '.join(nameless)}; name a policy of dashboard.access.")


def _calls(dependant: Dependant) -> Iterator[Any]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)


def _strictest(named: list[str]) -> str | None:
    """Of several roles that a route asks for the highest: all of them have to let a caller pass."""
    roles = [one for one in Role if one in named]
    return max(roles, key=lambda role: sum(role.includes(other) for other in Role), default=next(iter(named), None))


def _policy(call: Any) -> str | None:
    if isinstance(call, Policy):
        return call.role
    return "open" if call is everybody else "metrics" if isinstance(call, Scrape) else None
