"""A receiver's rate: kept by all senders together, and nobody else waits for it."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaitingError
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from models import Session
from models.outbox import claim_notices
from models.paced import reckon
from models.queries.overdue import overdue
from tasks import deliver
from tasks.deliver import deliver_now
from tasks.rules import rules
from tasks.tick import BELLS, due_work
from tests.integration.models.world import World
from tests.integration.tasks.conftest import TOML
from tests.integration.tasks.recorded import Ours
from uptake.channels import Message, Receipt
from uptake.channels.log import LogChannel
from uptake.errors import Fault, TransientError
from uptake.rates import Rate

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
STATES = "SELECT state, count(*) FROM notice WHERE receiver = 'ops' GROUP BY 1 ORDER BY 1"
ROWS = "SELECT id, xmin::text FROM notice WHERE state = 'due' ORDER BY id"
QUEUE = """INSERT INTO notice (key, receiver, "to", reason, group_id, subject, body, state, created_at, due_at)
           SELECT :receiver || n, :receiver, 'a@b.example', 'first', :group, 's', 'b', 'due', :at, :at
           FROM generate_series(cast(:first AS int), cast(:first AS int) + :count - 1) n"""
SENDER = """
from tasks.deliver import deliver_now
from worker.lifecycle import open_database
open_database()
deliver_now()
"""


def queue(count: int, receiver: str = "ops", *, at: datetime = NOW, group: int | None = None, first: int = 1) -> None:
    """So many notices, due since *at*."""
    bound = {"count": count, "receiver": receiver, "at": at, "group": group, "first": first}
    with Session.begin() as session:
        session.execute(text(QUEUE), bound)


@pytest.fixture
def sent(chosen: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of what went out; the receiver `ops` takes three in an hour."""
    choose(chosen, "3/h")
    keys: list[str] = []

    def send(_: LogChannel, message: Message) -> Receipt:
        keys.append(message.key)
        return Receipt("ok")

    monkeypatch.setattr(LogChannel, "send", send)
    return keys


def choose(chosen: Path, rate: str, kind: str = 'kind = "log"') -> None:
    """Let `ops` have this rate, and be of this kind."""
    portal = chosen.read_text().partition("[policy]")[0]
    ops = TOML.replace('name = "ops"\nkind = "log"', f'name = "ops"\nrate = "{rate}"\n{kind}')
    chosen.write_text(portal + ops)
    rules.cache_clear()


def test_two_deliverers(ours: Ours, chosen: Path, tmp_path: Path) -> None:
    """Two processes send no more than one would: what exceeds the rate waits, untried."""
    box = f'kind = "file"\nfolder = "{tmp_path / "box"}"\nfrom = "u@b.example"\nto = ["a@b.example"]'
    choose(chosen, "7/h", box)
    queue(30)
    environment = os.environ | {"DATABASE_URL": ours.url}
    both = [subprocess.Popen([sys.executable, "-c", SENDER], env=environment) for _ in range(2)]
    assert [each.wait() for each in both] == [0, 0]
    assert len(list((tmp_path / "box").glob("*.eml"))) == 7
    assert ours.rows("SELECT state, attempts, count(*) FROM notice GROUP BY 1, 2 ORDER BY 1") == [
        ("due", 0, 23),
        ("sent", 1, 7),
    ]
    assert ours.rows("SELECT count(*) FROM attempt") == [(7,)]


def test_one_counts_at_a_time(ours: Ours, sent: list[str]) -> None:
    """Whoever claims while another one does waits for what that one uses, and only then looks for room."""
    queue(9, at=NOW - HOUR)
    deliver_now(now=NOW - HOUR)

    def claimed() -> int:
        with Session.begin() as session:
            return len(claim_notices(session, now=NOW, most=50, rates=rules().rates))

    with ThreadPoolExecutor(1) as other, Session() as session:
        assert len(claim_notices(session, now=NOW, most=50, rates=rules().rates)) == 3
        second = other.submit(claimed)
        with pytest.raises(StillWaitingError):
            second.result(timeout=0.5)
        session.commit()
        assert second.result(timeout=5) == 0


