"""`uptake preview`: the message that a tenant's next reminder would be."""

from pathlib import Path
from typing import Annotated

import typer

from config.settings import SettingsError
from models import Session, db_now
from tasks.preview import lacking
from tasks.preview import preview as next_reminder
from tasks.rules import rules
from uptake.templates import languages
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
        found = lacking(session, app, tenant, rules(), now=now)
    if not found.watched:
        if stories:
            where = f" (in {found.elsewhere[0]} it does, which is not watched)" if found.elsewhere else ""
            typer.echo(f"{tenant} lacks nothing that {app} asks for{where}: there is nothing to remind of.", err=True)
        raise typer.Exit(1)
    made = next_reminder(found.watched, rules(), now=now, step=step, language=_language(language))
    said, email = made.said, made.to
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
