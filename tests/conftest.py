"""Real servers for whoever asks: started once per run, in the process pytest was started as, under pytest-xdist too."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from tests.servers import Keeper, Servers, ask, create, drop

UNIT = Path(__file__).parent / "unit"
KEEPER = pytest.StashKey[Keeper]()
ADDRESS = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Open the keeper of the servers, which starts none before a test asks."""
    # Taken out of the environment: our own settings refuse names that they do not know.
    database_url = os.environ.pop("UPTAKE_TEST_DATABASE_URL", None)
    told = getattr(config, "workerinput", None)
    if told is not None:
        config.stash[ADDRESS] = told["servers"]
        return
    config.stash[KEEPER] = Keeper(database_url)
    config.stash[ADDRESS] = config.stash[KEEPER].address


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: pytest.Item) -> None:
    """Tell a worker of pytest-xdist whom to ask."""
    vars(node)["workerinput"]["servers"] = node.config.stash[ADDRESS]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers, whatever way the run ended."""
    if keeper := config.stash.get(KEEPER, None):
        keeper.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a unit test that asks for a server."""
    for item in items:
        if item.path.is_relative_to(UNIT) and "servers" in getattr(item, "fixturenames", ()):
            raise pytest.UsageError(f"{item.nodeid} asks for a server; it belongs in tests/integration")


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    """The run's servers."""
    return ask(pytestconfig.stash[ADDRESS])


@pytest.fixture(scope="session")
def database_url(servers: Servers, worker_id: str) -> Iterator[str]:
    """A migrated database, one per test process; tests that commit clean up after themselves."""
    name = f"{servers.prefix}_{worker_id}"
    yield create(servers.admin, name, servers.template)
    drop(servers.admin, name)


@pytest.fixture
def fresh_database(servers: Servers) -> Iterator[Callable[[], str]]:
    """A factory of brand-new, empty databases, dropped after the test."""
    made: list[str] = []

    def fresh() -> str:
        made.append(f"{servers.prefix}_{token_hex(6)}")
        return create(servers.admin, made[-1])

    yield fresh
    for name in made:
        drop(servers.admin, name)


@pytest.fixture(scope="session")
def redis_url(servers: Servers, worker_id: str) -> str:
    """Valkey for redis-py, a numbered database per test process."""
    return f"{servers.redis}?db={_number(worker_id)}"


@pytest.fixture(scope="session")
def broker_url(servers: Servers, worker_id: str) -> str:
    """Valkey for Celery, the same numbered database as `redis_url`."""
    return f"{servers.broker}?virtual_host={_number(worker_id)}"


def _number(worker_id: str) -> int:
    # "master" without pytest-xdist, else gw0, gw1 ...
    return int(worker_id.removeprefix("gw")) % 16 if worker_id.startswith("gw") else 0
