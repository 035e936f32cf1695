"""The commands that set Uptake up, look after it, and poll at once."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from config.file_doubts import doubts
from config.policy_file import load_file
from config.settings import SettingsError, settings
from models import Session, db_now
from models.migrations import pending, upgrade
from models.queries.apps import overview
from models.queries.sources import sources
from models.stopped import resume, stopped
from tasks import evaluate
from tasks import poll as polling
from tasks.hearing import hearing, said
from tasks.rules import Rules, rules, written
from tasks.trying import try_out
from uptake.wording import moment
from worker.addresses import database_url
from worker.cli.answers import OneApp, require_app, story_of
from worker.cli.output import Json, as_json, console, table
from worker.doctor import CHECKS, examined
from worker.lifecycle import adopt_sources, configure_logs, open_database


def migrate(*, json: Json = False) -> None:
    """Bring the database's schema up to date."""
    dsn = database_url()
    behind = pending(dsn)
    upgrade(dsn)
    if json:
        as_json({"migrated": behind})
    else:
        console.print("The schema is now up to date." if behind else "The schema was up to date.")


def check(
    file: Annotated[Path | None, typer.Argument(help="A rules file; left out: the one that commands use here.")] = None,
    *,
    test: Annotated[
        str | None,
        typer.Option(metavar="RECEIVER", help="Send this receiver a test message; exit code 1 when it refuses."),
    ] = None,
    routes: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="APP TENANT", help="Say who would hear of this tenant's lag, and by which rule."),
    ] = None,
    json: Json = False,
) -> None:
    """Check the environment and uptake.toml, without starting anything; exit code 1 while there is no uptake.toml."""
    found = written(load_file(file, required=True)) if file else rules()
    file = file or settings().config
    if routes:
        _routes(found, *routes, json=json)
        return
    if test:
        _test(found, test, json=json)
        return
    if wrong := [line for broken in found.templates.broken for line in broken.lines]:
        raise SettingsError("\n".join(wrong))
    _in_order(found, file, json=json)


