"""Very many messages at once: a batch of them is taken up and settled without a look at all the others."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from psycopg import Connection as Driver
from sqlalchemy import text

from models.outbox import Settlement, claim_notices, settle
from models.stopped import stop
from tests.integration.models.world import World

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
FEW, MANY, BATCH = 8, 10_000, 50
READ = """
SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables WHERE relname IN ('notice', 'attempt')
"""


@pytest.fixture(autouse=True)
def planned_as_in_production(world: World) -> None:
    """As everywhere but in tests, rows of an index are as near as those of a table, and no plan is kept by itself."""
    world.session.execute(text("SET random_page_cost = 1.1"))
    driver = world.session.connection().connection.driver_connection
    assert isinstance(driver, Driver)
    driver.prepare_threshold = None
    world.session.commit()


def queue(world: World, receiver: str, count: int) -> None:
    """Messages to a receiver that are due at the same moment."""
    made = """
    INSERT INTO notice (key, receiver, "to", reason, subject, body, state, created_at, due_at)
    SELECT :receiver || gen_random_uuid(), :receiver, '', 'first', 's', repeat('A text ', 40), 'due', :now, :now
    FROM generate_series(1, :count)
    """
    world.session.execute(text(made), {"receiver": receiver, "count": count, "now": NOW})
    world.session.commit()


def send(world: World) -> float:
    """Take one batch up and settle it; how many rows were read for each."""
    claimed = claim_notices(world.session, now=NOW, most=BATCH)
    world.session.commit()
    for notice in claimed:
        assert settle(world.session, notice, Settlement("sent", "ok"), now=NOW)
    read = world.rows(READ)[0][0] / len(claimed)
    world.session.commit()
    return float(read)


def test_a_batch_of_very_many(world: World) -> None:
    """All are due at the same moment, as after a release, and only those of the batch are read."""
    queue(world, "ops", MANY)
    world.session.execute(text("ANALYZE notice"))
    world.session.commit()
    assert len(claim_notices(world.session, now=NOW, most=BATCH)) == BATCH
    assert world.rows(READ)[0][0] < 10 * BATCH


def test_few_and_then_many(world: World) -> None:
    """A connection that has sent when there were few messages does not look through all when there are many."""
    queue(world, "ops", FEW)
    for table in ("notice", "attempt"):
        world.session.execute(text(f"ANALYZE {table}"))
    send(world)
    queue(world, "ops", MANY)
    assert send(world) < MANY / 10
    # To settle one takes a sixth of the time that it takes to plan that.
    kept = "SELECT generic_plans > 0 FROM pg_prepared_statements"
    assert world.rows(kept) == [(True,)]


def test_who_rests_has_no_share(world: World) -> None:
    """What waits for a receiver that cannot be used leaves its place in a batch to the others'."""
    for receiver in ("ops", "tenants"):
        queue(world, receiver, BATCH)
    stop(world.session, "ops", reason="401", now=NOW)
    assert Counter(one.receiver for one in claim_notices(world.session, now=NOW, most=BATCH)) == {"tenants": BATCH}
