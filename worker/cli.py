"""The command `uptake`: every answer for people or as JSON; errors are one sentence and exit code 2."""

import sys
from datetime import datetime
from typing import Annotated

import typer
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, ProgrammingError

from config.settings import SettingsError, settings
from models import Session, db_now
from models.base import engine_for
from models.migrations import pending, upgrade
from models.queries.alerts import alerts as alert_rows
from models.queries.apps import laggards as laggard_rows
from models.queries.apps import overview
from models.queries.tenants import notices, story
from models.queries.tenants import timeline as timeline_rows
from tasks import evaluate
from tasks import poll as polling
from tasks.rules import rules
from worker.addresses import database_url
from worker.embedded import SetupError
from worker.explain import told
from worker.lifecycle import adopt_sources, configure_logs
from worker.output import as_json, console, table

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Which tenant runs which version of your apps.")
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
App = Annotated[str, typer.Argument(help="An app as source:id, such as acme:4711.")]
OneApp = Annotated[str | None, typer.Argument(help="An app as source:id; left out: all apps.")]


def main() -> None:
    """Run the command; whatever goes wrong for a known reason is one sentence on standard error."""
    try:
        cli(standalone_mode=True)
    except (SettingsError, SetupError) as error:
        _refuse(str(error))
    except OperationalError as error:
        cause = str(error.orig).strip().splitlines()
        _refuse(f"The database cannot be reached: {cause[0] if cause else 'no answer'}. Is it running at DATABASE_URL?")
    except ProgrammingError as error:
        if "UndefinedTable" not in type(error.orig).__name__:
            raise
        _refuse("The database has no schema of ours yet: run `uptake migrate` first.")


def _refuse(sentence: str) -> None:
    sys.stderr.write(f"uptake: {sentence}\n")
    sys.exit(2)


def _connect() -> None:
    Session.configure(bind=engine_for(database_url()))


@cli.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    dsn = database_url()
    behind = pending(dsn)
    upgrade(dsn)
    console.print("The schema is up to date." if not behind else "Migrated the schema.")


@cli.command()
def check() -> None:
    """Check the environment and uptake.toml."""
    found = rules()
    console.print(
        f"{settings().config}: {len(found.sources)} sources, {len(found.receivers)} receivers. Everything is in order."
    )


@cli.command()
def status(*, json: Json = False) -> None:
    """Every app: who runs the latest version, who lags, and how old the data are."""
    _connect()
    with Session() as session:
        apps, now = overview(session), db_now(session)
    if json:
        as_json(apps)
        return
    columns = ("App", "Name", "Latest", "Connected", "Current", "Blocking", "Adoption", "Alerts", "Last poll")
    rows = [
        (
            app.app,
            app.name,
            app.latest_version,
            app.connected,
            app.current,
            app.blocking,
            "" if app.adoption is None else f"{app.adoption:.0%}",
            app.open_alerts or "",
            _poll(app.last_poll.outcome, app.last_poll.reason, now - app.last_poll.at) if app.last_poll else "never",
        )
        for app in apps
    ]
    table("Apps (production)", columns, rows, empty="No apps yet: add a [[source]] to uptake.toml.")


@cli.command()
def laggards(app: OneApp = None, *, json: Json = False) -> None:
    """Tenants that lack scopes of the latest version, or still grant withdrawn ones."""
    _connect()
    with Session() as session:
        found, now = laggard_rows(session, app=app), db_now(session)
    if json:
        as_json(found)
        return
    rows = [
        (
            lag.app_name,
            lag.tenant_name or lag.tenant,
            lag.tenant,
            f"{lag.version} of {lag.latest_version}",
            lag.lag,
            ", ".join(lag.missing or lag.superfluous),
            _days(now, lag.since),
            lag.severity or lag.alert,
            lag.reminders_sent or "",
        )
        for lag in found
    ]
    columns = ("App", "Tenant", "Id", "Version", "Class", "Scopes", "Since", "Alert", "Reminders")
    table("Laggards", columns, rows, empty="Nobody lags.")