def test_waits_untouched_and_goes_on_in_order(world: World, sent: list[str]) -> None:
    """Who looks again before there is room changes no row; then the next three go out, and none is lost."""
    queue(8)
    assert deliver_now(now=NOW) == 3
    before = world.rows(ROWS)
    for minutes in (0, 1, 59):
        assert deliver_now(now=NOW + minutes * MINUTE) == 0
    assert world.rows(ROWS) == before
    assert deliver_now(now=NOW + HOUR) == 3
    assert deliver_now(now=NOW + 2 * HOUR) == 2
    assert sorted(sent) == [f"ops{number}" for number in range(1, 9)]
    assert sent[:3] != sent[3:6]
    assert world.rows("SELECT DISTINCT state, attempts FROM notice") == [("sent", 1)]


def test_thousands_keep_nobody_waiting(world: World, sent: list[str]) -> None:
    """The others' messages are found behind ten thousand older ones, and a tick rings only for what may go out."""
    queue(10_000, at=NOW - HOUR)
    queue(2, "tenants")
    assert [ids for task, ids in due_work(now=NOW) if task is deliver.deliver] == [()] * BELLS
    assert deliver_now(now=NOW) == 5
    assert {"tenants1", "tenants2"} < set(sent)
    queue(1, "tenants", first=3)
    assert [ids for task, ids in due_work(now=NOW + 10 * SECOND) if task is deliver.deliver] == [()]
    assert deliver_now(now=NOW + 10 * SECOND) == 1
    assert world.rows(STATES) == [("due", 9997), ("sent", 3)]


def test_a_group_keeps_its_order(world: World, sent: list[str]) -> None:
    """What one group says goes out as it was said, rate or none."""
    world.session.execute(
        text("""INSERT INTO notice_group (receiver, source_id, kind, opened_at)
                VALUES ('ops', :source, 'poll_failing', :now)"""),
        {"source": world.source_id, "now": NOW},
    )
    ((group,),) = world.rows("SELECT id FROM notice_group")
    queue(5, group=group)
    for minutes in range(0, 121, 30):
        while deliver_now(now=NOW + minutes * MINUTE):
            pass
    assert sent == [f"ops{number}" for number in range(1, 6)]


def test_a_try_counts(world: World, sent: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver that does not answer was asked all the same; what waits for room has used no try."""

    def send(_: LogChannel, message: Message) -> Receipt:
        raise TransientError("503", fault=Fault.SERVER)

    monkeypatch.setattr(LogChannel, "send", send)
    queue(5)
    assert deliver_now(now=NOW) == 3
    assert deliver_now(now=NOW + MINUTE) == 0
    assert world.rows("SELECT attempts, count(*) FROM notice GROUP BY 1 ORDER BY 1") == [(0, 2), (1, 3)]


def test_what_becomes_free_soon_is_waited_for(ours: Ours, sent: list[str], chosen: Path) -> None:
    """Of twenty in a second, thirty take a second and not the next tick; one process waits for all of them."""
    choose(chosen, "20/s")
    queue(30)
    with Session() as session:
        claimed = claim_notices(session, now=NOW, most=50, rates=rules().rates, until=NOW + 5 * SECOND)
        moments = [one.not_before for one in claimed]
        assert moments == [NOW] * 20 + [NOW + SECOND] * 10
        # Somebody else would have to wait in the second process, and there is no need to.
        assert claim_notices(session, now=NOW + SECOND / 2, most=50, rates=rules().rates) == []
    assert deliver_now() == 30
    ((took,),) = ours.rows("SELECT max(settled_at) - min(settled_at) FROM notice")
    assert SECOND * 0.8 < took < 4 * SECOND


def test_slow_by_choice_is_not_overdue(world: World, sent: list[str]) -> None:
    """What waits for its receiver's rate is no work left undone; what nobody sends though there is room, is."""
    queue(5)
    deliver_now(now=NOW)

    def late(after: timedelta) -> list[int]:
        return [one.count for one in overdue(world.session, [], now=NOW + after) if one.what == "deliveries"]

    assert late(HOUR) == []
    assert late(2 * HOUR) == [2]


def test_another_rate_holds_at_once(world: World, sent: list[str]) -> None:
    """A worker that starts with a larger rate need not wait for the end of the smaller one; what was sent counts."""
    queue(9)
    assert deliver_now(now=NOW) == 3
    reckon(world.session, now=NOW + MINUTE)
    world.session.commit()
    claimed = claim_notices(world.session, now=NOW + MINUTE, most=50, rates={"ops": Rate(5, HOUR)})
    assert len(claimed) == 2
