"""The organization itself and the catalogue of scopes it may choose from."""

from typing import Annotated

from fastapi import Depends, Response
from sqlalchemy import bindparam, select

from portal import routes, shapes
from portal.answers import json_answer
from portal.callers import Call, developer
from portal.catalogue import described_groups
from portal.tables import organization

router = routes.router("organization")
Reader = Annotated[Call, Depends(developer("dp.app.apps:r"))]

READ = select(organization).where(organization.c.id == bindparam("wanted"))


@router.get("", response_model=shapes.Organization)
async def read(call: Reader) -> Response:
    """The caller's own organization."""
    async with call.reading() as connection:
        row = (await connection.execute(READ, {"wanted": call.organization})).one()
    return json_answer(
        {
            "id": str(row.id),
            "name": row.name,
            "homePageUrl": row.home_page_url,
            "environments": ["production", "integration"],
        }
    )


@router.get("/scope-groups", response_model=shapes.ListOf[shapes.ScopeGroup])
async def scope_groups(call: Reader) -> Response:  # noqa: ARG001 - only a known caller may read it
    """Every scope an app may ask for, in its group, with the levels it has."""
    return json_answer({"data": described_groups()}, etag=True)
