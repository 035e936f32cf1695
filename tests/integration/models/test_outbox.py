"""Very many messages at once: a batch of them is taken up and settled without a look at all the others."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from secrets import token_hex

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from models.base import engine_for
from models.outbox import Settlement, claim_notices, settle
from models.stopped import stop
from tests.servers import Servers, create, drop

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
FEW, MANY, BATCH = 8, 10_000, 50
READ = """
SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables WHERE relname IN ('notice', 'attempt')
"""


@pytest.fixture
def session(servers: Servers) -> Iterator[Session]:
    """On a database of its own, where nothing is left of what others wrote, as the product opens one."""
    name = f"{servers.prefix}_{token_hex(6)}"
    engine = engine_for(create(servers.admin, name, servers.template))
    with Session(engine) as session:
        yield session
    engine.dispose()
    drop(servers.admin, name)


def queue(session: Session, receiver: str, count: int) -> None:
    """Messages to a receiver that are due at the same moment."""
    made = """
    INSERT INTO notice (key, receiver, "to", reason, subject, body, state, created_at, due_at)
    SELECT :receiver || gen_random_uuid(), :receiver, '', 'first', 's', repeat('A text ', 40), 'due', :now, :now
    FROM generate_series(1, :count)
    """
    session.execute(text(made), {"receiver": receiver, "count": count, "now": NOW})
    session.commit()


def send(session: Session) -> float:
    """Take one batch up and settle it; how many rows were read for each."""
    claimed = claim_notices(session, now=NOW, most=BATCH)
    session.commit()
    for notice in claimed:
        assert settle(session, notice, Settlement("sent", "ok"), now=NOW)
    read = session.scalars(text(READ)).one() / len(claimed)
    session.commit()
    return float(read)


def test_a_batch_of_very_many(session: Session) -> None:
    """All are due at the same moment, as after a release, and only those of the batch are read."""
    queue(session, "ops", MANY)
    session.execute(text("ANALYZE notice"))
    session.commit()
    assert len(claim_notices(session, now=NOW, most=BATCH)) == BATCH
    assert session.scalars(text(READ)).one() < 10 * BATCH


def test_few_and_then_many(session: Session) -> None:
    """A connection that has sent when there were few messages does not look through all when there are many."""
    queue(session, "ops", FEW)
    for table in ("notice", "attempt"):
        session.execute(text(f"ANALYZE {table}"))
    send(session)
    queue(session, "ops", MANY)
    assert send(session) < MANY / 10
    # To settle one takes a sixth of the time that it takes to plan that.
    kept = "SELECT generic_plans > 0 FROM pg_prepared_statements"
    assert session.scalars(text(kept)).one()


def test_who_rests_has_no_share(session: Session) -> None:
    """What waits for a receiver that cannot be used leaves its place in a batch to the others'."""
    for receiver in ("ops", "tenants"):
        queue(session, receiver, BATCH)
    stop(session, "ops", reason="401", now=NOW)
    assert Counter(one.receiver for one in claim_notices(session, now=NOW, most=BATCH)) == {"tenants": BATCH}
