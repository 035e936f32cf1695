"""`uptake backtest`: what another policy would have raised and sent, beside what was."""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from config.policy_file import load_file
from models import Session
from models.queries.sent import Message, Step
from tasks.attention import SLACK
from tasks.backtest import Backtest, Happened, backtested
from tasks.rules import rules, written
from worker.cli.answers import require_app
from worker.cli.output import Json, as_json, console, table
from worker.lifecycle import open_database


@dataclass(frozen=True, slots=True)
class Counted:
    """How many of these there were really, and how many by the policy."""

    app: str
    what: str
    really: int
    by_policy: int


@dataclass(frozen=True, slots=True)
class TenantDiffers:
    """A tenant of an app to whom another thing would have happened."""

    app: str
    tenant: str
    tenant_name: str | None
    first_alert_really: datetime | None
    first_alert_by_policy: datetime | None
    reminders_really: int
    reminders_by_policy: int


def backtest(
    policy: Annotated[
        Path | None, typer.Argument(help="A rules file; left out: the one that commands use here.")
    ] = None,
    *,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="Compare from here on (UTC).")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="And until here (UTC).")
    ] = None,
    app: Annotated[str | None, typer.Option(metavar="SOURCE:ID", help="Show this app only.")] = None,
    json: Json = False,
) -> None:
    """What another policy would have raised and sent over all that is recorded, beside what was; nothing is written."""
    chosen = written(load_file(policy, required=True)) if policy else rules()
    open_database()
    with Session() as session:
        require_app(session, app)
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("Living through the past", total=1.0)
        found = backtested(
            chosen,
            since=_utc(since),
            until=_utc(until),
            progress=lambda share: bar.update(task, completed=share),
        )
    really, by_policy = _of(found.really, app), _of(found.by_policy, app)
    found = replace(found, really=really, by_policy=by_policy)
    # A message about several apps is told whole, and counted for the one that is asked for.
    counted = [one for one in _counted(really, by_policy) if app in {None, one.app}]
    tenants = [one for one in _tenants(really, by_policy) if app in {None, one.app}]
    if json:
        as_json(
            {
                "since": found.since,
                "until": found.until,
                "counts": counted,
                "tenants": tenants,
                "really": really,
                "by_policy": by_policy,
            }
        )
        return
    _print(found, counted, tenants)


def _utc(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at else None


def _of(happened: Happened, app: str | None) -> Happened:
    """What was about *app*, or all of it."""
    if app is None:
        return happened
    return Happened(
        [step for step in happened.steps if step.app == app],
        [one for one in happened.messages if one.app == app or any(about.app == app for about in one.about)],
    )


def _counted(really: Happened, by_policy: Happened) -> Iterable[Counted]:
    """What there was or would have been, of each kind."""
    counts = [Counter(_kinds(one)) for one in (really, by_policy)]
    for app, what in sorted(counts[0].keys() | counts[1].keys()):
        yield Counted(app, what, counts[0][app, what], counts[1][app, what])


def _kinds(happened: Happened) -> Iterable[tuple[str, str]]:
    for step in happened.steps:
        if step.step in {"firing", "escalated"}:
            yield step.app, f"alerts: {_plain(step.kind)}, {step.severity}"
    for message in happened.messages:
        if message.kind != "reminder":
            yield message.app or "", f"messages to operators: {message.receiver}"
        for app in sorted({about.app for about in message.about}):
            yield app, f"reminders: {message.receiver}"


def _tenants(really: Happened, by_policy: Happened) -> Iterable[TenantDiffers]:
    """To whom something else would have happened."""
    alerts = [_first_alerts(one.steps) for one in (really, by_policy)]
    reminders = [_reminders(one.messages) for one in (really, by_policy)]
    names = {(step.app, step.tenant): step.tenant_name for one in (really, by_policy) for step in one.steps}
    for key in sorted(alerts[0].keys() | alerts[1].keys() | reminders[0].keys() | reminders[1].keys()):
        first, then = (one.get(key) for one in alerts)
        is_same = first == then or bool(first and then and abs(first - then) <= SLACK)
        if not is_same or reminders[0][key] != reminders[1][key]:
            yield TenantDiffers(*key, names.get(key), first, then, reminders[0][key], reminders[1][key])


def _first_alerts(steps: Sequence[Step]) -> dict[tuple[str, str], datetime]:
    found: dict[tuple[str, str], datetime] = {}
    for step in steps:
        if step.tenant is not None and step.step == "firing":
            found.setdefault((step.app, step.tenant), step.at)
    return found


def _reminders(messages: Sequence[Message]) -> Counter[tuple[str, str]]:
    return Counter((about.app, about.tenant) for message in messages for about in message.about)


def _print(found: Backtest, counted: Sequence[Counted], tenants: Sequence[TenantDiffers]) -> None:
    span = f"{found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC"
    columns = ("App", "What", "Really", "By the policy")
    rows = [(one.app, one.what, one.really, one.by_policy) for one in counted]
    table(f"From {span}", columns, rows, empty=f"From {span} nobody was told anything, nor would have been.")
    changes = [
        (
            one.app,
            f"{one.tenant_name} ({one.tenant})" if one.tenant_name else one.tenant,
            _first(one.first_alert_really, one.first_alert_by_policy),
            _more(one.reminders_really, one.reminders_by_policy),
        )
        for one in tenants
    ]
    if changes:
        table("Tenants for whom it differs", ("App", "Tenant", "First alert", "Reminders"), changes, empty="")
    elif found.is_same:
        console.print("Every alert and every message is the same.", highlight=False)
    else:
        console.print("Nothing differs for any tenant.", highlight=False)


def _first(really: datetime | None, by_policy: datetime | None) -> str:
    """The first alert of a tenant, and where the other is to it."""
    if really is None and by_policy is None:
        return ""
    if by_policy is None:
        return f"never (really {really:%Y-%m-%d %H:%M})"
    if really is None:
        return f"{by_policy:%Y-%m-%d %H:%M} (really never)"
    if abs(by_policy - really) <= SLACK:
        return "the same"
    return (
        f"{by_policy:%Y-%m-%d %H:%M}, {_span(abs(by_policy - really))} {'earlier' if by_policy < really else 'later'}"
    )


def _more(really: int, by_policy: int) -> str:
    if really == by_policy:
        return str(really)
    return f"{by_policy}, {abs(by_policy - really)} {'more' if by_policy > really else 'fewer'}"


def _span(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"


def _plain(word: str) -> str:
    return word.replace("_", " ")
