"""No question of pages and API looks through a whole table that grows with the connections or with time."""

from collections.abc import Iterator
from secrets import token_hex

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from bench.plans import whole
from bench.questions import QUESTIONS, Known, Question
from bench.years import live
from bench.years.sizes import Years
from models.base import engine_for
from models.queries.recount import counters_apart, tallies_apart
from tests.servers import Servers, create, drop


@pytest.fixture(scope="module")
def lived(servers: Servers) -> Iterator[Engine]:
    """Two years of a few apps."""
    name = f"{servers.prefix}_{token_hex(6)}"
    engine = engine_for(create(servers.admin, name, servers.template))
    live(engine, Years(connections=2_000, apps=5, polls_days=3), say=str)
    yield engine
    engine.dispose()
    drop(servers.admin, name)


@pytest.fixture(scope="module")
def known(lived: Engine) -> Known:
    """What may be asked about."""
    with Session(lived) as session:
        return Known.of(session, seed=1)


def test_it_is_what_polls_would_have_left(lived: Engine) -> None:
    """The counters are those of a recount, and each connection has a history."""
    with Session(lived) as session:
        assert counters_apart(session) == []
        assert tallies_apart(session) == []
        empty = "SELECT count(*) FROM connection c WHERE NOT EXISTS (SELECT FROM tenure t WHERE t.connection_id = c.id)"
        assert session.scalar(text(empty)) == 0
        assert session.scalar(text("SELECT count(*) FROM connection")) == 2_000


@pytest.mark.parametrize("question", [pytest.param(one, id=one.name) for one in QUESTIONS])
def test_no_table_is_read_whole(lived: Engine, known: Known, question: Question) -> None:
    """Each large table is found by an index, with a condition or in an order of which only the first are wanted."""
    with Session(lived) as session:
        found = whole(session, lambda session: question.ask(session, known), forced=True)
    # What fires is the alerts' own small part of the table.
    assert [(one.table, one.index) for one in found if one.index != "ix_alert_firing"] == []


def test_a_look_through_all_is_found(lived: Engine) -> None:
    """The search for such plans finds those that there are."""
    with Session(lived) as session:

        def scans(query: str) -> list[tuple[str, str | None]]:
            found = whole(session, lambda session: session.execute(text(query)), forced=True)
            return [(one.table, one.index) for one in found]

        assert scans("SELECT FROM event WHERE app_id = 1")
        assert {table for table, _ in scans("SELECT FROM event WHERE app_id = 1")} == {"event"}
        assert scans("SELECT count(*) FROM connection")
        assert scans("SELECT FROM connection ORDER BY id LIMIT 5") == []
        assert scans("SELECT FROM connection WHERE id = 5") == []
