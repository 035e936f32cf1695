"""The servers of the test run itself: shared, empty when promised empty, and gone afterwards."""

from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from kombu import Connection
from sqlalchemy import create_engine, inspect, text

from tests.servers import Keeper, Servers, ask, create


def _tables(url: str) -> list[str]:
    engine = create_engine(url)
    try:
        return inspect(engine).get_table_names()
    finally:
        engine.dispose()


def test_fresh_databases_are_empty_and_apart(database_url: str, fresh_database: Callable[[], str]) -> None:
    """What is made for one test holds nothing, unlike the migrated one."""
    one, two = fresh_database(), fresh_database()
    assert one != two
    assert _tables(one) == _tables(two) == []
    assert "connection" in _tables(database_url)


def test_both_addresses_lead_to_one_valkey(redis_url: str, broker_url: str) -> None:
    """A message sent by Celery's library is seen by the client, so neither looks into another worker's database."""
    with redis.Redis.from_url(redis_url) as client:
        client.delete("letters")
        with Connection(broker_url) as connection:
            connection.SimpleQueue("letters").put({"n": 1})
        assert client.llen("letters") == 1
        client.flushdb()


def test_foreign_server_is_left_as_it_was(servers: Servers) -> None:
    """With a server of somebody else's, only databases of the run's own are made, and none stays."""
    keeper = Keeper(servers.admin)
    theirs = ask(keeper.address)
    create(theirs.admin, f"{theirs.prefix}_left_behind", theirs.template)
    assert theirs.admin == servers.admin
    keeper.close()
    engine = create_engine(servers.admin)
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM pg_database WHERE starts_with(datname, :prefix)")
        assert connection.scalar(query, {"prefix": theirs.prefix}) == 0
    engine.dispose()
    assert not Path(keeper.address).exists()


def test_trouble_reaches_whoever_asks() -> None:
    """When the servers cannot be started, each test that needs them says why."""
    keeper = Keeper("postgresql+psycopg://nobody@/none?host=/nonexistent")
    try:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="/nonexistent"):
                ask(keeper.address)
    finally:
        keeper.close()
