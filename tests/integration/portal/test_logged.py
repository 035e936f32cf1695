"""What goes wrong in the database is told in the log and to the caller, and no secret with it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text

from tests.integration.portal.conftest import empty_portal
from tests.integration.portal.world import Caller, World, code
from tests.servers import Servers


class Serving(NamedTuple):
    """A portal in a process of its own, as it is run."""

    engine: Engine
    base: str
    log: Path


@pytest.fixture
def serving(servers: Servers, tmp_path: Path) -> Iterator[Serving]:
    """One, on a database of its own, with all that it says in a file."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    with empty_portal(servers) as url, log.open("wb") as said:
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        told = {**os.environ, "DATABASE_URL": url}
        command = [sys.executable, "-m", "portal", "serve", "--port", str(port), "--rate", "0", "--token-rate", "0"]
        with subprocess.Popen(command, env=told, stdout=said, stderr=said) as process:
            while process.poll() is None and not _answers(base):
                time.sleep(0.05)
            yield Serving(engine, base, log)
            process.terminate()
        engine.dispose()


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/healthz").is_success
    except httpx.TransportError:
        return False


def subscribe(developer: Caller) -> httpx.Response:
    """A call that stores a secret in the clear."""
    return developer("POST", "/event-subscriptions", json={"url": "https://receiver.example/"})


def test_database_that_takes_no_writes(serving: Serving) -> None:
    """After a failover to a standby, calls and tokens answer 503 and when to come back, and secrets stay unsaid."""
    developer = World(serving.engine, serving.base, []).developer()
    assert subscribe(developer).status_code == 201
    name = serving.engine.url.database
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :d AND pid <> pg_backend_pid()"
    with serving.engine.connect() as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
        connection.execute(text(others), {"d": name})
    for _ in range(40):
        answers = [subscribe(developer), developer.token()]
        assert {code(answer) for answer in answers} == {(503, "unavailable")}
        assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
    assert "25006" in serving.log.read_text()
    assert "whsec_" not in serving.log.read_text()
    developer.close()


def test_row_that_the_database_refuses(serving: Serving) -> None:
    """A fault of ours is logged with its place and its code, without the row that PostgreSQL quotes."""
    developer = World(serving.engine, serving.base, []).developer()
    with serving.engine.connect() as connection:
        connection.execute(text("ALTER TABLE portal.subscription ADD CONSTRAINT never CHECK (secret = 'canary')"))
    assert code(subscribe(developer)) == (500, "internal_error")
    said = serving.log.read_text()
    assert "23514" in said
    assert "in subscribe" in said
    assert "whsec_" not in said
    developer.close()
