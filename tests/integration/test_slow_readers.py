"""Whoever reads an answer slowly, or not at all, keeps nothing from others."""

from typing import Any

import httpx
from sqlalchemy import text

from models.base import engine_for
from tests.integration.test_api_events import WAIT, Own
from tests.integration.test_api_events import mine as mine  # noqa: PLC0414 - a fixture of that module, for this too
from tests.integration.test_api_events import own as own  # noqa: PLC0414 - as above
from tests.integration.test_api_events import served as served  # noqa: PLC0414 - as above

READERS = 20


def test_lists_that_nobody_reads(own: Own, mine: dict[str, str], served: Any) -> None:
    """Lists that are sent to slow readers hold no connection of the database: more are asked for than there are."""
    pool: Any = engine_for(own.url).pool
    assert pool.size() + pool._max_overflow < READERS
    with own.engine.begin() as connection:
        # More than any buffer on the way takes, in several of the pieces that are read at a time.
        connection.execute(
            text("""INSERT INTO event (at, type, app_id, data)
                    SELECT now(), 'a.b', app.id, jsonb_build_object('x', repeat('x', 4000))
                    FROM app, generate_series(1, 4000)""")
        )
    path = "/api/v1/events.csv?app=acme:4711"
    with httpx.Client(base_url=served.base, headers=mine, timeout=WAIT) as client:
        lists = [client.send(client.build_request("GET", path), stream=True) for _ in range(READERS)]
        assert [one.status_code for one in lists] == [200] * READERS
        assert client.get("/").status_code == 200
        for one in lists:
            one.close()
