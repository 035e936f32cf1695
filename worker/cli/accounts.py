"""`uptake user`: who signs in to the dashboard, and as what; `uptake audit`: what was done."""

import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from sqlalchemy.orm import Session as OrmSession

from config.settings import SettingsError
from models import Role, Session, db_now
from models import accounts as kept
from models.accounts import Fate, account_named, add_account, spelled
from models.audit import Actor, audited
from models.passwords import LONGEST, SHORTEST
from models.queries import accounts as queries
from models.sessions import link
from worker.addresses import dashboard_url
from worker.cli.output import Json, as_json, at, console, table
from worker.cli.quiet import By
from worker.lifecycle import open_database

user = typer.Typer(no_args_is_help=True, help="Who signs in to the dashboard, and as what.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="What they sign in with: a word or an e-mail address.")]
AsRole = Annotated[Role, typer.Option("--role", help="viewer sees, operator also acts, admin also lets others in.")]
Sources = Annotated[
    list[str] | None, typer.Option("--source", help="Only what is of this source; repeat it. Left out: all of them.")
]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
_Change = Callable[[OrmSession, str, Actor, datetime], Fate]


@user.command("add")
def add(
    name: Name,
    *,
    role: AsRole,
    source: Sources = None,
    is_from_stdin: FromStdin = False,
    has_none: Annotated[
        bool, typer.Option("--no-password", help="They come by `uptake user link`, or by the identity provider.")
    ] = False,
    by: By,
    json: Json = False,
) -> None:
    """Let somebody sign in."""
    chosen = _spelled(name)
    open_database()
    with Session() as session:
        require_sources(session, source or ())
    password = None if has_none else _password(is_from_stdin=is_from_stdin)
    with Session.begin() as session:
        actor, now = Actor(by, "cli"), db_now(session)
        made = add_account(session, chosen, role, actor=actor, now=now, password=password, sources=source)
    if made is None:
        raise SettingsError(f"{chosen} has an account already: `uptake user list` shows it.")
    _say(f"{chosen} can sign in as {role}.", {"name": chosen, "role": role, "sources": source}, json=json)


@user.command("list")
def list_(*, json: Json = False) -> None:
    """Everybody who has an account."""
    open_database()
    with Session() as session:
        found = queries.accounts(session)
    if json:
        as_json(found)
        return
    columns = ("Name", "Role", "Sources", "Signs in by", "Seen (UTC)", "Disabled (UTC)")
    rows = [(one.name, one.role, only(one.sources), _ways(one), at(one.seen_at), at(one.disabled_at)) for one in found]
    table("Accounts", columns, rows, empty="Nobody can sign in: `uptake user add NAME --role admin` adds somebody.")


@user.command("role")
def role_(name: Name, *, role: AsRole, source: Sources = None, by: By, json: Json = False) -> None:
    """Give somebody another role and another choice of sources, at once."""

    def change(session: OrmSession, known_as: str, actor: Actor, now: datetime) -> Fate:
        require_sources(session, source or ())
        return kept.change_role(session, known_as, role, sources=source, actor=actor, now=now)

    _change(name, change, f"is {role} now, of sources: {only(source)}", by, json=json)


@user.command("password")
def password_(name: Name, *, is_from_stdin: FromStdin = False, by: By, json: Json = False) -> None:
    """Give somebody another password; they are signed out everywhere."""
    chosen = _spelled(name)
    open_database()
    with Session() as session:
        if account_named(session, chosen) is None:
            raise _nobody(chosen)
    password = _password(is_from_stdin=is_from_stdin)

    def change(session: OrmSession, known_as: str, actor: Actor, now: datetime) -> Fate:
        return kept.change_password(session, known_as, password, actor=actor, now=now)

    _change(chosen, change, "has another password now, and is signed out everywhere", by, json=json)


@user.command("disable")
def disable(name: Name, *, by: By, json: Json = False) -> None:
    """Let somebody in no more; they are signed out at once."""

    def change(session: OrmSession, known_as: str, actor: Actor, now: datetime) -> Fate:
        return kept.disable(session, known_as, actor=actor, now=now)

    _change(name, change, "can sign in no more, and is signed out", by, json=json)


@user.command("enable")
def enable(name: Name, *, by: By, json: Json = False) -> None:
    """Let somebody in again."""

    def change(session: OrmSession, known_as: str, actor: Actor, now: datetime) -> Fate:
        return kept.enable(session, known_as, actor=actor, now=now)

    _change(name, change, "can sign in again", by, json=json)


@user.command("link")
def link_(name: Name, *, by: By, json: Json = False) -> None:
    """Print a link that signs somebody in: once, and within a quarter of an hour."""
    chosen = _spelled(name)
    open_database()
    with Session.begin() as session:
        account, now = account_named(session, chosen), db_now(session)
        if account is None:
            raise _nobody(chosen)
        if account.disabled_at is not None:
            raise SettingsError(f"{chosen} is disabled: `uptake user enable {chosen}` first.")
        audited(session, Actor(by, "cli"), "link.made", chosen, now=now)
        key = link(session, account.id, now=now)
    url = f"{dashboard_url()}/sign-in/once/{key}"
    _say(url, {"name": chosen, "url": url}, json=json)


def audit(
    *,
    who: Annotated[str | None, typer.Option(help="Only what this one did.")] = None,
    about: Annotated[str | None, typer.Option(help="Only what was done about this one.")] = None,
    most: Annotated[int, typer.Option(min=1, max=100_000, help="How many, the newest first.")] = 50,
    json: Json = False,
) -> None:
    """Who did what, when and about what: accounts, tokens, sign-ins, and what commands changed."""
    open_database()
    with Session() as session:
        found = queries.audit(session, who=who, about=about, most=most)
    if json:
        as_json(found)
        return
    rows = [(at(one.at), one.who, one.by_way_of, one.what, one.about, _more(one.data)) for one in found]
    table("Audit", ("When (UTC)", "Who", "By way of", "What", "About", "With"), rows, empty="Nothing was done yet.")


def require_sources(session: OrmSession, named: Sequence[str]) -> None:
    """Refuse a source that is not there: a mistyped one would be a permission to see nothing."""
    if strange := queries.strange_sources(session, named):
        raise SettingsError(f"There is no source {', '.join(strange)}: `uptake status` lists apps with theirs.")


def only(sources: Sequence[str] | None) -> str:
    """The choice of sources, in words."""
    return ", ".join(sources) if sources else "all"


def _change(name: str, change: _Change, done: str, by: str, *, json: bool) -> None:
    known_as = _spelled(name)
    open_database()
    with Session.begin() as session:
        fate = change(session, known_as, Actor(by, "cli"), db_now(session))
    if fate is Fate.UNKNOWN:
        raise _nobody(known_as)
    if fate is Fate.LAST_ADMIN:
        raise SettingsError(f"{known_as} is the last admin who can sign in: make somebody else one first.")
    _say(f"{known_as} {done}.", {"name": known_as}, json=json)


def _say(sentence: str, answer: dict[str, Any], *, json: bool) -> None:
    if json:
        as_json(answer)
    else:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _password(*, is_from_stdin: bool) -> str:
    """As somebody types it twice, or as the first line that a program writes."""
    if is_from_stdin:
        said = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        said = typer.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True)
    else:
        raise SettingsError(
            "No terminal to ask for a password: say --password-stdin and write it there, or let"
            " them come by `uptake user link`."
        )
    if not SHORTEST <= len(said) <= LONGEST:
        raise SettingsError(f"A password has {SHORTEST} characters at least, and {LONGEST} at most.")
    return said


def _spelled(name: str) -> str:
    if (known_as := spelled(name)) is None:
        raise SettingsError("A name is a word or an e-mail address: no spaces, 120 characters at most.")
    return known_as


def _nobody(name: str) -> SettingsError:
    return SettingsError(f"Nobody is called {name}: `uptake user list` shows everybody.")


def _ways(one: queries.AccountRow) -> str:
    ways = {"password": one.has_password, "identity provider": one.has_provider}
    return ", ".join(way for way, is_there in ways.items() if is_there) or "link"


def _more(data: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in data.items() if value is not None)
