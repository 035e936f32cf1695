"""A database for histories."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine

from models.base import engine_for


@pytest.fixture(scope="module")
def engine(database_url: str) -> Iterator[Engine]:
    """The engine of this run's migrated database."""
    engine = engine_for(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A connection whose transactions are rolled back."""
    with engine.connect() as connection:
        yield connection
