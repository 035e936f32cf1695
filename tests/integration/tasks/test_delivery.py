"""Sending: some at a time, what one group says in its order, and nothing to who is no contact any more."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from models.outbox import Settlement, claim_notices, settle, waiting
from models.queries.overdue import overdue
from models.stopped import stopped
from tasks import deliver
from tasks.deliver import deliver_now
from tasks.flush import flush_now
from tasks.rules import rules
from tests.integration.models.world import World
from uptake.cadence import RETRIES
from uptake.channels import Message, Receipt
from uptake.channels.log import LogChannel
from uptake.errors import Fault, PermanentError, TransientError

HOUR = timedelta(hours=1)
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
STATES = "SELECT key, state, attempts FROM notice ORDER BY key"


def queued(world: World, *keys: str, group: bool = False) -> None:
    """Notices to operators, in this order, all due; of one *group* of alerts, or of none."""
    made = """INSERT INTO notice_group (receiver, source_id, kind, opened_at)
              VALUES ('ops', :source, 'poll_failing', :now) ON CONFLICT DO NOTHING"""
    world.session.execute(text(made), {"source": world.source_id, "now": NOW})
    for key in keys:
        world.session.execute(
            text("""INSERT INTO notice (key, receiver, "to", reason, group_id, subject, body, state, created_at, due_at)
                    SELECT :key, 'ops', 'a@b.example', 'first', CASE WHEN :group THEN id END, 's', 'b', 'due', :now,
                        :now
                    FROM notice_group"""),
            {"key": key, "group": group, "now": NOW},
        )
    world.session.commit()


def test_some_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow receiver is spoken to by several: here each waits until all of them are there."""
    queued(world, *(str(number) for number in range(2 * deliver.SENDERS)))
    together = threading.Barrier(2, timeout=5)

    def send(_: LogChannel, message: Message) -> Receipt:
        together.wait()
        return Receipt("ok")

    monkeypatch.setattr(LogChannel, "send", send)
    assert deliver_now(now=NOW) == 2 * deliver.SENDERS
    assert {state for _, state, _ in world.rows(STATES)} == {"sent"}


def test_a_group_speaks_in_its_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over must not begin again because its beginning is told late; the wait is nobody's fault."""
    queued(world, "1", "2", group=True)
    heard: list[str] = []
    is_down = True

    def send(_: LogChannel, message: Message) -> Receipt:
        if is_down:
            raise TransientError("503", fault=Fault.SERVER)
        heard.append(message.key)
        return Receipt("ok")

    monkeypatch.setattr(LogChannel, "send", send)
    assert deliver_now(now=NOW) == 1
    assert world.rows(STATES) == [("1", "due", 1), ("2", "due", 0)]
    assert waiting(world.session, now=NOW, most=9) == []
    late = [one for one in overdue(world.session, [], now=NOW + timedelta(hours=1)) if one.what == "deliveries"]
    assert [one.count for one in late] == [1]
    is_down = False
    assert deliver_now(now=NOW + timedelta(seconds=5)) == 1
    assert deliver_now(now=NOW + timedelta(seconds=5)) == 1
    assert heard == ["1", "2"]


