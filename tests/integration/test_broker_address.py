"""A broker's socket, as Redis clients spell it, reached by Celery's own client."""

from typing import Any

import pytest
from kombu import Connection

from config.settings import load_settings
from tests.servers import Servers


def test_socket_in_the_words_of_redis_clients(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """unix://…?db=N leads Celery to the socket and to the database that were named."""
    assert servers.redis.startswith("unix://")
    monkeypatch.setenv("REDIS_URL", f"{servers.redis}?db=15")
    address = load_settings().redis_url
    assert address
    with Connection(address.get_secret_value()) as broker:
        channel: Any = broker.default_channel
        assert channel.client.client_info()["db"] == 15