def _in_order(found: Rules, file: Path, *, json: bool) -> None:
    """Say what the file holds, and what of it may not be meant; exit code 1 when there is none."""
    warnings = doubts(file, found.file)
    if json:
        as_json(
            {
                "file": str(file),
                "sources": sorted(found.sources),
                "receivers": sorted(found.receivers),
                "templates": sorted(found.templates.texts),
                "warnings": warnings,
            }
        )
        return
    if not file.exists():
        console.print(f"There is no {file}: copy docs/uptake.example.toml and say where your portal is.", markup=False)
        raise typer.Exit(1)
    names = ", ".join(found.sources) or "none, so nothing is polled"
    templates = f" Templates: {', '.join(sorted(found.templates.texts))}." if found.templates.texts else ""
    console.print(
        f"{file} is in order. Sources: {names}. Receivers: {', '.join(found.receivers)}.{templates}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    for one in warnings:
        # Not among the answers, which programs may read.
        typer.echo(f"warning: {one}", err=True)


def _routes(found: Rules, app: str, tenant: str, *, json: bool) -> None:
    """Who would hear of it; exit code 1 when the two have never met."""
    open_database()
    with Session() as session:
        stories, now, unusable = story_of(session, app, tenant), db_now(session), stopped(session)
    hearings = [hearing(story, found.policies, unusable, now=now) for story in stories]
    if json:
        as_json(hearings)
    for story, heard in () if json else zip(stories, hearings, strict=True):
        name = f"{story.tenant_name or story.tenant} and {story.app_name}"
        console.print("\n".join(said(name, heard)), markup=False, highlight=False, soft_wrap=True)
    if not stories:
        raise typer.Exit(1)


def _test(found: Rules, name: str, *, json: bool) -> None:
    """Send a message that says what it is; a refusal is exit code 1, with the reason."""
    if name not in found.receivers:
        raise SettingsError(f"there is no receiver {name}; there are: {', '.join(found.receivers)}.")
    if not (answers := try_out(found.receivers[name])):
        raise SettingsError(f"receiver {name} has no address of its own; give it to = [...], at least to try it.")
    if json:
        as_json(answers)
    else:
        rows = [("sent" if one.sent else "REFUSED", one.to or name, one.said) for one in answers]
        table(f"Test message to {name}", ("", "To", "Answer"), rows, empty="")
    if not all(one.sent for one in answers):
        raise typer.Exit(1)
    with suppress(SQLAlchemyError, SettingsError):
        # Where there is a database: what waits for a receiver that could not be used goes out.
        open_database()
        with Session.begin() as session:
            resume(session, name)


def doctor(
    checks: Annotated[list[str] | None, typer.Argument(help=f"Some of: {', '.join(CHECKS)}; left out: all.")] = None,
    *,
    json: Json = False,
) -> None:
    """Examine everything a running Uptake needs; exit code 1 when something is wrong."""
    if unknown := set(checks or ()) - CHECKS.keys():
        raise typer.BadParameter(f"no check is called {', '.join(sorted(unknown))}; there are: {', '.join(CHECKS)}")
    findings = examined(*(checks or CHECKS))
    if json:
        as_json(findings)
    else:
        rows = [("ok" if finding.ok else "WRONG", finding.check, finding.said) for finding in findings]
        table("What Uptake needs", ("", "Check", "Found"), rows, empty="")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def poll(
    app: OneApp = None,
    *,
    accept_disappearance: Annotated[
        bool, typer.Option(help="Believe a listing from which most tenants are missing.")
    ] = False,
    json: Json = False,
) -> None:
    """Poll now: the list of apps and every app, or one app; exit code 2 when the portal could not be read."""
    configure_logs()
    open_database()
    adopt_sources(others_rest=False)
    refused = [] if app else _listed()
    for app_id in _apps(app):
        # One that is asked for by name is tried in any case; of many, a portal that does not answer is asked for one.
        if app or not _rests(app_id):
            polling.poll(app_id, forced=True, believe_absence=accept_disappearance)
    for app_id in evaluate.due_apps():
        evaluate.evaluate_now(app_id)
    with Session() as session:
        found = overview(session, app=app)
    if json:
        as_json(found)
    else:
        # Where a source cannot be read, that is an earlier one.
        last = [(one.app, one.name, one.last_poll) for one in found if one.last_poll]
        rows = [(app, name, moment(poll.at), poll.outcome, poll.reason) for app, name, poll in last]
        table(
            "The last poll of each app",
            ("App", "Name", "When", "Outcome", "Reason"),
            rows,
            empty="No app is listed yet.",
        )
    refused += [
        f"{one.app}: {one.last_poll.reason}" for one in found if one.last_poll and one.last_poll.outcome == "failed"
    ]
    if refused:
        raise SettingsError("\n".join(refused))


def _listed() -> list[str]:
    """Read every source's list of apps; one sentence for each that could not be read."""
    with Session() as session:
        ids = session.scalars(text("SELECT id FROM source WHERE enabled")).all()
    for source in ids:
        polling.list_apps(source, forced=True)
    with Session() as session:
        return [f"source {row.source}: {row.error}" for row in sources(session) if row.error]


def _rests(app_id: int) -> bool:
    """Whether the app's source is to be left alone for a while."""
    query = text("""
        SELECT EXISTS (SELECT FROM app a JOIN source s ON s.id = a.source_id
                       WHERE a.id = :app AND s.circuit_open_until > clock_timestamp())
    """)
    with Session() as session:
        return bool(session.scalar(query, {"app": app_id}))


def _apps(app: str | None) -> list[int]:
    query = text("""
        SELECT a.id FROM app a JOIN source s ON s.id = a.source_id
        WHERE s.enabled AND a.deleted_at IS NULL
          AND (cast(:app AS text) IS NULL OR s.name || ':' || a.external_id = :app)
    """)
    with Session() as session:
        require_app(session, app)
        found = session.scalars(query, {"app": app}).all()
    if app and not found:
        raise SettingsError(f"{app} is not polled: it was deleted, or its source is no longer in uptake.toml.")
    return list(found)
