"""What signs somebody in and keeps them so: sessions, and tickets that hold once. All of it ends on the server."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.account import Account, Role, SignIn, Ticket
from models.keys import Prefix, digest, is_key, new_key

IDLE = timedelta(hours=12)
LIFETIME = timedelta(days=7)
LINK_HOLDS = timedelta(minutes=15)
_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in."""

    id: int
    name: str
    role: Role
    sources: list[str] | None


def begin(session: Session, account_id: int, *, now: datetime) -> str:
    """A session of somebody who has just proved who they are: the key for their browser's cookie."""
    # Those that are over are of no more use to anybody.
    session.execute(delete(SignIn).where(_is_over(now)))
    key = new_key(Prefix.SESSION)
    session.execute(insert(SignIn).values(hash=digest(key), account_id=account_id, began_at=now, seen_at=now))
    return key


def visitor_of(session: Session, key: str, *, now: datetime) -> Visitor | None:
    """Who is signed in with *key*, as what they are now; None when the session is over or they are disabled."""
    if not is_key(key, Prefix.SESSION):
        return None
    mine = SignIn.hash == digest(key)
    columns = select(Account.id, Account.name, Account.role, Account.sources)
    found = columns.join(SignIn).where(mine, ~_is_over(now), Account.disabled_at.is_(None))
    row = session.execute(found).one_or_none()
    if row is None:
        return None
    session.execute(update(SignIn).where(mine, SignIn.seen_at <= now - _NOTED_EVERY).values(seen_at=now))
    return Visitor(*row)


def end(session: Session, key: str) -> None:
    """End the session with *key*: a copy of the cookie opens nothing from now on."""
    session.execute(delete(SignIn).where(SignIn.hash == digest(key)))


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One browser in which somebody is signed in."""

    began_at: datetime
    seen_at: datetime  # to the minute
    is_this: bool  # the one that asks


def sessions_of(session: Session, account_id: int, key: str, *, now: datetime) -> list[SignedIn]:
    """Where *account_id* is signed in, the last seen first; *key* is the one that asks."""
    columns = select(SignIn.began_at, SignIn.seen_at, SignIn.hash == digest(key))
    mine = columns.where(SignIn.account_id == account_id, ~_is_over(now)).order_by(SignIn.seen_at.desc(), SignIn.hash)
    return [SignedIn(*row) for row in session.execute(mine)]


def end_others(session: Session, account_id: int, key: str) -> int:
    """End every session of *account_id* but the one with *key*, and the links that wait for them; how many sessions."""
    session.execute(delete(Ticket).where(Ticket.account_id == account_id))
    others = delete(SignIn).where(SignIn.account_id == account_id, SignIn.hash != digest(key))
    return len(session.scalars(others.returning(SignIn.account_id)).all())


def ticket(
    session: Session,
    prefix: Prefix,
    *,
    holds: timedelta,
    now: datetime,
    account_id: int | None = None,
    data: Mapping[str, Any] | None = None,
) -> str:
    """A key that can be used once, and only for so long."""
    session.execute(delete(Ticket).where(Ticket.expires_at <= now))
    key = new_key(prefix)
    row = {"hash": digest(key), "account_id": account_id, "data": dict(data or {}), "expires_at": now + holds}
    session.execute(insert(Ticket).values(row))
    return key


def link(session: Session, account_id: int, *, now: datetime) -> str:
    """The key of a link that signs *account_id* in: once, and within a quarter of an hour."""
    return ticket(session, Prefix.LINK, account_id=account_id, holds=LINK_HOLDS, now=now)


def use_link(session: Session, key: str, *, now: datetime) -> int | None:
    """Whose link *key* is, which is used up now; None when it was used, is too old, or they are disabled."""
    if not is_key(key, Prefix.LINK):
        return None
    used = delete(Ticket).where(Ticket.hash == digest(key), Ticket.expires_at > now).returning(Ticket.account_id)
    account_id = session.scalar(used)
    enabled = select(Account.id).where(Account.id == account_id, Account.disabled_at.is_(None))
    return session.scalar(enabled) if account_id is not None else None


def use_way(session: Session, key: str, *, now: datetime) -> dict[str, Any] | None:
    """What was kept for the way back from the identity provider; None when it was used or is too old."""
    if not is_key(key, Prefix.WAY):
        return None
    used = delete(Ticket).where(Ticket.hash == digest(key), Ticket.expires_at > now).returning(Ticket.data)
    return session.scalar(used)


def _is_over(now: datetime) -> Any:
    return or_(SignIn.began_at <= now - LIFETIME, SignIn.seen_at <= now - IDLE)
