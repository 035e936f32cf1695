"""`Idempotency-Key`: a POST that is sent again under its key works once, and is answered the same each time."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from sqlalchemy import bindparam, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from portal.problems import Problem
from portal.tables import idempotency as table

KEPT = "interval '24 hours'"
_OLD = (
    select(table.c.owner, table.c.key)
    .where(table.c.created_at < text(f"now() - {KEPT}"))
    .limit(100)
    .with_for_update(skip_locked=True)
    .subquery()
)
FORGET = delete(table).where(table.c.owner == _OLD.c.owner, table.c.key == _OLD.c.key)
# Who comes second waits here for the first one's transaction to end.
TAKE = (
    insert(table)
    .values(owner=bindparam("holder"), key=bindparam("given"), request=bindparam("digest"))
    .on_conflict_do_nothing()
    .returning(table.c.key)
)
MINE = table.c.owner == bindparam("holder"), table.c.key == bindparam("given")
FIND = select(table).where(*MINE)
KEEP = update(table).where(*MINE).values(status=bindparam("with"), body=bindparam("said"), location=bindparam("where"))


class ReplayedError(Exception):
    """The call was made before under this key; *answer* is what it was answered then."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


class Keyed:
    """One call that named a key: its work and its answer are committed together or not at all."""

    def __init__(self, key: str, digest: bytes) -> None:
        self._key = key
        self._digest = digest
        self._owner = ""
        self._connection: AsyncConnection | None = None

    @asynccontextmanager
    async def working(self, engine: AsyncEngine, owner: str) -> AsyncIterator[AsyncConnection]:
        """A transaction for the work, which `keep` commits; raises ReplayedError when the work is done already."""
        connection = self._connection = await engine.connect()
        self._owner = owner
        await connection.execute(FORGET)
        mine = {"holder": owner, "given": self._key}
        if (await connection.execute(TAKE, mine | {"digest": self._digest})).first() is None:
            known = (await connection.execute(FIND, mine)).one()
            if known.request != self._digest:
                raise Problem(409, "idempotency_key_reused", "This Idempotency-Key was sent with another request.")
            raise ReplayedError(_again(known.status, known.body, known.location))
        yield connection

    async def keep(self, answer: Response) -> None:
        """Commit the work with its *answer*; one that shows a secret keeps what may be said again."""
        if self._connection is None:
            return
        said = getattr(answer, "repeated", bytes(answer.body))
        kept = {"with": answer.status_code, "said": said, "where": answer.headers.get("location")}
        await self._connection.execute(KEEP, {"holder": self._owner, "given": self._key, **kept})
        await self._connection.commit()
        await self.close()

    async def close(self) -> None:
        """Let go of the connection; what is not committed is undone."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()


def _again(status: int, body: bytes, location: str | None) -> Response:
    answer = Response(body, status_code=status, media_type="application/json")
    answer.headers["Idempotent-Replayed"] = "true"
    if location is not None:
        answer.headers["Location"] = location
    return answer


async def keyed(
    request: Request,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$", description="Kept for 24 hours.")
    ] = None,
) -> None:
    """Note the key that the call names, for whoever opens its transaction."""
    if idempotency_key is None:
        return
    digest = hashlib.sha256()
    for part in (request.method, request.url.path, request.url.query, await request.body()):
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big") + raw)
    request.state.keyed = Keyed(idempotency_key, digest.digest())


# For every POST that does something.
ONCE = [Depends(keyed)]
