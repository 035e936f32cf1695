"""Export feeds: everything that changed since a date or a token, deletions included, in the order of the changes.

A change shows after 15 minutes, when no transaction that began before it can still be open; with
`includeRecentChanges` at once, and then the token that ends a walk points back to 15 minutes before the walk began, so
that changes are repeated rather than missed. On its way a walk carries that instant in its tokens, for whoever stores
one and goes on from it later. A token is all there is of a walk: it never expires.
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple

import msgspec
from fastapi import Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from sqlalchemy import ColumnElement, Select, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from portal import apps, routes, shapes, versions
from portal.answers import json_answer
from portal.callers import Call, developer
from portal.connections import described, whole
from portal.fields import Instant, Utc
from portal.problems import invalid
from portal.tables import Record, version
from portal.tables import app as app_table
from portal.tables import connection as connection_table

DELAY = timedelta(minutes=15)
router = routes.router("export", prefix="/export")
Apps = Annotated[Call, Depends(developer("dp.app.apps:r"))]
Versions = Annotated[Call, Depends(developer("dp.app.versions:r"))]
Connections = Annotated[Call, Depends(developer("dp.app.connections:r"))]
_instant = TypeAdapter[datetime](Instant)
_utc = TypeAdapter[datetime](Utc)


class Position(NamedTuple):
    """A place in a feed: after the change at *at* of the row with these ids."""

    at: datetime
    first: int = 0
    second: int = 0


class Token(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A position as it is handed out; *back* is where a walk that is under way and saw recent changes will end."""

    feed: str
    at: datetime
    first: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    second: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    back: datetime | None = None


class Export(BaseModel):
    """From where, and whether to wait until changes have settled."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    from_: Annotated[
        str | None,
        Field(
            alias="from",
            max_length=200,
            description="A date, or the continueFrom of an answer.",
            json_schema_extra={"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        ),
    ] = None
    include_recent_changes: bool = False
    page_size: Annotated[int, Field(ge=1, le=500)] = 500


Asked = Annotated[Export, Query()]


def _start(feed: str, text: str | None) -> tuple[Position, datetime | None]:
    """The position that *text* names, a token of this feed or a date, and the walk's way back if it is under way."""
    if text is None:
        return Position(datetime.min.replace(tzinfo=UTC)), None
    try:
        token = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=Token)
        if token.feed == feed:
            back = None if token.back is None else _utc.validate_python(token.back)
            return Position(_utc.validate_python(token.at), token.first, token.second), back
    except (ValueError, binascii.Error):
        pass
    try:
        # A plus sign in a query string arrives as a space.
        return Position(_instant.validate_python(text.replace(" ", "+"))), None
    except ValidationError:
        raise invalid({"from": ["Give a date such as 2026-01-31T00:00:00Z, or a continueFrom of this feed."]}) from None


def _written(token: Token) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode().rstrip("=")


class _Feed:
    """One walk's page of one feed; *keys* are the instant of a change and the ids that make it unique."""

    def __init__(self, name: str, call: Call, asked: Export, keys: Sequence[ColumnElement[Any]]) -> None:
        self._name = name
        self._asked = asked
        self._keys = keys
        self._start, self._back = _start(name, asked.from_)
        self._horizon = call.now - DELAY
        if self._back is None and asked.include_recent_changes:
            self._back = self._horizon

    async def read(self, connection: AsyncConnection, rows: Select[Any]) -> tuple[Sequence[Record], bool]:
        """The next rows, and whether there are more now."""
        wanted = [tuple_(*self._keys) > tuple_(*map(literal, self._start))]
        if not self._asked.include_recent_changes:
            wanted.append(self._keys[0] <= self._horizon)
        page = rows.add_columns(*(key.label(f"key_{number}") for number, key in enumerate(self._keys)))
        page = page.where(*wanted).order_by(*self._keys).limit(self._asked.page_size + 1)
        found = (await connection.execute(page)).all()
        return found[: self._asked.page_size], len(found) > self._asked.page_size

    def answer(self, found: Sequence[Record], has_more: bool, data: Sequence[Any]) -> Response:
        """The page; its token is where the next one begins."""
        end, back = self._start, self._back
        if found:
            end = Position(found[-1].key_0, found[-1].key_1, found[-1].key_2)
        if not has_more:
            # A transaction that was open while this walk read may still commit an earlier change.
            settled, back = self._back or self._horizon, None
            end = end if end.at <= settled else Position(settled)
        token = _written(Token(self._name, *end, back))
        return json_answer({"hasMore": has_more, "continueFrom": token, "data": data})


@router.get("/apps", response_model=shapes.Feed[shapes.ExportedApp])
async def of_apps(call: Apps, asked: Asked) -> Response:
    """Apps that were made, edited or deleted."""
    feed = _Feed("apps", call, asked, (app_table.c.modified_at, app_table.c.id, literal(0)))
    rows = select(app_table, apps.AUDIENCE.label("audience")).where(app_table.c.organization_id == call.organization)
    async with call.reading() as connection:
        found, more = await feed.read(connection, rows)
    data = [apps.shown(row, row.audience) | {"deleted": row.deleted_at is not None} for row in found]
    return feed.answer(found, more, data)


@router.get("/versions", response_model=shapes.Feed[shapes.ExportedVersion])
async def of_versions(call: Versions, asked: Asked) -> Response:
    """Versions that were released, and once more those of apps that were deleted."""
    before = func.lag(version.c.scopes).over(partition_by=version.c.app_id, order_by=version.c.number).label("before")
    history = (
        select(version, before, app_table.c.deleted_at, app_table.c.organization_id)
        .join(app_table, app_table.c.id == version.c.app_id)
        .where(app_table.c.organization_id == call.organization)
        .subquery()
    )
    changed = func.greatest(history.c.created_at, history.c.deleted_at)
    feed = _Feed("versions", call, asked, (changed, history.c.app_id, history.c.number))
    async with call.reading() as connection:
        found, more = await feed.read(connection, select(history))
    data = [versions.shown(row) | {"deleted": row.deleted_at is not None} for row in found]
    return feed.answer(found, more, data)


@router.get("/connections", response_model=shapes.Feed[shapes.ExportedConnection])
async def of_connections(call: Connections, asked: Asked) -> Response:
    """Connections that changed in any way; deleted ones are those that left the lists."""
    keys = (connection_table.c.modified_at, connection_table.c.id, literal(0))
    feed = _Feed("connections", call, asked, keys)
    rows = described().where(connection_table.c.organization_id == call.organization)
    async with call.reading() as connection:
        found, more = await feed.read(connection, rows)
        shown = await whole(connection, call, found)
    data = [body | {"deleted": row.removed_at is not None} for body, row in zip(shown, found, strict=True)]
    return feed.answer(found, more, data)
