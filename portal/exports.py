"""Export feeds: everything that changed since a date or a token, deletions included, in the order of the changes.

A change shows after 15 minutes, when no transaction that began before it can still be open; with
`includeRecentChanges` at once, and then the token that ends a walk points back by as much, so that changes are
repeated rather than missed. A token is a position in the feed and nothing else: it never expires.
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
from portal.fields import Instant
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


class Position(NamedTuple):
    """A place in a feed: after the change at *at* of the row with these ids."""

    at: datetime
    first: int = 0
    second: int = 0


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


def _start(feed: str, text: str | None) -> Position:
    """The position that *text* names: a token of this feed, or a date; without any the beginning."""
    if text is None:
        return Position(datetime.min.replace(tzinfo=UTC))
    try:
        name, at, first, second = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if name == feed:
            return Position(_instant.validate_python(at), int(first), int(second))
    except (ValueError, TypeError, binascii.Error, msgspec.DecodeError):
        pass
    try:
        # A plus sign in a query string arrives as a space.
        return Position(_instant.validate_python(text.replace(" ", "+")))
    except ValidationError:
        raise invalid({"from": ["Give a date such as 2026-01-31T00:00:00Z, or a continueFrom of this feed."]}) from None


def _token(feed: str, position: Position) -> str:
    raw = msgspec.json.encode((feed, position.at.astimezone(UTC).isoformat(), position.first, position.second))
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class _Feed:
    """One walk's page of one feed; *keys* are the instant of a change and the ids that make it unique."""

    def __init__(self, name: str, call: Call, asked: Export, keys: Sequence[ColumnElement[Any]]) -> None:
        self._name = name
        self._asked = asked
        self._keys = keys
        self._start = _start(name, asked.from_)
        self._horizon = call.now - DELAY

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
        end = self._start
        if found:
            end = Position(found[-1].key_0, found[-1].key_1, found[-1].key_2)
        if not has_more and end.at > self._horizon:
            # A transaction that began before this walk may still commit an earlier change.
            end = max(self._start, Position(self._horizon)) if self._start.at <= self._horizon else self._start
        return json_answer({"hasMore": has_more, "continueFrom": _token(self._name, end), "data": data})


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
