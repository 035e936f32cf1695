"""What every list understands: pages, sorting, ids, and times before and after."""

from collections.abc import Callable
from operator import ge, lt
from typing import Annotated, Any, Literal

from fastapi import Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import FromClause

from portal.answers import page_answer
from portal.fields import Instant
from portal.tables import tenant


def _split(value: object) -> object:
    """`a,b` and repeated parameters mean the same."""
    given = value if isinstance(value, list) else [value]
    return [part.strip() for item in given for part in str(item).split(",")]


def _signed(value: object) -> object:
    """A plus sign in a query string arrives as a space."""
    return f"+{value[1:]}" if isinstance(value, str) and value.startswith(" ") else value


Several = BeforeValidator(_split)
Signed = BeforeValidator(_signed)
# What `sort` may name, and the column behind each name.
SORTS = {"Id": "id", "CreatedOn": "created_at", "ModifiedOn": "modified_at"}
# Ours, beside the contract: what a person types to find something.
Words = Annotated[str, Field(max_length=120, pattern=r"^[^\x00]*$")]
Id = Annotated[int, Field(ge=1, lt=2**63)]


class Paging(BaseModel):
    """Which page of a list, and whether to count it all."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    page: Annotated[int, Field(ge=1, lt=2**31)] = 1
    page_size: Annotated[int, Field(ge=1, le=500)] = 50
    include_total: bool = False


class Listing(Paging):
    """The common list query of the platform's APIs."""

    sort: Annotated[
        Literal[
            "Id", "+Id", "-Id", "CreatedOn", "+CreatedOn", "-CreatedOn", "ModifiedOn", "+ModifiedOn", "-ModifiedOn"
        ],
        Signed,
    ] = "Id"
    ids: Annotated[list[Id], Several, Field(max_length=50)] | None = None
    created_before: Instant | None = None
    created_on_or_after: Instant | None = None
    modified_before: Instant | None = None
    modified_on_or_after: Instant | None = None

    def conditions(self, table: FromClause) -> list[ColumnElement[bool]]:
        """The common filters, over the columns of *table*."""
        columns = table.c
        found = asked_for(
            (columns.created_at, lt, self.created_before),
            (columns.created_at, ge, self.created_on_or_after),
            (columns.modified_at, lt, self.modified_before),
            (columns.modified_at, ge, self.modified_on_or_after),
        )
        return [*found, columns.id.in_(self.ids)] if self.ids is not None else found

    def order(self, table: FromClause) -> list[ColumnElement[Any]]:
        """The order asked for, made total by the id; by id alone when nothing was asked."""
        column, descending = sorting(self.sort, SORTS)
        keys: list[ColumnElement[Any]] = [table.c[column], *([] if column == "id" else [table.c.id])]
        return [key.desc() if descending else key.asc() for key in keys]


def asked_for(*filters: tuple[Any, Callable[[Any, Any], Any], object]) -> list[ColumnElement[bool]]:
    """Those of *filters* (column, comparison, value) that were given a value."""
    return [compare(column, value) for column, compare, value in filters if value is not None]


def called(words: str) -> Select[Any]:
    """The tenants whose name holds *words*, or whose id begins so."""
    by_name = tenant.c.name.icontains(words, autoescape=True)
    return select(tenant.c.id).where(by_name | tenant.c.id.startswith(words, autoescape=True))


def sorting(text: str, names: dict[str, str]) -> tuple[str, bool]:
    """The column that *text* (`Id`, `+Id`, `-Id`) sorts by, and whether downwards."""
    return names[text.lstrip("+-")], text.startswith("-")


async def total(connection: AsyncConnection, paging: Paging, rows: Select[Any]) -> int | None:
    """How many *rows* there are, counted only when that was asked for."""
    if not paging.include_total:
        return None
    counted = select(func.count()).select_from(rows.order_by(None).subquery())
    return (await connection.execute(counted)).scalar_one()


def window(paging: Paging, rows: Select[Any]) -> Select[Any]:
    """The page asked for and one row more, which says whether there is another page."""
    return rows.limit(paging.page_size + 1).offset((paging.page - 1) * paging.page_size)


def paged(paging: Paging, rows: list[Any], count: int | None) -> Response:
    """Print what `window` found."""
    return page_answer(
        rows[: paging.page_size],
        page=paging.page,
        page_size=paging.page_size,
        has_more=len(rows) > paging.page_size,
        total=count,
    )
