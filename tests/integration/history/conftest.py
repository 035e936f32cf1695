"""A database for histories."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A connection whose transactions are rolled back."""
    with engine.connect() as connection:
        yield connection
