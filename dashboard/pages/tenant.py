"""One tenant: what is blocked, how it stands with every app, whom to write to, and all that happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, cast, get_args

from fastapi import APIRouter, Query
from fastapi.responses import Response

from config.settings import SettingsError
from dashboard.api.tenants import About, tenant_timeline
from dashboard.chosen import features
from dashboard.frame import Frame, Looking
from dashboard.happenings import days
from dashboard.stories import told_of
from models.queries.tenant_apps import AppOf, TenantProfile, apps_of, contacts, profile
from models.queries.tenant_names import tenants_named
from tasks.rules import rules
from uptake.policies import Who

router = APIRouter()
SHOWN = 60
KINDS: tuple[tuple[About, str], ...] = (
    ("versions", "Versions and connections"),
    ("alerts", "Alerts"),
    ("reminders", "Reminders"),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the tenant stands with one app, and where its admin accepts."""

    app: AppOf
    accept_url: str | None


@router.get("/tenants/{tenant:path}")
def one_tenant(
    frame: Looking,
    tenant: str,
    app: Annotated[str, Query(max_length=300)] = "",
    about: Annotated[str, Query(max_length=20)] = "",
    after: Annotated[str | None, Query(max_length=1000)] = None,
) -> Response:
    """Everything about one tenant."""
    # No text of PostgreSQL holds a NUL, so none is called so.
    tenant, app = (value.replace("\0", "\N{REPLACEMENT CHARACTER}") for value in (tenant, app))
    session = frame.session
    found = tenants_named(session, tenant, sources=frame.caller.sources)
    if len(found) != 1:
        return _which(frame, tenant, [one.key for one in found])
    who = profile(session, found[0].tenant_id)
    apps = apps_of(session, who.tenant_id, features=features())
    of_app = next((one for one in apps if one.app == app), None)
    kind = cast("About", about) if about in get_args(About) else None
    timeline = tenant_timeline(
        frame.caller, session, who.key, app=of_app.app if of_app else None, about=kind, order="newest"
    ).page(session, after, SHOWN)
    return frame.page(
        "tenant.html",
        title=who.tenant_name or who.tenant,
        place="/tenants",
        who=who,
        standings=[Standing(one, _accept_url(who, one)) for one in apps],
        as_of=min((one.as_of for one in apps if one.as_of and one.app_deleted_at is None), default=None),
        firing=sum(alert.state == "firing" for one in apps for alert in one.alerts),
        contacts=contacts(session, who.tenant_id) if frame.may_act else None,
        names={one.app: one.app_name for one in apps},
        of_app=of_app,
        story=told_of(frame, of_app.app, who.tenant) if of_app else None,
        about=kind,
        kinds=KINDS,
        days=days(frame.caller, session, timeline.data),
        more=timeline.next,
        is_first=after is None,
    )


def _which(frame: Frame, tenant: str, keys: Sequence[str]) -> Response:
    """Nobody is called so, or there are several."""
    if not keys:
        return frame.missing(tenant, title="No such tenant", place="/tenants")
    return frame.page("which.html", title="Which tenant?", place="/tenants", keys=keys, tenant=tenant)


def _accept_url(who: TenantProfile, app: AppOf) -> str | None:
    """The page where the tenant's admin accepts the app's latest version, where there is something to accept."""
    if app.lag not in {"blocking", "trimming"} or app.app_deleted_at is not None:
        return None
    source, _, external_id = app.app.partition(":")
    try:
        return rules().accept_page(
            Who(source=source, app=external_id, environment=app.environment, tenant=who.tenant, labels=who.labels)
        )
    except SettingsError:
        return None
