"""One rolled-back transaction per test, savepoints inside, and a small world to record."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session as OrmSession

from models import Session
from models.base import engine_for
from models.migrations import upgrade
from tests.integration.models.world import World
from tests.servers import create
from worker.embedded import Postgres

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture(scope="session")
def engine(database_url: str) -> Iterator[Engine]:
    """The engine of this run's migrated database."""
    engine = engine_for(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[OrmSession]:
    """A session whose commits are savepoints inside a transaction that is rolled back."""
    with engine.connect() as connection:
        outer = connection.begin()
        Session.configure(bind=connection, join_transaction_mode="create_savepoint")
        with Session() as session:
            yield session
        outer.rollback()


@pytest.fixture
def world(session: OrmSession) -> World:
    """A source `acme` with one app `4711`, never polled."""
    session.execute(text("SET LOCAL timezone = 'UTC'"))
    return World.founded(session, MONDAY, step=timedelta(minutes=15))


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own, with a migrated database called template; the address of another one there.

    For what waits until no transaction of the server may come before: other tests have long ones.
    """
    with Postgres(tmp_path_factory.mktemp("alone") / "data", disposable=True) as admin:
        upgrade(create(admin, "template"))
        yield admin
