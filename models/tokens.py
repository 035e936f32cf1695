"""Tokens of programs: told once, kept as a digest, and over when they expire or are revoked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.account import Scope, Token
from models.audit import Actor, audited
from models.keys import Prefix, digest, is_key, new_key

# Whether it is in use is seen to the minute: not every request is worth a write.
_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose token was shown, and what it is for."""

    id: int
    name: str
    scope: Scope
    sources: list[str] | None


def make_token(
    session: Session,
    name: str,
    scope: Scope,
    *,
    expires_at: datetime | None,
    sources: Sequence[str] | None,
    actor: Actor,
    now: datetime,
) -> str | None:
    """A new token, to be told now and never again; None when one of that name holds already."""
    key = new_key(Prefix.TOKEN)
    row = {
        "name": name,
        "scope": scope,
        "hash": digest(key),
        "sources": sorted(sources) if sources else None,
        "created_by": actor.who,
        "created_at": now,
        "expires_at": expires_at,
    }
    if session.scalar(insert(Token).values(row).on_conflict_do_nothing().returning(Token.id)) is None:
        return None
    until = expires_at.isoformat() if expires_at else None
    audited(session, actor, "token.made", name, now=now, scope=scope, expires_at=until, sources=row["sources"])
    return key


def holder_of(session: Session, key: str, *, now: datetime) -> Holder | None:
    """Whose token *key* is; None when it is nobody's, expired or revoked."""
    if not is_key(key, Prefix.TOKEN):
        return None
    valid = (
        Token.hash == digest(key),
        Token.revoked_at.is_(None),
        or_(Token.expires_at.is_(None), Token.expires_at > now),
    )
    row = session.execute(select(Token.id, Token.name, Token.scope, Token.sources).where(*valid)).one_or_none()
    if row is None:
        return None
    old = or_(Token.last_used_at.is_(None), Token.last_used_at <= now - _NOTED_EVERY)
    session.execute(update(Token).where(Token.id == row.id, old).values(last_used_at=now))
    return Holder(*row)


def revoke_token(session: Session, name: str, *, actor: Actor, now: datetime) -> bool:
    """End the token of that *name* now; whether there was one that had not been revoked."""
    statement = update(Token).where(Token.name == name, Token.revoked_at.is_(None)).values(revoked_at=now)
    is_done = session.scalar(statement.returning(Token.id)) is not None
    if is_done:
        audited(session, actor, "token.revoked", name, now=now)
    return is_done
