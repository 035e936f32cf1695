"""`uptake plan` and `uptake impact`: what a tick would do now, and what a release would ask of whom."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import typer
from sqlalchemy import text

from config.settings import SettingsError
from models import Session, db_now
from models.queries.impact import Asked, Pace, asked, pace
from models.verdicts import history_of
from tasks.plan import Plan, Quiet, planned
from uptake.scopes import canonical, parse
from worker.cli.answers import App, OneApp, require_app, warned
from worker.cli.output import Json, as_json, console, table
from worker.lifecycle import open_database

_FEW = 3  # tenants that are named for each reason

_APPS = text("""
SELECT a.id, s.name || ':' || a.external_id AS app FROM app a JOIN source s ON s.id = a.source_id
WHERE s.enabled AND a.deleted_at IS NULL
  AND (cast(:app AS text) IS NULL OR s.name || ':' || a.external_id = :app)
ORDER BY s.name, a.name, a.id
""")


@dataclass(frozen=True, slots=True)
class AppPlan:
    """The plan of one app."""

    app: str
    plan: Plan


def plan(app: OneApp = None, *, json: Json = False) -> None:
    """Who would be alerted, told and reminded now by uptake.toml as it is, and who not and why; nothing is sent."""
    open_database()
    with Session() as session:
        require_app(session, app)
        apps = session.execute(_APPS, {"app": app}).all()
        warned(session, now=db_now(session), app=app)
    found = [AppPlan(row.app, one) for row in apps if (one := planned(row.id)) is not None]
    if json:
        as_json(found)
        return
    _alerts(found)
    _messages(found)
    _reminders(found)
    _quiet(found)


def impact(
    app: App,
    *,
    scopes: Annotated[
        list[str], typer.Option(help="A scope that the next version would add, such as tn.jpm.jobs:w; repeat it.")
    ],
    without: Annotated[list[str] | None, typer.Option(help="A scope that it would give up; repeat it.")] = None,
    json: Json = False,
) -> None:
    """Before a release: which tenants would have to accept it, how long they took before, and who never did."""
    added = [_scope(one) for given in scopes for one in given.split(",")]
    dropped = [_scope(one) for given in without or () for one in given.split(",")]
    open_database()
    with Session() as session:
        require_app(session, app)
        app_id = session.execute(_APPS, {"app": app}).scalar()
        history = history_of(session, app_id) if app_id else ()
        present = history[-1].grants if history else frozenset()
        if strangers := sorted(set(dropped) - present):
            raise SettingsError(f"{app} does not want {', '.join(strangers)} now, so it cannot give that up.")
        wanted = canonical(present - set(dropped) | set(added))
        found = asked(session, app_id, wanted) if app_id else []
        before = pace(session, app_id) if app_id else None
    if json:
        as_json({"app": app, "scopes": wanted, "asked": found, "pace": before})
        return
    _asked(f"A version of {app} with {', '.join(added)}", found)
    _pace(before)


def _asked(title: str, found: Sequence[Asked]) -> None:
    rows = [
        (
            one.environment,
            one.connected,
            one.asked,
            one.already,
            f"{one.never_count}: {', '.join(one.never)}" if one.never else 0,
        )
        for one in found
    ]
    columns = ("Environment", "Connected", "Would have to accept", "Lag today already", "Never accepted anything")
    table(title, columns, rows, empty="No tenant is connected.")


def _pace(before: Pace | None) -> None:
    if before and before.accepted:
        took = ", ".join(
            f"{share} % within {_days(span)}"
            for share, span in ((50, before.p50), (90, before.p90), (95, before.p95))
            if span is not None
        )
        console.print(f"Of {before.accepted} acceptances so far: {took} of the release.", highlight=False)
    else:
        console.print("No tenant was ever seen to accept a version, so nobody knows how long that takes.")


def _scope(text: str) -> str:
    try:
        parse(text.strip())
    except ValueError as error:
        raise SettingsError(f"{error}.") from None
    return text.strip()


def _days(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"


def _alerts(found: Sequence[AppPlan]) -> None:
    rows = [
        (
            one.app,
            _named(step.tenant, step.tenant_name),
            _plain(step.kind),
            step.step,
            step.severity,
            _plain(step.reason),
        )
        for one in found
        for step in one.plan.steps
    ]
    columns = ("App", "Tenant", "Kind", "Step", "Severity", "Reason")
    table("Alerts", columns, rows, empty="No alert would begin, change or end.")


def _messages(found: Sequence[AppPlan]) -> None:
    rows = [
        (
            f"{one.at:%Y-%m-%d %H:%M:%S}",
            one.receiver,
            one.to,
            app.app,
            _plain(one.kind or ""),
            _plain(one.reason),
            one.firing,
        )
        for app in found
        for one in app.plan.messages
    ]
    columns = ("When (UTC)", "Receiver", "To", "App", "Kind", "Reason", "Alerts")
    table("Messages to operators", columns, rows, empty="No operator would be told anything.")


def _reminders(found: Sequence[AppPlan]) -> None:
    rows: list[tuple[object, ...]] = [
        (app.app, _named(one.tenant, one.tenant_name), one.receiver, one.to, "goes out")
        for app in found
        for one in app.plan.reminders
    ]
    rows += [
        (app.app, _named(one.tenant, one.tenant_name), None, None, f"held: {_plain(one.reason)}")
        for app in found
        for one in app.plan.held
    ]
    columns = ("App", "Tenant", "By", "To", "What")
    table("Reminders", columns, rows, empty="No reminder is due.")


def _quiet(found: Sequence[AppPlan]) -> None:
    rows = []
    for app in found:
        reasons = Counter((one.reason, one.by) for one in app.plan.quiet)
        for (reason, by), count in sorted(reasons.items()):
            own = [one for one in app.plan.quiet if (one.reason, one.by) == (reason, by)]
            fires = min((one.fires_at for one in own if one.fires_at), default=None)
            rows.append((app.app, _plain(reason), count, _few(own), f"{fires:%Y-%m-%d %H:%M}" if fires else None, by))
    columns = ("App", "Why", "Tenants", "Who", "First alert (UTC)", "By")
    table("Who lags and has no alert", columns, rows, empty="Whoever lags has an alert.")


def _few(tenants: Sequence[Quiet]) -> str:
    named = ", ".join(_named(one.tenant, one.tenant_name) or "" for one in tenants[:_FEW])
    return f"{named} and {len(tenants) - _FEW} more" if len(tenants) > _FEW else named


def _named(tenant: str | None, name: str | None) -> str | None:
    return f"{name} ({tenant})" if name else tenant


def _plain(word: str) -> str:
    return word.replace("_", " ")
