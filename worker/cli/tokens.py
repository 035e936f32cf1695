"""`uptake token`: what programs show to the API."""

from datetime import timedelta
from typing import Annotated

import typer

from config.file_values import positive_duration
from config.settings import SettingsError
from models import Scope, Session, db_now
from models.audit import Actor
from models.queries import accounts as queries
from models.tokens import make_token, revoke_token
from worker.cli.accounts import Sources, only, require_sources
from worker.cli.output import Json, as_json, at, console, table
from worker.cli.quiet import By
from worker.lifecycle import open_database

token = typer.Typer(no_args_is_help=True, help="What programs show to the API.")
_LONGEST_NAME = 120


@token.command("make")
def make(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for, such as ci.")],
    *,
    scope: Annotated[Scope, typer.Option(help="read as a viewer, operate as an operator, admin as an admin.")],
    expires: Annotated[
        timedelta | None,
        typer.Option(
            parser=positive_duration, metavar="SPAN", help='After how long it ends, such as "90d"; left out: never.'
        ),
    ] = None,
    source: Sources = None,
    by: By,
    json: Json = False,
) -> None:
    """Make a token and print it: now, and never again."""
    if not (name.isprintable() and name.strip() and len(name) <= _LONGEST_NAME):
        raise SettingsError("A token's name is a few words: 120 characters at most, all of which can be seen.")
    open_database()
    with Session.begin() as session:
        require_sources(session, source or ())
        now = db_now(session)
        until = None if expires is None else now + expires
        key = make_token(session, name, scope, expires_at=until, sources=source, actor=Actor(by, "cli"), now=now)
    if key is None:
        raise SettingsError(f"There is a token {name} already: `uptake token revoke` ends it, or choose another name.")
    if json:
        as_json({"name": name, "scope": scope, "sources": source, "expires_at": until, "token": key})
    else:
        # On its own line of standard output, to be piped to where it is kept.
        typer.echo("Keep it now: it cannot be shown again. Programs send it as `Authorization: Bearer`.", err=True)
        typer.echo(key)


@token.command("list")
def list_(
    *,
    also_revoked: Annotated[bool, typer.Option("--all", help="Revoked ones, too.")] = False,
    json: Json = False,
) -> None:
    """The tokens there are; what they hold is known to nobody but who keeps them."""
    open_database()
    with Session() as session:
        found = queries.tokens(session, also_revoked=also_revoked)
    if json:
        as_json(found)
        return
    columns = ("Name", "Scope", "Sources", "Made by", "Made (UTC)", "Expires (UTC)", "Last used (UTC)", "Revoked (UTC)")
    rows = [
        (
            one.name,
            one.scope,
            only(one.sources),
            one.created_by,
            at(one.created_at),
            at(one.expires_at) or "never",
            at(one.last_used_at) or "never",
            at(one.revoked_at),
        )
        for one in found
    ]
    table("Tokens", columns, rows, empty="There is no token: `uptake token make NAME --scope read` makes one.")


@token.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `uptake token list` shows it.")],
    *,
    by: By,
    json: Json = False,
) -> None:
    """End a token now."""
    open_database()
    with Session.begin() as session:
        is_done = revoke_token(session, name, actor=Actor(by, "cli"), now=db_now(session))
    if not is_done:
        raise SettingsError(f"There is no token {name} that holds: `uptake token list` shows those that do.")
    if json:
        as_json({"name": name})
    else:
        console.print(f"Token {name} opens nothing any more.", markup=False, highlight=False, soft_wrap=True)
