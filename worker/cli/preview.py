"""`uptake preview`: the message that a tenant's next reminder would be."""

from pathlib import Path
from typing import Annotated

import typer

from config.links import opt_out_url
from config.settings import SettingsError
from models import Session, db_now
from models.queries.asked import asked
from tasks.ask import ask_of
from tasks.rules import rules
from uptake.reminding import addressee
from uptake.templates import languages
from uptake.wording import Reminder, reminder
from uptake.words import tags
from worker.cli.answers import App, story_of
from worker.cli.output import Json, as_json, console
from worker.lifecycle import open_database


def preview(
    app: App,
    tenant: Annotated[str, typer.Argument(help="A tenant's id.")],
    *,
    step: Annotated[int | None, typer.Option(min=1, help="As if it were this turn; left out: the next one.")] = None,
    language: Annotated[str | None, typer.Option(help="As if the tenant spoke it, such as de.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the HTML part there, to open it in a browser.")] = None,
    json: Json = False,
) -> None:
    """The message that the next reminder would be, by the templates as they are now; nothing is sent.

    Exit code 1 when there is nothing to remind of.
    """
    open_database()
    with Session() as session:
        stories, now = story_of(session, app, tenant), db_now(session)
        rows = asked(session, app, tenant, now=now)
    watched = [row for row in rows if row.environment in rules().policies.of(row.who).environments]
    if not watched:
        if stories:
            where = f" (in {rows[0].environment} it does, which is not watched)" if rows else ""
            typer.echo(f"{tenant} lacks nothing that {app} asks for{where}: there is nothing to remind of.", err=True)
        raise typer.Exit(1)
    first = watched[0]
    turn = addressee(first.contacts, first.sent, rules().policies.of(first.who)) if first.contacts else None
    email = turn.contact.email if turn else None
    facts = Reminder(
        asks=tuple(ask_of(row, rules(), step=step or row.sent + 1, now=now) for row in watched),
        language=_language(language) or first.locale,
        is_escalated=turn is not None and turn.is_escalated,
        written_at=now,
        opt_out_url=opt_out_url([first.tenant_id], email, source_id=first.source_id) if email else None,
    )
    said = reminder(facts, rules().templates.texts)
    if html:
        _write(html, said.html)
    if json:
        as_json({"to": email, "subject": said.subject, "text": said.text, "html": said.html})
        return
    to = email or "nobody: no contact can be written to, `uptake contacts import FILE` tells them"
    heading = f"To: {to}\nSubject: {said.subject}\n"
    body = f"The HTML part is in {html}." if html else said.text.rstrip("\n")
    console.print(f"{heading}\n{body}", markup=False, highlight=False, soft_wrap=True)


def _language(chosen: str | None) -> str | None:
    known = languages(rules().templates.texts)
    if chosen is not None and not set(tags(chosen)) & known:
        raise SettingsError(f"There are no words in {chosen}; there are in {', '.join(sorted(known))}.")
    return chosen


def _write(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written: {error.strerror}.") from None