def test_receiver_that_refuses_us(world: World, chosen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked once, and what operators should hear goes to the fallback, with the reason."""
    chosen.write_text(chosen.read_text().replace("[policy]", '[policy]\nfallback = "tenants"'))
    rules.cache_clear()
    queued(world, "ops:1:1:a@b.example", "ops:1:2:a@b.example", group=True)
    asked: list[str] = []

    def send(_: LogChannel, message: Message) -> Receipt:
        asked.append(message.key)
        if message.key.startswith("ops:"):
            raise PermanentError("401 no such key", fault=Fault.AUTH)
        return Receipt("ok")

    monkeypatch.setattr(LogChannel, "send", send)
    assert deliver_now(now=NOW) == 1
    assert deliver_now(now=NOW) == 1
    assert deliver_now(now=NOW) == 0
    assert [key.partition(":")[0] for key in asked] == ["ops", "stopped"]
    (one,) = stopped(world.session)
    assert (one.name, one.reason, one.waiting) == ("ops", "401 no such key", 2)
    late = [one.what for one in overdue(world.session, [], now=NOW + 9 * HOUR)]
    assert "deliveries" not in late
    assert flush_now(now=NOW) == 2
    assert flush_now(now=NOW) == 0
    assert deliver_now(now=NOW) == 2
    assert len([key for key in asked if key.startswith("fallback:ops:")]) == 2
    told = world.rows("SELECT state, settle_reason, body FROM notice ORDER BY id")
    assert told[0][:2] == ("failed", "told to tenants instead: 401 no such key")
    assert told[3][2] == "This was for ops, which could not be told: 401 no such key\n\nb"


def test_receiver_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an hour, one of those that wait; when that goes out, so do the others."""
    queued(world, *"abcdefgh")
    world.session.execute(text("UPDATE notice SET reminder_id = NULL"))
    refuses = True

    def send(_: LogChannel, message: Message) -> Receipt:
        if refuses:
            raise PermanentError("410", fault=Fault.GONE)
        return Receipt("ok")

    monkeypatch.setattr(LogChannel, "send", send)
    deliver_now(now=NOW)
    tries = "SELECT count(*) FROM attempt"
    assert world.rows(tries)[0][0] <= deliver.SENDERS
    assert world.rows("SELECT receiver, reason FROM notice WHERE key LIKE 'stopped:%'") == [("log", "receiver_stopped")]
    world.session.execute(text("DELETE FROM notice WHERE key LIKE 'stopped:%'"))
    world.session.commit()
    assert deliver_now(now=NOW + HOUR / 2) == 0
    deliver_now(now=NOW + HOUR)
    assert world.rows(tries)[0][0] <= 2 * deliver.SENDERS
    assert world.rows("SELECT DISTINCT state FROM notice") == [("due",)]
    refuses = False
    assert deliver_now(now=NOW + HOUR) == 0
    assert deliver_now(now=NOW + 2 * HOUR) == 8
    assert world.rows("SELECT DISTINCT state FROM notice") == [("sent",)]
    assert stopped(world.session) == []


def test_tried_again_though_others_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an hour what comes first is tried with it, and not told elsewhere before; a try without an answer rests."""
    queued(world, "ops:1:1:a@b.example", group=True)
    answers: list[Exception | None] = [PermanentError("403", fault=Fault.AUTH)]

    def send(_: LogChannel, message: Message) -> Receipt:
        if message.key.startswith("ops:") and (wrong := answers[-1]):
            raise wrong
        return Receipt("ok")

    monkeypatch.setattr(LogChannel, "send", send)
    deliver_now(now=NOW)
    assert flush_now(now=NOW) == 1
    queued(world, "ops:1:2:a@b.example", group=True)
    assert flush_now(now=NOW + HOUR) == 0
    last = {"failures": len(RETRIES)}
    world.session.execute(text("UPDATE notice SET failures = :failures WHERE state = 'due'"), last)
    world.session.commit()
    answers.append(TransientError("503", fault=Fault.SERVER))
    deliver_now(now=NOW + HOUR)
    assert [one.name for one in stopped(world.session)] == ["ops"]
    tries = "SELECT state, attempts, failures FROM notice WHERE key = 'ops:1:2:a@b.example'"
    assert world.rows(tries) == [("due", 1, len(RETRIES))], "a trial brings no message nearer to its end"
    assert flush_now(now=NOW + HOUR) == 1, "it rests again, and this one is told elsewhere"
    queued(world, "ops:1:3:a@b.example", group=True)
    answers.append(None)
    assert flush_now(now=NOW + 2 * HOUR) == 0
    deliver_now(now=NOW + 2 * HOUR)
    assert stopped(world.session) == []
    assert world.rows("SELECT state FROM notice WHERE key = 'ops:1:3:a@b.example'") == [("sent",)]


def test_another_fault_stops_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with one message says nothing about the receiver."""
    queued(world, "a", "b")

    def send(_: LogChannel, message: Message) -> Receipt:
        if message.key == "a":
            raise PermanentError("400", fault=Fault.REQUEST)
        return Receipt("ok")

    monkeypatch.setattr(LogChannel, "send", send)
    assert deliver_now(now=NOW) == 2
    assert world.rows(STATES) == [("a", "failed", 1), ("b", "sent", 1)]
    assert stopped(world.session) == []


def test_given_up_is_told_elsewhere(world: World, chosen: Path) -> None:
    """What was refused for good, though the receiver can be used, is heard by the fallback, once."""
    queued(world, "ops:1:1:a@b.example", "ops:1:1:z@b.example", group=True)
    for claimed in claim_notices(world.session, now=NOW, most=9):
        gone = Settlement("permanent", "550 no such user", Fault.RECIPIENT.value)
        assert settle(world.session, claimed, gone, now=NOW)
    world.session.commit()
    assert flush_now(now=NOW + HOUR / 2) == 1
    assert flush_now(now=NOW + HOUR / 2) == 0
    query = "SELECT receiver, body FROM notice WHERE key LIKE 'fallback:%'"
    assert world.rows(query) == [("log", "This was for ops, which could not be told: 550 no such user\n\nb")]


def test_a_failed_one_holds_nobody(world: World) -> None:
    """What was given up is not waited for, and what belongs to no group never waits."""
    queued(world, "1", "2", group=True)
    queued(world, "3", "4")
    claimed = {one.key: one for one in claim_notices(world.session, now=NOW, most=9)}
    assert sorted(claimed) == ["1", "3", "4"]
    assert settle(world.session, claimed["1"], Settlement("permanent", "gone", Fault.GONE.value), now=NOW)
    assert [one.key for one in claim_notices(world.session, now=NOW, most=9)] == ["2"]
