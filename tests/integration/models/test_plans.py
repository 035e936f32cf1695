"""No question of pages and API looks through a whole table that grows with the connections or with time."""

from ast import FunctionDef, ImportFrom, parse
from collections.abc import Iterator
from pathlib import Path
from random import Random
from secrets import token_hex

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from bench import questions
from bench.plans import whole
from bench.questions import LABOURS, QUESTIONS, Known, Question
from bench.years import live
from bench.years.sizes import Years
from models import queries
from models.base import engine_for
from models.queries.event_feed import FIRST, WantedEvents, events_after
from models.queries.recount import counters_apart, tallies_apart
from models.replay import replay
from tests.servers import Servers, create, drop

QUERIES = Path(queries.__file__).parent
# Of so few threads as there are here, all are as near as those of one app.
WANTING = {"threads: of an app": {"ix_reminder_due_at"}}
# What no page and no answer of the API or of `/metrics` asks, each with who does.
ASKED_ELSEWHERE = {
    "accounts.audit_chain": "`uptake doctor` goes through the whole trail, to see that nothing is missing",
    "impact.asked": "`uptake foresee` compares every tenant of an app with scopes that are not released yet",
    "impact.pace": "`uptake foresee` looks at every stretch of an app",
    "planned.lagging": "`uptake plan` goes through everybody who lags",
    "planned.steps": "`uptake plan` reads what has begun since",
    "planned.tellings": "`uptake plan` reads what has been told",
    "recorded.recorded": "`uptake backtest` reads the past as a whole",
    "recount.counters_apart": "the auditor and `uptake doctor` recount everything",
    "recount.tallies_apart": "the auditor and `uptake doctor` recount everything",
    "sent.messages": "`uptake backtest` reads the past as a whole",
    "sent.steps": "`uptake backtest` reads the past as a whole",
    "taken.releases": "a part of what is worked out ahead",
    "taken.taken": "a part of what is worked out ahead",
    "taken.taken_by_cohort": "a part of what is worked out ahead",
}


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


@pytest.mark.parametrize("question", [pytest.param(one, id=one.name) for one in (*QUESTIONS, *LABOURS)])
def test_no_table_is_read_whole(lived: Engine, known: Known, question: Question) -> None:
    """Each large table is found by an index, with a condition or in an order of which only the first are wanted."""
    # The same is asked whatever was asked before.
    known.chance = Random(question.name)
    with Session(lived) as session:
        found = whole(session, lambda session: question.ask(session, known), forced=True)
    known_to = {question.counts} | WANTING.get(question.name, set())
    assert [(one.table, one.index) for one in found if one.index is None or one.index not in known_to] == []


def test_no_more_of_the_feed_is_read_than_is_told(lived: Engine) -> None:
    """How far was looked is asked only where fewer are found than may be told."""
    fetched = text("SELECT sum(idx_tup_fetch) FROM pg_stat_xact_user_tables WHERE relname LIKE 'event%'")

    def read(*types: str) -> int:
        with Session(lived) as session:
            # In the order of the index, as it is read where there are more of them than here.
            for way in ("sort", "seqscan", "bitmapscan"):
                session.execute(text(f"SET LOCAL enable_{way} = off"))
            # What the connection did for others may not be told of yet, and counts in.
            before = session.scalar(fetched) or 0
            events_after(session, FIRST, WantedEvents(types=types), most=10)
            return int(session.scalar(fetched) or 0) - int(before)

    assert 10 <= read("*") < 100
    assert read("no.such") > 1000


def test_no_question_is_compiled(lived: Engine) -> None:
    """A server that can do that would take longer for it than for the answer."""
    with Session(lived) as session:
        assert session.scalar(text("SHOW jit")) == "off"


def test_one_message_once_more(lived: Engine) -> None:
    """Its next number is found by the index on whole keys, however many messages there are; a gap is filled."""
    with Session(lived) as session:
        notice, key = session.execute(text("SELECT id, key FROM notice WHERE state = 'sent' ORDER BY id LIMIT 1")).one()
        now = session.execute(text("SELECT now()")).scalar_one()

        def again(session: Session) -> int:
            made = replay(session, notice, now=now)
            assert made
            return made

        assert whole(session, again, forced=True) == []
        two = again(session)
        session.execute(text("DELETE FROM notice_reminder WHERE notice_id = :id"), {"id": two})
        session.execute(text("DELETE FROM notice WHERE id = :id"), {"id": two})
        again(session)
        again(session)
        query = "SELECT key FROM notice WHERE key LIKE :key || ':replay:%' ORDER BY id"
        assert session.scalars(text(query), {"key": key}).all() == [f"{key}:replay:{n}" for n in (1, 2, 3)]


def test_every_question_is_asked() -> None:
    """Each public function of models.queries that takes a session is among the questions, or is asked elsewhere."""
    every = {
        f"{path.stem}.{one.name}"
        for path in QUERIES.glob("*.py")
        for one in parse(path.read_text()).body
        if isinstance(one, FunctionDef) and not one.name.startswith("_") and one.args.args[:1]
        if one.args.args[0].arg == "session"
    }
    # Nothing is imported there that is not asked: the linter sees to that.
    taken = {
        f"{one.module.removeprefix(queries.__name__ + '.')}.{alias.name}"
        for path in Path(questions.__file__).parent.glob("*.py")
        for one in parse(path.read_text()).body
        if isinstance(one, ImportFrom) and one.module
        for alias in one.names
    }
    assert every - taken == set(ASKED_ELSEWHERE)


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
