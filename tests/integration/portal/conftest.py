"""One portal per test process, on a database of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex

import pytest
from sqlalchemy import Engine, create_engine

from portal import migrations
from tests.integration.portal.world import Caller, World, served
from tests.servers import Servers, create, drop


@contextmanager
def empty_portal(servers: Servers) -> Iterator[str]:
    """The address of a database that holds the portal's schema and nothing else."""
    name = f"{servers.prefix}_portal_{token_hex(4)}"
    url = create(servers.admin, name)
    engine = create_engine(url)
    migrations.upgrade(engine)
    engine.dispose()
    yield url
    drop(servers.admin, name)


@pytest.fixture(scope="session")
def portal_database(servers: Servers) -> Iterator[str]:
    """The database of the portal that nearly all tests share."""
    with empty_portal(servers) as url:
        yield url


@pytest.fixture(scope="session")
def portal_engine(portal_database: str) -> Iterator[Engine]:
    """The engine behind the portal's back."""
    engine = create_engine(portal_database)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def portal_url(portal_database: str) -> Iterator[str]:
    """The address of a served portal with a clock that can be set."""
    with served(portal_database) as base:
        yield base


@pytest.fixture
def world(portal_engine: Engine, portal_url: str) -> Iterator[World]:
    """Makes callers that are hung up after the test."""
    world = World(portal_engine, portal_url, [])
    yield world
    for caller in world.callers:
        caller.close()


@pytest.fixture
def developer(world: World) -> Caller:
    """A client of a new organization."""
    return world.developer()


@pytest.fixture
def admin(world: World) -> Caller:
    """A tenant admin of a new tenant."""
    return world.admin()


@pytest.fixture(scope="module")
def pushing(servers: Servers) -> Iterator[tuple[Engine, str]]:
    """A portal that may send to this machine, on a database of its own: no other one sends what it queues."""
    with empty_portal(servers) as url, served(url, private_receivers=True) as base:
        engine = create_engine(url)
        yield engine, base
        engine.dispose()