@cli.command()
def timeline(tenant: Annotated[str, typer.Argument(help="A tenant's id.")], *, json: Json = False) -> None:
    """Everything that happened to one tenant, in order."""
    _connect()
    with Session() as session:
        entries = timeline_rows(session, tenant)
    if json:
        as_json(entries)
        return
    hidden = {"environment", "epoch"}
    rows = [
        (
            f"{entry.at:%Y-%m-%d %H:%M}",
            entry.app_name,
            entry.type,
            ", ".join(f"{key} {value}" for key, value in entry.data.items() if key not in hidden),
        )
        for entry in entries
    ]
    table(f"Tenant {tenant}", ("When (UTC)", "App", "What", "Details"), rows, empty=f"Nothing is known of {tenant}.")


@cli.command()
def explain(app: App, tenant: Annotated[str, typer.Argument(help="A tenant's id.")], *, json: Json = False) -> None:
    """The whole story of one tenant and one app, and what comes next."""
    _connect()
    with Session() as session:
        stories, sent, now = story(session, app, tenant), notices(session, app, tenant), db_now(session)
    if json:
        as_json(stories)
    elif not stories:
        console.print(f"{tenant} and {app} have never met: the portal lists no such connection.", markup=False)
    else:
        for one in stories:
            console.print("\n".join(told(one, sent, rules().policy, now=now)), markup=False, highlight=False)
    if not stories:
        raise typer.Exit(1)


@cli.command()
def alerts(app: OneApp = None, *, json: Json = False) -> None:
    """Open alerts, the most severe first."""
    _connect()
    with Session() as session:
        found, now = alert_rows(session, app=app), db_now(session)
    if json:
        as_json(found)
        return
    rows = [
        (row.severity, row.kind, row.app_name, row.tenant_name or row.tenant, _days(now, row.since), row.reason)
        for row in found
    ]
    table("Alerts", ("Severity", "Kind", "App", "Tenant", "Since", "Reason"), rows, empty="No alert is open.")


@cli.command()
def poll(
    app: OneApp = None,
    *,
    accept_disappearance: Annotated[
        bool, typer.Option(help="Believe a listing from which most tenants are missing.")
    ] = False,
) -> None:
    """Poll now: the list of apps and every app, or one app."""
    configure_logs()
    _connect()
    adopt_sources()
    with Session() as session:
        sources = session.scalars(text("SELECT id FROM source WHERE enabled")).all()
    if app is None:
        for source in sources:
            polling.list_apps(source, forced=True)
    for app_id, name in _apps(app):
        recorded = polling.poll(app_id, forced=True, believe_absence=accept_disappearance)
        said = (
            "not read, see `uptake status`" if recorded is None else f"{recorded.outcome}, {recorded.changed} changed"
        )
        console.print(f"{name}: {said}", markup=False, highlight=False)
    for app_id in evaluate.due_apps():
        evaluate.evaluate_now(app_id)


def _apps(app: str | None) -> list[tuple[int, str]]:
    query = text("""
        SELECT a.id, s.name || ':' || a.external_id AS app FROM app a JOIN source s ON s.id = a.source_id
        WHERE a.deleted_at IS NULL AND (cast(:app AS text) IS NULL OR s.name || ':' || a.external_id = :app)
    """)
    with Session() as session:
        found = [(row.id, row.app) for row in session.execute(query, {"app": app})]
    if app and not found:
        raise SettingsError(f"No app is called {app}: `uptake status` lists them.")
    return found


def _poll(outcome: str, reason: str | None, age: object) -> str:
    return f"{str(age).partition('.')[0]} ago, {outcome}" + (f": {reason}" if reason else "")


def _days(now: datetime, since: datetime | None) -> str:
    return f"{(now - since).days} d" if since else ""


if __name__ == "__main__":
    main()
