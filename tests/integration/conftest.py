"""Real servers for the tests: our own embedded PostgreSQL and Valkey, started when the first test asks."""

from collections.abc import Iterator

import pytest

from models.migrations import upgrade
from worker.embedded import Postgres, Valkey


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL of this test process; what it holds is thrown away."""
    server = Postgres(tmp_path_factory.mktemp("postgres"), disposable=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def database_url(postgres: Postgres) -> str:
    """The address of a database with our schema in it."""
    upgrade(postgres.dsn)
    return postgres.dsn


@pytest.fixture(scope="session")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Valkey of this test process, as Celery writes it."""
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server.broker_url
    server.stop()
