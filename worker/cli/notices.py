"""`uptake notices` and `uptake replay`: what was sent to whom, what became of it, and once more."""

from typing import Annotated

import typer
from sqlalchemy.orm import Session as OrmSession

from config.settings import SettingsError
from models import Session, db_now
from models.audit import Actor, audited
from models.queries.message_lists import MessageState, WantedMessages, messages_before
from models.queries.notices import Told, told
from models.queries.tenant_names import tenants_named
from models.replay import against, replay
from worker.cli.answers import OneApp, no_tenant, require_app
from worker.cli.output import Json, as_json, console, table
from worker.cli.quiet import By
from worker.lifecycle import open_database


def notices(
    app: OneApp = None,
    *,
    tenant: Annotated[str | None, typer.Option(help="To this tenant, by its id, or as source:id.")] = None,
    state: Annotated[MessageState | None, typer.Option(help="In this state.")] = None,
    most: Annotated[int, typer.Option(help="So many, the newest.", min=1, max=10_000)] = 50,
    json: Json = False,
) -> None:
    """What was sent to whom, why, and what became of it, the newest first."""
    open_database()
    with Session() as session:
        require_app(session, app)
        tenants = _meant(session, tenant)
        if json:
            wanted = WantedMessages(app=app, tenants=tenants, state=state)
            as_json(messages_before(session, wanted, most=most))
            return
        found = told(session, app=app, tenants=tenants, state=state, most=most)
    rows = [
        (
            one.id,
            f"{one.created_at:%Y-%m-%d %H:%M}",
            one.receiver,
            one.to,
            one.reason.replace("_", " "),
            one.subject,
            _fate(one),
        )
        for one in found
    ]
    columns = ("Id", "When (UTC)", "Receiver", "To", "Reason", "Subject", "What became of it")
    table("Messages", columns, rows, empty="Nothing was sent.")


def _meant(session: OrmSession, tenant: str | None) -> list[int] | None:
    """Whom the name may mean; a name that nobody has is refused."""
    if tenant is None:
        return None
    found = [one.tenant_id for one in tenants_named(session, tenant)]
    if not found:
        raise SettingsError(no_tenant(tenant))
    return found


def _fate(one: Told) -> str:
    """The state, why, and after how many tries."""
    why = (one.settle_reason or (one.answer if one.state in {"due", "sending"} else None) or "").replace("_", " ")
    tries = f", {one.attempts} tries" if one.attempts > 1 else ""
    return f"{one.state}{f': {why}' if why else ''}{tries}"


def replay_(
    notice_id: Annotated[int, typer.Argument(metavar="ID", help="Of a message, as `uptake notices` lists them.")],
    *,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also a reminder in which there is nothing more to ask.")
    ] = False,
    by: By,
    json: Json = False,
) -> None:
    """Send a message once more, as it was; a reminder only while its tenants lag, and in their working hours."""
    open_database()
    with Session.begin() as session:
        _refuse(session, notice_id, anyway=anyway)
        now = db_now(session)
        made = replay(session, notice_id, now=now, anyway=anyway)
        if made is not None:
            audited(session, Actor(by, "cli"), "notice.replayed", f"message {notice_id}", now=now, as_message=made)
    if made is None:
        raise SettingsError(f"Message {notice_id} waits to be sent since a moment ago: it goes out by itself.")
    if json:
        as_json({"id": made, "replay_of": notice_id})
    else:
        console.print(
            f"Message {made} is message {notice_id} once more, and goes out with the next tick.", highlight=False
        )


def _refuse(session: OrmSession, notice_id: int, *, anyway: bool) -> None:
    """Say why the message is not sent once more, if so."""
    found = against(session, notice_id)
    if found is None:
        raise SettingsError(f"There is no message {notice_id}: `uptake notices` lists them.")
    if found.waits:
        said = "is being sent" if found.waits == "sending" else "has not gone out yet, and does so by itself"
        raise SettingsError(f"Message {notice_id} {said}: once more would be twice. `uptake notices` says how it is.")
    if found.out:
        whose = "has opted out of reminders" if found.out == "opted_out" else "is no contact of the tenant any more"
        raise SettingsError(f"Whom message {notice_id} is to {whose}, so it is not sent, not even with --anyway.")
    if found.over and not anyway:
        reason = found.over.replace("_", " ")
        raise SettingsError(
            f"There is nothing more to ask in message {notice_id}: {reason}. With --anyway it is sent all the same."
        )
