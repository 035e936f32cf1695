"""Versions: immutable, numbered scope sets of an app, 1, 2, 3 … without a gap."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import structlog
from fastapi import Depends, Query, Response
from pydantic import Field
from sqlalchemy import Select, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from portal import routes, shapes
from portal.answers import json_answer, stamp
from portal.callers import Call, developer
from portal.catalogue import described
from portal.events import tell
from portal.fields import AppPath, Body, Scopes, VersionPath
from portal.idempotency import ONCE
from portal.listing import Paging, Signed, paged, sorting, total, window
from portal.living import living_app, locked_app
from portal.problems import Problem, missing
from portal.tables import Record, version
from portal.tables import app as app_table

log = structlog.get_logger()
router = routes.router("versions", prefix="/apps/{app}/versions")
Reader = Annotated[Call, Depends(developer("dp.app.versions:r"))]
Writer = Annotated[Call, Depends(developer("dp.app.versions:w"))]
SORTS = {"Version": "number", "CreatedOn": "created_at"}
FOREVER = "private, max-age=31536000, immutable"
SCOPES = select(version.c.scopes).where(
    version.c.app_id == bindparam("of_app"), version.c.number == bindparam("wanted")
)


class Release(Body):
    """The full new scope set; *expectedLatest* guards against releasing over somebody else's version."""

    scopes: Scopes
    expected_latest: Annotated[int, Field(ge=1, lt=2**31)] | None = None


class VersionListing(Paging):
    """Which page of the history; newest first unless asked otherwise."""

    sort: Annotated[Literal["Version", "+Version", "-Version", "CreatedOn", "+CreatedOn", "-CreatedOn"], Signed] = (
        "-Version"
    )


def diff(before: Sequence[str], after: Sequence[str]) -> dict[str, list[str]]:
    """What came and what went, each sorted."""
    return {"added": sorted(set(after) - set(before)), "removed": sorted(set(before) - set(after))}


def _history(app: int) -> Select[Any]:
    """Each version beside the scopes of the one before it."""
    before = func.lag(version.c.scopes).over(order_by=version.c.number).label("before")
    history = select(version, before).where(version.c.app_id == app).subquery()
    return select(history)


def shown(row: Record) -> dict[str, Any]:
    """A version with what it changed."""
    return {
        "appId": row.app_id,
        "version": row.number,
        "createdOn": stamp(row.created_at),
        "createdBy": {"id": row.created_by_id, "name": row.created_by},
        "scopes": described(row.scopes),
        **diff(row.before or (), row.scopes),
    }


@router.get("", response_model=shapes.Page[shapes.Version])
async def listed(call: Reader, app: AppPath, asked: Annotated[VersionListing, Query()]) -> Response:
    """The version history of an app."""
    name, descending = sorting(asked.sort, SORTS)
    rows = _history(app)
    # Numbers break ties: two versions may be released within one instant of a clock that stands still.
    keys = [rows.selected_columns[name], rows.selected_columns["number"]]
    ordered = rows.order_by(*(key.desc() if descending else key.asc() for key in keys))
    async with call.reading() as connection:
        await living_app(connection, call, app)
        found = (await connection.execute(window(asked, ordered))).all()
        count = await total(connection, asked, rows)
    return paged(asked, [shown(row) for row in found], count)


@router.get("/{number}", response_model=shapes.Version)
async def read(call: Reader, app: AppPath, number: VersionPath) -> Response:
    """One version, which never changes."""
    async with call.reading() as connection:
        await living_app(connection, call, app)
        rows = _history(app)
        row = (await connection.execute(rows.where(rows.selected_columns["number"] == number))).first()
    if row is None:
        raise missing("version")
    answer = json_answer(shown(row), etag=True)
    answer.headers["Cache-Control"] = FOREVER
    return answer


@router.get("/{number}/diff", response_model=shapes.Difference)
async def difference(
    call: Reader,
    app: AppPath,
    number: VersionPath,
    before: Annotated[int | None, Query(alias="from", ge=0, lt=2**31)] = None,
) -> Response:
    """What changed between two versions; version 0 is the empty set."""
    start = number - 1 if before is None else before
    async with call.reading() as connection:
        await living_app(connection, call, app)
        after = await _scopes(connection, app, number)
        if after is None:
            raise missing("version")
        base = [] if start == 0 else await _scopes(connection, app, start)
    if base is None:
        raise missing("version")
    return json_answer({"appId": app, "from": start, "to": number, **diff(base, after)})


async def _scopes(connection: AsyncConnection, app: int, number: int) -> list[str] | None:
    return (await connection.execute(SCOPES, {"of_app": app, "wanted": number})).scalar_one_or_none()


@router.post("", dependencies=ONCE, response_model=shapes.Version, status_code=201)
async def release(call: Writer, app: AppPath, body: Release) -> Response:
    """The next version, exactly one for each real change; releases of one app wait for each other."""
    async with call.writing() as connection:
        latest = (await locked_app(connection, call, app)).latest_version
        if body.expected_latest not in (None, latest):
            raise Problem(409, "version_conflict", f"The latest version is {latest}.", latestVersion=latest)
        before = await _scopes(connection, app, latest)
        if before == body.scopes:
            raise Problem(409, "scopes_unchanged", f"Version {latest} has these scopes.", latestVersion=latest)
        row = await _released(connection, call, app, latest + 1, body.scopes)
        changed = diff(before or (), row.scopes)
        await tell(connection, "app.version.created", call, app, version=row.number, **changed)
    log.info("version.released", app=app, version=row.number)
    named = {"appId": app, "version": row.number, "createdOn": stamp(row.created_at)}
    by = {"id": call.client, "name": call.name}
    body_out = {**named, "createdBy": by, "scopes": described(row.scopes), **changed}
    where = f"/portal/v2/organization/{call.organization}/apps/{app}/versions/{row.number}"
    return json_answer(body_out, status=201, location=where)


async def _released(connection: AsyncConnection, call: Call, app: int, number: int, scopes: list[str]) -> Record:
    values = {"app_id": app, "number": number, "scopes": scopes, "created_at": call.now}
    values |= {"created_by_id": call.client, "created_by": call.name}
    row: Record = (await connection.execute(insert(version).values(values).returning(version))).one()
    changed = {"latest_version": number, "modified_at": call.now}
    await connection.execute(update(app_table).where(app_table.c.id == app).values(changed))
    return row
