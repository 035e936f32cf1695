"""How every list is answered: page by page as JSON, or all of it as CSV, from one function that fetches rows."""

import base64
import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, TypeAdapter
from sqlalchemy.orm import Session as OrmSession

from dashboard.access import RefusedError, Viewer
from dashboard.reading import Reading
from models import Session

Place = tuple[str | int | datetime, ...]
Row = TypeVar("Row")
AT_ONCE = 1000  # rows of a CSV that are held at a time
_LARGEST = 2**63 - 1


class Page(BaseModel, Generic[Row]):
    """Some rows of a list; *next* is the cursor of the page that follows, null on the last one."""

    model_config = ConfigDict(frozen=True)

    data: list[Row]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Listing(Generic[Row]):
    """The rows that a caller asked for, in an order in which each has a place; None is before the first."""

    name: str  # of the file
    # The next so many after a place, each with its own.
    fetch: Callable[[OrmSession, Any, int], Sequence[tuple[Place, Row]]]
    kinds: tuple[type, ...]  # what a place is made of

    def page(self, session: OrmSession, cursor: str | None, most: int) -> Page[Row]:
        """So many rows at most, from the start or from *cursor* on; raises RefusedError for one of another list."""
        found = self.fetch(session, _place(cursor, self.kinds), most + 1)
        following = _cursor(found[most - 1][0]) if len(found) > most else None
        return Page(data=[one for _, one in found[:most]], next=following)


def add_list(router: APIRouter, path: str, listed: Callable[..., Listing[Row]], *, row: type[Row]) -> None:
    """Answer *path* page by page and *path*.csv as a whole with what *listed*, a dependency, says is meant."""
    pages: TypeAdapter[Page[Row]] = TypeAdapter(Page[row])  # type: ignore[valid-type]  # known when it runs
    wanted = Depends(listed)

    def page(
        _: Viewer,
        request: Request,
        session: Reading,
        listing: Any = wanted,
        cursor: Annotated[str | None, Query(max_length=1000, description="`next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="So many rows at most.")] = 100,
    ) -> Response:
        return validated(request, pages.dump_json(listing.page(session, cursor, limit)))

    page.__doc__ = listed.__doc__
    name = listed.__name__
    router.add_api_route(path, page, response_model=Page[row], operation_id=name, summary=_title(name))  # type: ignore[valid-type]  # as above
    add_csv(router, path, listed, row=row)


def add_csv(router: APIRouter, path: str, listed: Callable[..., Listing[Row]], *, row: type[Row]) -> None:
    """Answer *path*.csv with all that *listed*, a dependency, says is meant."""
    wanted = Depends(listed)

    def as_csv(_: Viewer, listing: Any = wanted) -> Response:
        headers = {"Content-Disposition": f'attachment; filename="{listing.name}.csv"'}
        return StreamingResponse(_lines(listing, row), media_type="text/csv; charset=utf-8", headers=headers)

    as_csv.__doc__ = listed.__doc__
    name = listed.__name__
    router.add_api_route(
        f"{path}.csv",
        as_csv,
        response_class=Response,
        responses={200: {"content": {"text/csv": {}}, "description": "All rows, with a line of column names."}},
        operation_id=f"{name}_csv",
        summary=f"{_title(name)}, as CSV",
    )


def few(
    name: str,
    found: Callable[[OrmSession], Sequence[Row]],
    place: Callable[[Row], Place],
    *,
    kinds: tuple[type, ...] = (int,),
) -> Listing[Row]:
    """A list that is short enough to be made as a whole for each page, by the place of each row.

    The order is ours, and so the same as that of a cursor, whatever a database says of letters.
    """

    def fetch(session: OrmSession, after: Any, most: int) -> Sequence[tuple[Place, Row]]:
        placed = sorted(((place(one), one) for one in found(session)), key=lambda pair: pair[0])
        return [(mine, one) for mine, one in placed if after is None or mine > after][:most]

    return Listing(name, fetch, kinds)


def validated(request: Request, body: bytes) -> Response:
    """*body* with a mark of its content, or 304 where the caller has it already."""
    mark = f'W/"{blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": mark, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
    known = {one.strip() for one in request.headers.get("if-none-match", "").split(",")}
    if known & {mark, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _cursor(place: Place) -> str:
    written = json.dumps(place, separators=(",", ":"), default=datetime.isoformat)
    return base64.urlsafe_b64encode(written.encode()).decode().rstrip("=")


def _place(cursor: str | None, kinds: tuple[type, ...]) -> Place | None:
    """The place that *cursor*, the `next` of a page, is for; raises RefusedError for what is none of this list's."""
    if not cursor:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        read = [
            datetime.fromisoformat(one) if kind is datetime else one for one, kind in zip(found, kinds, strict=True)
        ]
    except (ValueError, TypeError, RecursionError):
        read = []
    if not (tuple(map(type, read)) == kinds and all(map(_is_kept, read))):
        raise RefusedError(400, "That cursor is none of this list's: take `next` of the page before.")
    return tuple(read)


def _is_kept(value: str | int | datetime) -> bool:
    """Whether PostgreSQL can hold it."""
    if isinstance(value, datetime):
        return value.tzinfo is not None and value.year > 1
    if isinstance(value, int):
        return abs(value) <= _LARGEST
    # Half a pair of UTF-16 is no character.
    return "\0" not in value and not any("\ud800" <= one <= "\udfff" for one in value)


def _lines(listing: Listing[Row], row: type[Row]) -> Iterator[str]:
    """The CSV (RFC 4180) a piece at a time; it holds so many rows as are fetched at once."""
    names = [one.name for one in fields(row)]  # type: ignore[arg-type]  # rows are dataclasses
    yield _written([names])
    after: Place | None = None
    while True:
        # Not the request's session: that one may be gone while the last lines are on their way.
        with Session() as session:
            found = listing.fetch(session, after, AT_ONCE)
        if not found:
            return
        yield _written([[_cell(getattr(one, name)) for name in names] for _, one in found])
        after = found[-1][0]


def _written(rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def _cell(value: object) -> str:
    """One cell; what a spreadsheet would take for a formula is text with a quote before it."""
    if value is None:
        return ""
    if is_dataclass(value) and not isinstance(value, type):
        return json.dumps(asdict(value), ensure_ascii=False, default=_cell)
    if isinstance(value, str):
        return f"'{value}" if value.lstrip("\ufeff ").startswith(_FORMULAS) else value
    if isinstance(value, (bool, dict)):
        return json.dumps(value, ensure_ascii=False) if value != {} else ""
    if isinstance(value, datetime):
        return value.isoformat()
    return _cell(" ".join(map(str, value))) if isinstance(value, (list, tuple)) else str(value)


# Full-width signs begin a formula, too, for who types in East Asia.
_FORMULAS = (*"=+-@\t\r\n\0", *"\uff1d\uff0b\uff0d\uff20")
