"""A database for several transactions at once."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, create_engine, text

from tests.servers import Servers, create, drop


@pytest.fixture
def apart(servers: Servers, worker_id: str) -> Iterator[Engine]:
    """A database with one app, for several transactions at once; whoever waits longer than a second fails."""
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    name = f"{servers.prefix}_locks_{worker_id}"
    engine = create_engine(
        create(servers.admin, name, servers.template), connect_args={"options": "-c lock_timeout=1s"}
    )
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO source (name, kind, next_poll_at) VALUES ('acme', 'portal', :now)"), {"now": now}
        )
        connection.execute(
            text("""INSERT INTO app (source_id, external_id, name, first_seen_at, next_poll_at)
                    VALUES (1, '4711', 'Dispatch Helper', :now, :now)"""),
            {"now": now},
        )
    yield engine
    engine.dispose()
    drop(servers.admin, name)
