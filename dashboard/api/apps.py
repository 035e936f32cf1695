"""Apps, their versions and tenants, and what they can rely on."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, TypeAdapter
from sqlalchemy.orm import Session

from dashboard.access import Caller, RefusedError, Viewer
from dashboard.api.lists import Listing, Place, add_list, few, validated
from dashboard.reading import Reading
from models.queries import app_order
from models.queries.apps import AppOverview, is_app, overview
from models.queries.readiness import readiness
from models.queries.rollouts import Version, versions
from models.queries.tenants_of import PLACES, Sort, Wanted, tenants_of
from uptake.facts import Status

TEXT = r"^[^\x00]*$"  # PostgreSQL holds no NUL
AppKey = Annotated[str, Path(max_length=300, pattern=TEXT, description="An app as source:id, such as acme:4711.")]
Environment = Annotated[str, Field(max_length=100, pattern=TEXT)]
Words = Annotated[str, Field(max_length=200, pattern=TEXT)] | None
Class = Literal["current", "blocking", "trimming", "equivalent", "unknown"]

router = APIRouter(tags=["apps"])
by_key = APIRouter(tags=["apps"])
_ONE_APP = TypeAdapter(AppOverview)


def apps(
    caller: Viewer,
    environment: Environment = "production",
    q: Annotated[Words, Query(description="Letters of its name or key, in any case.")] = None,
    sort: Annotated[
        app_order.Sort, Query(description="By source and name, the most blocked first, or the lowest adoption first.")
    ] = "name",
) -> Listing[AppOverview]:
    """Every app with its counts, adoption and last poll."""

    def fetch(session: Session, after: Any, most: int) -> Sequence[tuple[Place, AppOverview]]:
        found = overview(
            session, environment=environment, sources=caller.sources, letters=q, sort=sort, after=after, most=most
        )
        return [(app_order.place(one, sort), one) for one in found]

    return Listing("apps", fetch, app_order.PLACES[sort], order=sort)


def one_app(
    caller: Viewer, session: Reading, request: Request, app: AppKey, environment: Environment = "production"
) -> Response:
    """One app, be it deleted."""
    require(caller, session, app)
    (found,) = overview(session, app=app, environment=environment, deleted=True)
    return validated(request, _ONE_APP.dump_json(found))


def app_versions(
    caller: Viewer, session: Reading, app: AppKey, environment: Environment = "production"
) -> Listing[Version]:
    """The versions of an app, the newest first: what each asks for and changed, and who runs it now."""
    require(caller, session, app)

    def fetch(session: Session, after: Any, most: int) -> Sequence[tuple[Place, Version]]:
        # They are few, and never change: there is one for each change of an app's scopes.
        known = versions(session, app, environment=environment)
        return [((one.number,), one) for one in known if after is None or one.number < after[0]][:most]

    return Listing("versions", fetch, (int,))


@dataclass(frozen=True, slots=True)
class Tenant:
    """How one tenant stands with an app in one environment."""

    tenant: str
    tenant_name: str | None
    environment: str
    status: str
    version: int | None
    latest_version: int | None
    lag: str | None  # the class of a connected tenant; null: not judged, or not connected
    missing: Sequence[str]
    superfluous: Sequence[str]
    since: datetime | None  # since when it is blocked, or grants too much
    alert_id: int | None
    alert: str | None  # pending | firing
    severity: str | None
    reminders_sent: int
    last_reminder_at: datetime | None
    next_reminder_at: datetime | None
    held_reason: str | None  # why the next reminder waits


_TENANT = [one.name for one in fields(Tenant)]


class Meant(BaseModel):
    """Which tenants of an app are meant, and which come first."""

    lag: Class | None = Field(None, alias="class", description="Connected, and of this class.")
    status: Status | None = Field(None, description="`not_connected`: also those whose approval is awaited.")
    version: int | None = Field(None, ge=1, le=2**31 - 1)
    missing: Words = Field(None, description="Connected, and known not to grant this scope.")
    environment: Environment = "production"
    q: Words = Field(None, description="Letters of its name or id, in any case; one or two begin a word of it.")
    sort: Sort = Field("since", description="By name, or the longest blocked first.")


def app_tenants(caller: Viewer, session: Reading, app: AppKey, meant: Annotated[Meant, Query()]) -> Listing[Tenant]:
    """Who has the app: version, class, what is missing and since when, alert and reminders."""
    require(caller, session, app)
    wanted = Wanted(
        environment=meant.environment,
        status=meant.status,
        lag=meant.lag,
        version=meant.version,
        missing=meant.missing,
        letters=meant.q,
    )

    def fetch(session: Session, after: Any, most: int) -> Sequence[tuple[Place, Tenant]]:
        found = tenants_of(session, app, wanted, sort=meant.sort, after=after, most=most)
        return [(one.place, Tenant(**{name: getattr(one, name) for name in _TENANT})) for one in found]

    return Listing("tenants", fetch, PLACES[meant.sort], order=meant.sort)


@dataclass(frozen=True, slots=True)
class Ready:
    """How many connected tenants grant one scope; *share* is of the connected, null when nobody is."""

    scope: str
    connected: int
    granted: int
    unknown: int  # nobody knows what they grant
    share: float | None


def app_readiness(
    caller: Viewer,
    session: Reading,
    app: AppKey,
    scope: Annotated[Words, Query(description="This one, whoever asks for it; else all of the latest version.")] = None,
    environment: Environment = "production",
) -> Listing[Ready]:
    """For each scope that the app asks for, how many tenants grant it; who does not, is `tenants?missing=`."""
    require(caller, session, app)

    def found(session: Session) -> list[Ready]:
        rows = readiness(session, app, environment=environment, scope=scope)
        return [Ready(one.scope, one.connected, one.granted, one.unknown, one.share) for one in rows]

    return few("readiness", found, lambda one: (one.scope,), kinds=(str,))


def require(caller: Caller, session: Session, app: str) -> None:
    """Refuse what there is not, and what the caller does not see, in the same words; raises RefusedError."""
    if not caller.sees(app) or not is_app(session, app):
        raise RefusedError(404, "There is no such app.")


add_list(router, "/apps", apps, row=AppOverview)
add_list(router, "/apps/{app:path}/versions", app_versions, row=Version)
add_list(router, "/apps/{app:path}/tenants", app_tenants, row=Tenant)
add_list(router, "/apps/{app:path}/readiness", app_readiness, row=Ready)
# After all that is asked of one, for its id may have slashes in it.
by_key.get("/apps/{app:path}", response_model=AppOverview)(one_app)
