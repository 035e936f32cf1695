"""The session that a request reads by."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends
from sqlalchemy.orm import Session as OrmSession

from models import Session


def reading() -> Iterator[OrmSession]:
    """A session for one request."""
    with Session() as session:
        yield session


Reading = Annotated[OrmSession, Depends(reading)]
