"""What keeps a person signed in: a row here, whose key their browser holds; without the row the key opens nothing."""

import secrets
from datetime import timedelta

from sqlalchemy import bindparam, delete, func, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncEngine

from portal.credentials import hashed
from portal.people import WHO, Visitor
from portal.tables import person, session

# From the signing in, whatever is done meanwhile.
LIFETIME = timedelta(hours=8)

# By PostgreSQL's own clock, never by the demo's.
_OVER = session.c.began_at <= func.now() - literal(LIFETIME)
_MINE = session.c.hash == bindparam("digest")
# From the person's row, so that somebody who was removed meanwhile begins none.
_BEGIN = insert(session).from_select(
    ["hash", "person_id", "began_at"],
    select(bindparam("digest", type_=session.c.hash.type), person.c.id, func.now()).where(
        person.c.id == bindparam("owner")
    ),
)
_FORGET = delete(session).where(session.c.person_id == bindparam("owner"), _OVER)
_END = delete(session).where(_MINE)
_WHOSE = WHO.join(session, session.c.person_id == person.c.id).where(_MINE, ~_OVER)


async def begin(engine: AsyncEngine, visitor: Visitor) -> str:
    """A session of the *visitor*, who has just shown their password: the key to it."""
    key = secrets.token_urlsafe(32)
    async with engine.connect() as connection:
        await connection.execute(_FORGET, {"owner": visitor.person})
        await connection.execute(_BEGIN, {"owner": visitor.person, "digest": hashed(key)})
    return key


async def known(engine: AsyncEngine, key: str, mark: str) -> Visitor | None:
    """The visitor whose session has this *key*, begun with the present password; None when it is over."""
    async with engine.connect() as connection:
        row = (await connection.execute(_WHOSE, {"digest": hashed(key)})).first()
    if row is None:
        return None
    visitor = Visitor.of(row)
    return visitor if secrets.compare_digest(visitor.mark, mark) else None


async def end(engine: AsyncEngine, key: str) -> None:
    """End the session with this *key*: a copy of the cookie opens nothing from now on."""
    async with engine.connect() as connection:
        await connection.execute(_END, {"digest": hashed(key)})
