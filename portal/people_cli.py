"""Commands for the people who sign in to the pages."""

from typing import Annotated, Any

import typer
from pydantic import ValidationError
from sqlalchemy import Connection, delete, select, update

from portal.bootstrap import NewClient, add_client
from portal.clock import Clock
from portal.database import SetupError
from portal.people import hashed_password, new_password
from portal.tables import organization, person, tenant
from portal.telling import Out, telling, transaction

people = typer.Typer(no_args_is_help=True, help="Who signs in to the pages.")
Username = Annotated[str, typer.Argument(help="What they sign in with: small letters, digits and ._@+-")]


@people.command("add")
def add(
    username: Username,
    developer: Annotated[
        int | None, typer.Option("--organization", min=1, max=2**63 - 1, help="Develops for this organization.")
    ] = None,
    admin: Annotated[str | None, typer.Option("--tenant", help="Administers this tenant.")] = None,
    operator: Annotated[bool, typer.Option("--operator", help="Operates the platform.")] = False,
    name: Annotated[str, typer.Option(help="Shown beside what they do; left out: the user name.")] = "",
    out: Out = None,
) -> None:
    """Let somebody sign in; their password is told once. Who has an API client of that name acts as it."""
    owners = {"organization": developer, "tenant": admin, "operator": operator or None}
    chosen = [kind for kind, owner in owners.items() if owner is not None]
    if len(chosen) != 1:
        raise SetupError("say one of --organization, --tenant and --operator: for whom they act")
    (kind,) = chosen
    try:
        entry = NewClient(name=name or username, username=username)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        raise SetupError(f"{first['loc'][-1]}: {first['msg']}") from wrong
    with telling(out) as tell, transaction() as connection:
        owner = None if operator else owners[kind]
        _require(connection, kind, owner)
        credentials = add_client(connection, kind, owner, entry, Clock())
        if credentials is None:
            raise SetupError(f"{username!r} signs in already; `portal person password` makes a new password")
        tell(credentials)


@people.command("password")
def password(username: Username, out: Out = None) -> None:
    """Give somebody a new password, which is told once; their sessions end."""
    fresh = new_password()
    statement = update(person).values(password_hash=hashed_password(fresh)).returning(person.c.id)
    with telling(out) as tell, transaction() as connection:
        _require_one(connection.execute(statement.where(person.c.username == username)).first(), username)
        tell({"username": username, "password": fresh})


@people.command("remove")
def remove(username: Username) -> None:
    """Let somebody sign in no more; their sessions end, their API client stays."""
    with transaction() as connection:
        gone = connection.execute(delete(person).where(person.c.username == username).returning(person.c.id)).first()
        _require_one(gone, username)


def _require(connection: Connection, kind: str, owner: Any) -> None:
    table = {"organization": organization, "tenant": tenant}.get(kind)
    if table is not None and connection.execute(select(table.c.id).where(table.c.id == owner)).first() is None:
        raise SetupError(f"no {kind} {owner}: `portal {kind} add` makes one")


def _require_one(row: object, username: str) -> None:
    if row is None:
        raise SetupError(f"nobody signs in as {username!r}")
