"""The session that a request reads by."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends
from sqlalchemy.orm import Session as OrmSession

from models import Session


def reading() -> Iterator[OrmSession]:
    """A session until the answer is made: not while it is sent, for whoever reads it slowly would keep it."""
    with Session() as session:
        yield session


Reading = Annotated[OrmSession, Depends(reading, scope="function")]
