"""Accounts: who may sign in, and as what. Every change is written into the audit trail with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.account import Account, Role, SignIn, Ticket
from models.audit import Actor, audited
from models.passwords import hashed

LONGEST_NAME = 120
# Two who take the last two admins away at once must see each other.
_ALONE = text("LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE")


class Fate(StrEnum):
    """What came of a change."""

    DONE = "done"
    UNKNOWN = "unknown"  # nobody has that name
    LAST_ADMIN = "last_admin"  # nobody would be left to give it back


def spelled(name: str) -> str | None:
    """The *name* as it is kept; None when it cannot be one: an e-mail address or a word, of 120 characters at most."""
    small = name.strip().lower()
    is_name = 0 < len(small) <= LONGEST_NAME and small.isprintable() and " " not in small
    return small if is_name else None


def add_account(  # noqa: PLR0913 - each is a column
    session: Session,
    name: str,
    role: Role,
    *,
    actor: Actor,
    now: datetime,
    password: str | None = None,
    subject: str | None = None,
    sources: Sequence[str] | None = None,
) -> int | None:
    """A new account's id; None when the name is taken, also by somebody who is disabled."""
    given = {"password_hash": hashed(password) if password else None, "subject": subject}
    row = {"name": name, "role": role, "sources": sorted(sources) if sources else None, "created_at": now}
    statement = insert(Account).values(row | given).on_conflict_do_nothing().returning(Account.id)
    made = session.scalar(statement)
    if made is not None:
        audited(session, actor, "account.added", name, now=now, role=role, sources=row["sources"])
    return made


class Unprovided(StrEnum):
    """Why somebody whom the identity provider knows is not let in."""

    DISABLED = "disabled"
    NO_ROLE = "no_role"  # what it says of them gives them none
    NOT_INVITED = "not_invited"  # no account waits for them
    NAME_TAKEN = "name_taken"  # somebody else's account has their name


@dataclass(frozen=True, slots=True)
class Provided:
    """Whom the identity provider has sent: *subject* is theirs for ever, *name* only what they are called."""

    subject: str
    name: str
    is_verified: bool  # that *name* is an e-mail address of theirs
    role: Role | None  # by what it says of them


def provide(session: Session, who: Provided, *, is_mapped: bool, now: datetime) -> int | Unprovided:
    """The account of whom the identity provider has sent, made or bound to them when it is the first time.

    With roles by a claim (*is_mapped*) everybody is let in who has one, and has the one of now. Otherwise an account
    must wait for them: with their verified address as its name, and neither a password nor anybody bound to it.
    """
    if is_mapped and who.role is None:
        return Unprovided.NO_ROLE
    known = session.scalar(select(Account).where(Account.subject == who.subject))
    account = known or _bound(session, who, now=now) or _made(session, who, now=now)
    if isinstance(account, Unprovided):
        return account
    if account.disabled_at is not None:
        return Unprovided.DISABLED
    if who.role is not None and account.role is not who.role:
        account.role = who.role
        actor = Actor(account.name, "page")
        audited(session, actor, "account.role_changed", account.name, now=now, role=who.role, by="identity provider")
    return account.id


def _bound(session: Session, who: Provided, *, now: datetime) -> Account | None:
    """The account that waits for them, theirs from now on."""
    if not (who.is_verified and "@" in who.name):
        return None
    waits = Account.name == who.name, Account.subject.is_(None), Account.password_hash.is_(None)
    account = session.scalar(select(Account).where(*waits).with_for_update(key_share=True))
    if account is not None:
        account.subject = who.subject
        audited(session, Actor(who.name, "page"), "account.bound", who.name, now=now, subject=who.subject)
    return account


def _made(session: Session, who: Provided, *, now: datetime) -> Account | Unprovided:
    if who.role is None:
        return Unprovided.NOT_INVITED
    actor = Actor(who.name, "page")
    add_account(session, who.name, who.role, actor=actor, now=now, subject=who.subject)
    # Made now, or by another request of theirs a moment ago.
    return session.scalar(select(Account).where(Account.subject == who.subject)) or Unprovided.NAME_TAKEN


def account_named(session: Session, name: str) -> Account | None:
    """The account of that name, disabled or not."""
    return session.scalar(select(Account).where(Account.name == name))


def change_role(
    session: Session, name: str, role: Role, *, sources: Sequence[str] | None, actor: Actor, now: datetime
) -> Fate:
    """Give somebody another role and another choice of sources (None: all), at once, also where they are signed in."""
    session.execute(_ALONE)
    account = account_named(session, name)
    if account is None:
        return Fate.UNKNOWN
    if role is not Role.ADMIN and _is_last_admin(session, account):
        return Fate.LAST_ADMIN
    account.role, account.sources = role, sorted(sources) if sources else None
    audited(session, actor, "account.role_changed", name, now=now, role=role, sources=account.sources)
    return Fate.DONE


def change_password(session: Session, name: str, password: str, *, actor: Actor, now: datetime) -> Fate:
    """Give somebody another password; whoever is signed in as them is signed out."""
    account = account_named(session, name)
    if account is None:
        return Fate.UNKNOWN
    account.password_hash = hashed(password)
    _sign_out(session, account)
    audited(session, actor, "account.password_changed", name, now=now)
    return Fate.DONE


def disable(session: Session, name: str, *, actor: Actor, now: datetime) -> Fate:
    """Let somebody in no more, from now on; their sessions and links end. Twice is the same."""
    session.execute(_ALONE)
    account = account_named(session, name)
    if account is None:
        return Fate.UNKNOWN
    if _is_last_admin(session, account):
        return Fate.LAST_ADMIN
    if account.disabled_at is None:
        account.disabled_at = now
        _sign_out(session, account)
        audited(session, actor, "account.disabled", name, now=now)
    return Fate.DONE


def enable(session: Session, name: str, *, actor: Actor, now: datetime) -> Fate:
    """Let somebody in again. Twice is the same."""
    account = account_named(session, name)
    if account is None:
        return Fate.UNKNOWN
    if account.disabled_at is not None:
        account.disabled_at = None
        audited(session, actor, "account.enabled", name, now=now)
    return Fate.DONE


def _is_last_admin(session: Session, account: Account) -> bool:
    """Whether nobody else could let anybody in; limited to some sources, an admin is one all the same."""
    others = select(Account.id).where(
        Account.role == Role.ADMIN, Account.disabled_at.is_(None), Account.id != account.id
    )
    is_admin = account.role is Role.ADMIN and account.disabled_at is None
    return is_admin and session.scalar(others.limit(1)) is None


def _sign_out(session: Session, account: Account) -> None:
    for table in (SignIn, Ticket):
        session.execute(delete(table).where(table.account_id == account.id))
