"""The commands by which somebody says that nobody need be told: acknowledge, snooze, silence."""

import getpass
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from sqlalchemy.orm import Session as OrmSession

from config.file_values import positive_duration
from config.settings import SettingsError
from models import Session, db_now
from models.audit import Actor, audited
from models.groups import arouse_all
from models.queries.silences import silences_after, silences_ahead
from models.quiet import Matchers, acknowledge, end_silence, silence, snooze, unhold
from tasks.rules import rules
from uptake.mutes import strange_kind
from uptake.policy import AlertKind
from worker.cli.output import Json, as_json, console, table
from worker.lifecycle import open_database

silence_cli = typer.Typer(no_args_is_help=True, help="Tell nobody of alerts that match, for a while.")

Alerts = Annotated[list[int], typer.Argument(metavar="ALERT...", help="Ids of alerts, as `uptake alerts` shows them.")]
By = Annotated[str, typer.Option("--by", default_factory=getpass.getuser, help="Who says so.")]
Comment = Annotated[str, typer.Option(help="Why, for whoever asks later.")]
Span = Annotated[
    timedelta, typer.Option("--for", parser=positive_duration, metavar="SPAN", help='How long, such as "3d".')
]
_Held = Callable[[OrmSession, datetime], Sequence[int]]


def acknowledge_(
    alerts: Alerts,
    *,
    by: By,
    comment: Comment = "",
    span: Annotated[
        timedelta | None,
        typer.Option("--for", parser=positive_duration, metavar="SPAN", help="Then tell of it again; left out: never."),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take acknowledgements and snoozes back.")] = False,
    json: Json = False,
) -> None:
    """Say that you look after alerts: no repeats, until they get more severe. That they are over is told."""

    def held(session: OrmSession, now: datetime) -> Sequence[int]:
        if undo:
            return unhold(session, alerts, author=by, now=now)
        until = now + span if span else None
        return acknowledge(session, alerts, author=by, comment=comment, until=until, now=now)

    if undo:
        _hold(alerts, held, "Taken back", by, json=json)
    else:
        _hold(alerts, held, "Acknowledged", by, span=span, comment=comment, json=json)


def snooze_(alerts: Alerts, *, by: By, span: Span, comment: Comment = "", json: Json = False) -> None:
    """Tell nobody of alerts for a while, however severe they get. That they are over is told."""

    def held(session: OrmSession, now: datetime) -> Sequence[int]:
        return snooze(session, alerts, author=by, comment=comment, until=now + span, now=now)

    _hold(alerts, held, "Snoozed", by, span=span, comment=comment, json=json)


def _hold(
    alerts: Sequence[int],
    held: _Held,
    done: str,
    by: str,
    *,
    span: timedelta | None = None,
    comment: str = "",
    json: bool,
) -> None:
    open_database()
    with Session.begin() as session:
        now = db_now(session)
        found = held(session, now)
        _tell_again(session, now=now)
        what, until = f"alert.{done.lower().replace(' ', '_')}", (now + span).isoformat() if span else None
        for one in sorted(found):
            more = {"alerts": [one], "until": until, "comment": comment or None}
            audited(session, Actor(by, "cli"), what, f"alert {one}", now=now, **more)
    if json:
        as_json(sorted(found))
    elif found:
        console.print(f"{done}: {', '.join(map(str, sorted(found)))}.", highlight=False)
    if strangers := sorted(set(alerts) - set(found)):
        raise SettingsError(
            f"No alert with id {', '.join(map(str, strangers))} fires: `uptake alerts` lists those that do."
        )


def _tell_again(session: OrmSession, *, now: datetime) -> None:
    arouse_all(session, rules().policies, now=now)


@silence_cli.command("add")
def add(  # noqa: PLR0913 - each is an option
    *,
    by: By,
    span: Span,
    comment: Annotated[str, typer.Option(help="Why, for whoever asks later.")],
    source: Annotated[str, typer.Option(help="Of sources with this name.")] = "*",
    app: Annotated[str, typer.Option(help="Of apps, as source:id.")] = "*",
    tenant: Annotated[str, typer.Option(help="Of tenants with this id.")] = "*",
    environment: Annotated[str, typer.Option(help="In this environment.")] = "*",
    kind: Annotated[str, typer.Option(help=f"Of this kind: {', '.join(AlertKind)}.")] = "*",
    label: Annotated[
        list[str] | None, typer.Option(help="Of tenants with this label, as name=value; repeat it.")
    ] = None,
    starts: Annotated[datetime | None, typer.Option("--from", help="When it begins, in UTC; left out: now.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Of all alerts, where nothing else is given.")] = False,
    json: Json = False,
) -> None:
    """Tell nobody of alerts that match all that is given; in each, * stands for anything.

    They go on as before. What still fires when the silence ends is told then, in one message for each group.
    """
    # As `uptake alerts` writes it, too.
    kind, labels = kind.replace(" ", "_"), _labels(label or ())
    matchers = Matchers(source=source, app=app, tenant=tenant, environment=environment, kind=kind, labels=labels)
    if matchers == Matchers() and not every:
        raise SettingsError("Say of which alerts, such as --app or --tenant, or --all: that is all of everybody.")
    if wrong := strange_kind(kind):
        raise SettingsError(wrong)
    open_database()
    with Session.begin() as session:
        now = db_now(session)
        begins = starts.replace(tzinfo=UTC) if starts else now
        if begins + span <= now:
            raise SettingsError("That silence would be over already: choose a later --from or a longer --for.")
        made = silence(session, matchers, author=by, comment=comment, starts_at=begins, ends_at=begins + span, now=now)
        (row,) = silences_after(session, now=now, silence_id=made)
        until = row.ends_at.isoformat()
        audited(session, Actor(by, "cli"), "silence.added", f"silence {made}", now=now, of=row.of, until=until)
    if json:
        as_json(row)
    else:
        console.print(f"Silence {row.id}: {row.of}, until {_at(row.ends_at)}.", markup=False, highlight=False)


@silence_cli.command("list")
def list_(*, json: Json = False) -> None:
    """The silences that hold now or will."""
    open_database()
    with Session() as session:
        found = silences_ahead(session, now=db_now(session))
    if json:
        as_json(found)
        return
    rows = [(row.id, row.of, _at(row.starts_at), _at(row.ends_at), row.author, row.comment) for row in found]
    table("Silences", ("Id", "Of", "From", "Until", "By", "Why"), rows, empty="Nothing is silenced.")


@silence_cli.command("end")
def end(silence_id: Annotated[int, typer.Argument(metavar="ID")], *, by: By) -> None:
    """End a silence now; what still fires is told."""
    open_database()
    with Session.begin() as session:
        now = db_now(session)
        if not end_silence(session, silence_id, now=now):
            raise SettingsError(
                f"There is no silence {silence_id} that has not ended: `uptake silence list` shows them."
            )
        _tell_again(session, now=now)
        audited(session, Actor(by, "cli"), "silence.ended", f"silence {silence_id}", now=now)
    console.print(f"Silence {silence_id} is over.", highlight=False)


def _labels(pairs: Sequence[str]) -> dict[str, str]:
    labels = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise SettingsError(f"{pair} is no label: write name=value, such as tier=gold.")
        labels[name] = value
    return labels


def _at(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
