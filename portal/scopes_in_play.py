"""The scopes of versions, remembered: versions never change, so each is read from the database once."""

from collections.abc import Collection, Mapping

import msgspec
from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from portal.tables import version

Key = tuple[int, int]
KEPT = 20_000


class ScopesInPlay:
    """The scope set of each (app, version), as printed JSON; the oldest are forgotten when there are many."""

    def __init__(self) -> None:
        self._printed: dict[Key, msgspec.Raw] = {}

    async def of(self, connection: AsyncConnection, wanted: Collection[Key]) -> Mapping[Key, msgspec.Raw]:
        """The sets of the versions *wanted*; a version that does not exist is left out."""
        found = {key: self._printed[key] for key in wanted if key in self._printed}
        unknown = [key for key in wanted if key not in found]
        if unknown:
            key = tuple_(version.c.app_id, version.c.number)
            for row in await connection.execute(select(version).where(key.in_(unknown))):
                printed = msgspec.Raw(msgspec.json.encode(row.scopes))
                found[row.app_id, row.number] = self._printed[row.app_id, row.number] = printed
        while len(self._printed) > KEPT:
            del self._printed[next(iter(self._printed))]
        return found
