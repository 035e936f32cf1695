"""Tenants over all apps: who they are, how each stands with every app, and all that happened to them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, TypeAdapter
from sqlalchemy.orm import Session

from dashboard.access import Caller, RefusedError, Viewer
from dashboard.api.apps import TEXT, Class, Environment, Words, require
from dashboard.api.lists import Listing, Place, add_list, validated
from dashboard.chosen import features
from dashboard.reading import Reading
from models import Role
from models.queries.tenant_apps import AppOf, ContactRow, TenantProfile, TimelineRow, apps_of, contacts, profile
from models.queries.tenant_apps import timeline_of as timeline
from models.queries.tenant_lists import tenants as tenants_after
from models.queries.tenant_names import Named, tenants_named

TenantKey = Annotated[
    str,
    Path(
        max_length=1000,
        pattern=TEXT,
        description="A tenant as source:id, such as acme:17; its id alone where only one source has it.",
    ),
]
AppName = Annotated[str, Field(max_length=300, pattern=TEXT, description="This app, as source:id.")] | None
TenantName = (
    Annotated[str, Field(max_length=1000, pattern=TEXT, description="This tenant, as source:id or by its id.")] | None
)

About = Literal["versions", "alerts", "reminders"]

router = APIRouter(tags=["tenants"])


@dataclass(frozen=True, slots=True)
class Listed:
    """One tenant at a glance; counts are of its connections in one environment, exact until *as_of*."""

    key: str  # source:tenant
    source: str
    tenant: str
    tenant_name: str | None
    first_seen_at: datetime
    apps: int
    blocking: int
    trimming: int
    blocked_since: datetime | None
    last_reminder_at: datetime | None
    as_of: datetime | None


_LISTED = [one.name for one in fields(Listed)]


class Meant(BaseModel):
    """Which tenants are meant."""

    q: Words = Field(None, description="Letters of its name or id, in any case; one or two begin a word of it.")
    blocking: bool | None = Field(None, description="Lacks scopes of an app that it is connected to, or of none.")
    lag: Class | None = Field(None, alias="class", description="Of this class in an app that it is connected to.")
    app: AppName = None
    environment: Environment = "production"


def tenants(caller: Viewer, session: Reading, meant: Annotated[Meant, Query()]) -> Listing[Listed]:
    """Every tenant of every source by name: how many apps it has, and in how many it is blocked."""
    if meant.blocking is not None and meant.lag is not None:
        raise RefusedError(422, "Ask for `blocking` or for a `class`: blocking=true is class=blocking.")
    if meant.app is not None:
        require(caller, session, meant.app)
    return listed(caller, meant)


def listed(caller: Caller, meant: Meant) -> Listing[Listed]:
    """Those of the tenants that are meant that the caller sees; of an app that there is not, none."""

    def fetch(session: Session, after: Any, most: int) -> Sequence[tuple[Place, Listed]]:
        found = tenants_after(
            session,
            letters=meant.q or None,
            blocking=meant.blocking,
            lag=meant.lag,
            app=meant.app,
            environment=meant.environment,
            sources=caller.sources,
            after=after,
            most=most,
        )
        return [((one.place, one.tenant_id), Listed(**{name: getattr(one, name) for name in _LISTED})) for one in found]

    return Listing("tenants", fetch, (str, int))


@dataclass(frozen=True, slots=True)
class Tenant(TenantProfile):
    """One tenant with every app that it has; *contacts* are told to operators, and null to others."""

    apps: Sequence[AppOf]
    contacts: Sequence[ContactRow] | None
    as_of: datetime | None  # until when all of this is exact


_ONE_TENANT = TypeAdapter(Tenant)


def one_tenant(caller: Viewer, session: Reading, request: Request, tenant: TenantKey) -> Response:
    """One tenant: every app of it, with versions, what is missing and blocked, alerts and reminders."""
    meant = the_tenant(caller, session, tenant).tenant_id
    apps = apps_of(session, meant, features=features())
    known = [one.as_of for one in apps if one.as_of is not None and one.app_deleted_at is None]
    told = contacts(session, meant) if caller.role.includes(Role.OPERATOR) else None
    found = Tenant(**asdict(profile(session, meant)), apps=apps, contacts=told, as_of=min(known, default=None))
    return validated(request, _ONE_TENANT.dump_json(found))


def tenant_timeline(
    caller: Viewer,
    session: Reading,
    tenant: TenantKey,
    app: Annotated[AppName, Query()] = None,
    about: Annotated[About | None, Query(description="Only what is about this.")] = None,
    order: Annotated[Literal["oldest", "newest"], Query(description="Which come first.")] = "oldest",
) -> Listing[TimelineRow]:
    """Everything that happened to a tenant, over all apps."""
    meant = the_tenant(caller, session, tenant).tenant_id

    def fetch(session: Session, after: Any, most: int) -> Sequence[tuple[Place, TimelineRow]]:
        found = timeline(session, meant, app=app, about=about, newest_first=order == "newest", after=after, most=most)
        return [((one.at, one.event_id), one) for one in found]

    return Listing("timeline", fetch, (datetime, int))


def the_tenant(caller: Caller, session: Session, name: str) -> Named:
    """Whom *name* means, of those that the caller sees; raises RefusedError for nobody, and for several."""
    found = tenants_named(session, name, sources=caller.sources)
    if not found:
        raise RefusedError(404, "There is no such tenant.")
    if len(found) > 1:
        keys = ", ".join(one.key for one in found)
        raise RefusedError(409, f"Several sources have a tenant of that id: ask for one of {keys}.")
    return found[0]


def tenants_meant(caller: Caller, session: Session, name: str | None) -> list[int] | None:
    """The ids of all that a filter's *name* may mean, of those that the caller sees; None: no filter."""
    if name is None:
        return None
    return [one.tenant_id for one in tenants_named(session, name, sources=caller.sources)]


add_list(router, "/tenants", tenants, row=Listed)
# Before the tenant itself, whose id may have slashes in it.
add_list(router, "/tenants/{tenant:path}/timeline", tenant_timeline, row=TimelineRow)
router.get("/tenants/{tenant:path}", response_model=Tenant)(one_tenant)
