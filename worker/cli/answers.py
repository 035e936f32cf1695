"""The questions that the command line answers, each one query away."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer
from sqlalchemy.orm import Session as OrmSession

from config.settings import SettingsError
from models import Session, db_now
from models.queries.alert_lists import AlertLine, WantedAlerts, alerts_after
from models.queries.apps import AppOverview, has_apps, is_app, overview
from models.queries.apps import laggards as laggard_rows
from models.queries.sources import sources
from models.queries.tenants import Story, is_tenant, notices, story
from models.queries.tenants import timeline as timeline_rows
from models.stopped import stopped
from models.verdicts import history_of
from tasks.hearing import Hearing, hearing
from tasks.rules import Rules, rules
from tasks.story import blocked_by, happened, told
from uptake.wording import percent, roughly
from worker.cli.output import Json, as_json, console, table
from worker.lifecycle import open_database

App = Annotated[str, typer.Argument(help="An app as source:id, such as acme:4711.")]
OneApp = Annotated[str | None, typer.Argument(help="An app as source:id; left out: all apps.")]
MOST = 1000  # alerts that are listed


def status(*, json: Json = False) -> None:
    """Every app: who runs the latest version, who lags, and how old the data are."""
    open_database()
    with Session() as session:
        apps, now = overview(session), db_now(session)
        is_old = warned(session, now=now)
    if json:
        as_json(apps)
        return
    columns = (
        "App",
        "Name",
        "Latest",
        "Connected",
        "Current",
        "Blocking",
        "Trimming",
        "Adoption",
        "Alerts",
        "As of",
    )
    rows = [
        (
            app.app,
            app.name,
            app.latest_version,
            app.connected,
            app.current,
            app.blocking,
            app.trimming,
            "" if app.adoption is None else percent(app.adoption),
            app.open_alerts or "",
            _as_of(app, now=now),
        )
        for app in apps
    ]
    table("Apps (production)", columns, rows, empty=_no_apps(is_old=is_old))
    if is_old and not apps:
        raise typer.Exit(1)


def laggards(app: OneApp = None, *, json: Json = False) -> None:
    """Tenants that lack scopes of the latest version, or still grant withdrawn ones."""
    open_database()
    with Session() as session:
        require_app(session, app)
        found, now = laggard_rows(session, app=app), db_now(session)
        is_old, is_known = warned(session, now=now, app=app), has_apps(session)
    if json:
        as_json(found)
        return
    rows = [
        (
            lag.app,
            lag.tenant,
            lag.tenant_name,
            f"{lag.version} of {lag.latest_version}",
            lag.lag,
            ", ".join(lag.missing) or f"none; has too many: {', '.join(lag.superfluous)}",
            _days(now, lag.since),
            lag.severity or lag.alert,
            lag.reminders_sent or "",
        )
        for lag in found
    ]
    columns = ("App", "Tenant id", "Tenant", "Version", "Class", "Missing scopes", "Since", "Alert", "Reminders")
    table("Laggards", columns, rows, empty="Nobody lags." if is_known else _no_apps(is_old=is_old))
    if is_old and not is_known:
        raise typer.Exit(1)


def timeline(tenant: Annotated[str, typer.Argument(help="A tenant's id.")], *, json: Json = False) -> None:
    """Everything that happened to one tenant, in order."""
    open_database()
    with Session() as session:
        entries = timeline_rows(session, tenant)
        warned(session, now=db_now(session))
    if not entries:
        raise SettingsError(no_tenant(tenant))
    if json:
        as_json(entries)
        return
    rows = [(f"{entry.at:%Y-%m-%d %H:%M}", entry.app_name, entry.type, happened(entry)) for entry in entries]
    table(f"Tenant {tenant}", ("When (UTC)", "App", "What", "Details"), rows, empty="")


def explain(app: App, tenant: Annotated[str, typer.Argument(help="A tenant's id.")], *, json: Json = False) -> None:
    """The whole story of one tenant and one app, and what comes next."""
    open_database()
    chosen = rules()
    with Session() as session:
        stories, sent, now = story_of(session, app, tenant), notices(session, app, tenant), db_now(session)
        warned(session, now=now, app=app)
        history = history_of(session, stories[0].app_id) if stories else ()
        unusable = stopped(session)
    hearings = [hearing(one, chosen.policies, unusable, now=now) for one in stories]
    if json:
        as_json([_explained(*pair, chosen) for pair in zip(stories, hearings, strict=True)])
    else:
        for one, heard in zip(stories, hearings, strict=True):
            said = told(one, sent, history, chosen.policies, chosen.features, heard, now=now)
            console.print("\n".join(said), markup=False, highlight=False)
    if not stories:
        raise typer.Exit(1)


def _explained(story: Story, heard: Hearing, chosen: Rules) -> dict[str, object]:
    own = {"blocked": blocked_by(story, chosen.features).names, "muted": heard.muted, "unusable": heard.unusable}
    return asdict(story) | own


def alerts(app: OneApp = None, *, json: Json = False) -> None:
    """Open alerts, the most severe first."""
    open_database()
    with Session() as session:
        require_app(session, app)
        now = db_now(session)
        mutes = rules().policies.mutes
        found = [one for _, one in alerts_after(session, WantedAlerts(app=app), now=now, mutes=mutes, most=MOST)]
        warned(session, now=now, app=app)
    if json:
        as_json(found)
        return
    rows = [
        (
            row.id,
            row.severity,
            _plain(row.kind),
            row.app or f"source {row.source}",
            row.tenant,
            row.tenant_name,
            _days(now, row.since),
            row.about,
            _quiet(row),
        )
        for row in found
    ]
    columns = ("Id", "Severity", "Kind", "App", "Tenant id", "Tenant", "Since", "What", "Not told of")
    table("Alerts", columns, rows, empty="No alert is open.")


def _quiet(row: AlertLine) -> str | None:
    """Why nobody is told of it now, by whom and until when."""
    if row.quiet is None:
        return None
    who = {"acknowledged": row.acknowledged_by, "snoozed": row.snoozed_by}.get(row.quiet)
    until = f" until {row.quiet_until:%Y-%m-%d %H:%M} UTC" if row.quiet_until and row.quiet != "inhibited" else ""
    return f"{row.quiet}{f' by {who}' if who else ''}{until}"


def story_of(session: OrmSession, app: str, tenant: str) -> list[Story]:
    """How the tenant stands with the app, by environment; names that nobody has are refused, and strangers told of."""
    require_app(session, app)
    if not is_tenant(session, tenant):
        raise SettingsError(no_tenant(tenant))
    found = story(session, app, tenant, now=db_now(session))
    if not found:
        typer.echo(f"{tenant} and {app} have never met: the portal lists no such connection.", err=True)
    return found


def require_app(session: OrmSession, app: str | None) -> None:
    """Refuse a name that no app has: an empty answer would be taken for a good one."""
    if app is not None and not is_app(session, app):
        raise SettingsError(f"No app is called {app}: `uptake status` lists them.")


def no_tenant(tenant: str) -> str:
    """That nobody is called so, and what to do."""
    return f"No tenant is called {tenant}: `uptake laggards` lists those that lag, with their ids."


def _no_apps(*, is_old: bool) -> str:
    if is_old:
        return "No list of apps has been read so far. Mend that, start the worker again, and `uptake poll` reads it."
    if rules().sources:
        return "No list of apps has been read so far: is a worker running? `uptake poll` reads it now."
    return "No apps: add a [[source]] to uptake.toml."


def warned(session: OrmSession, *, now: datetime, app: str | None = None) -> bool:
    """Say of each source (or that of *app*) that does not answer that what is known of it is old; whether any is so."""
    silent = [row for row in sources(session) if row.error and (app is None or app.startswith(f"{row.source}:"))]
    for row in silent:
        age = f" What is known of it is {roughly(now - row.listed_at)} old." if row.listed_at else ""
        # Not among the answers, which programs may read.
        typer.echo(f"Source {row.source} cannot be read: {row.error}.{age}", err=True)
    return bool(silent)


def _as_of(app: AppOverview, *, now: datetime) -> str:
    """How old what we know of the app is, and what became of its last poll where that was not well."""
    known = f"{roughly(now - app.last_complete_poll_at)} ago" if app.last_complete_poll_at else "never"
    last = app.last_poll
    if last is None or (last.outcome == "complete" and last.reason is None):
        return known
    return f"{known}; last poll {last.outcome}" + (f": {last.reason}" if last.reason else "")


def _plain(reason: str) -> str:
    return reason.replace("_", " ")


def _days(now: datetime, since: datetime | None) -> str:
    return f"{(now - since).days} d" if since else ""
