"""`uptake contacts`: whom to remind, imported from a file."""

from itertools import count
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import text
from sqlalchemy.orm import Session as OrmSession

from config.contact_book import Entry, read_book
from config.settings import SettingsError
from models import Session, db_now
from models.audit import Actor, audited
from models.contacts import Kept, Person, keep_contacts
from worker.cli.output import Json, as_json, console
from worker.cli.quiet import By
from worker.lifecycle import adopt_sources, open_database

contacts = typer.Typer(no_args_is_help=True, help="Whom to remind at each tenant; portals do not tell.")
_FEW = 10  # strangers that are named


@contacts.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(help="CSV; its first row names the columns, of which tenant and email must be.")
    ],
    *,
    source: Annotated[
        str | None,
        typer.Option(help="The source of tenants in a file without that column; not needed with one source."),
    ] = None,
    is_whole: Annotated[
        bool, typer.Option("--replace", help="Forget contacts of the file's tenants who are not in it any more.")
    ] = False,
    is_trial: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    by: By,
    json: Json = False,
) -> None:
    """Import a contact book: all of it, or nothing and every mistake; exit code 1 when tenants in it are unknown.

    Columns: tenant, email, name, role, may_accept (yes or no), time_zone, locale, labels (such as tier=gold, which
    policies may ask for), source. The first row of a tenant is written to first. Opt-outs stay.
    """
    entries = read_book(file)
    open_database()
    adopt_sources(others_rest=False)
    with Session() as session:
        kept = keep_contacts(session, _people(session, entries, source), is_whole=is_whole)
        if not is_trial:
            now, told = db_now(session), {"entries": len(entries), "is_whole": is_whole}
            audited(session, Actor(by, "cli"), "contacts.imported", file.name, now=now, **told)
            session.commit()
    if json:
        as_json(kept)
    else:
        console.print(_said(kept, is_trial=is_trial), markup=False, highlight=False, soft_wrap=True)
    if kept.strangers:
        raise typer.Exit(1)


def _people(session: OrmSession, entries: list[Entry], source: str | None) -> list[Person]:
    known = list(session.scalars(text("SELECT name FROM source WHERE enabled ORDER BY name")))
    only = source or (known[0] if len(known) == 1 else None)
    ranks: dict[tuple[str, str], count[int]] = {}
    people = []
    for entry in entries:
        name = entry.source or only
        if name is None or name not in known:
            raise SettingsError(_no_source(name, known))
        rank = next(ranks.setdefault((name, entry.tenant), count(1)))
        people.append(Person(**entry.model_dump(exclude={"source"}), source=name, rank=rank))
    return people


def _no_source(name: str | None, known: list[str]) -> str:
    names = ", ".join(known) or "none; write one into uptake.toml first"
    if name is None:
        return f"Tenant ids belong to a source: say which one with --source, or in a column. There are: {names}."
    return f"There is no source {name}. There are: {names}."


def _said(kept: Kept, *, is_trial: bool) -> str:
    same = kept.contacts - kept.added - kept.changed
    noun = "contact" if kept.contacts == 1 else "contacts"
    done = f"{kept.contacts} {noun}: {kept.added} new, {kept.changed} changed, {same} as they were"
    if kept.removed:
        done += f"; {kept.removed} removed"
    lines = [f"{'Would import' if is_trial else 'Imported'} {done}."]
    if kept.strangers:
        named = ", ".join(kept.strangers[:_FEW])
        more = f" and {len(kept.strangers) - _FEW} more" if len(kept.strangers) > _FEW else ""
        lines.append(
            f"Left out, because no portal has listed such a tenant: {named}{more}."
            " Mend the ids, or import again when they are connected."
        )
    return "\n".join(lines)
