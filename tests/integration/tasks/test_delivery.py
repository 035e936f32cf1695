"""Sending: some at a time, what one group says in its order, and nothing to who is no contact any more."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import text

from models.groups import DueGroup
from models.outbox import Settlement, claim_notices, settle, waiting
from models.queries.overdue import overdue
from models.replay import against
from models.stopped import stopped
from models.telling import Telling, tell_operators
from tasks import deliver
from tasks.deliver import deliver_now
from tasks.evaluate import evaluate_now
from tasks.flush import flush_now
from tasks.rules import rules
from tests.integration.models.world import World
from tests.integration.tasks.alarmed import alarmed
from uptake.cadence import RETRIES
from uptake.channels import Message, Receipt
from uptake.channels.log import LogChannel
from uptake.errors import Fault, PermanentError, TransientError
from uptake.letter import Parts

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
    assert waiting(world.session, now=NOW, most=9) == 0
    late = [one for one in overdue(world.session, [], now=NOW + timedelta(hours=1)) if one.what == "deliveries"]
    assert [one.count for one in late] == [1]
    is_down = False
    assert deliver_now(now=NOW + timedelta(seconds=5)) == 2
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
    assert deliver_now(now=NOW) == 2
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
        if refuses and not message.key.startswith("stopped:"):
            raise PermanentError("410", fault=Fault.GONE)
        return Receipt("ok")

    monkeypatch.setattr(LogChannel, "send", send)
    deliver_now(now=NOW)
    tries = "SELECT count(*) FROM attempt JOIN notice n ON n.id = notice_id AND n.receiver = 'ops'"
    assert world.rows(tries)[0][0] <= deliver.SENDERS
    assert world.rows("SELECT receiver, reason FROM notice WHERE key LIKE 'stopped:%'") == [("log", "receiver_stopped")]
    assert deliver_now(now=NOW + HOUR / 2) == 0
    deliver_now(now=NOW + HOUR)
    assert world.rows(tries)[0][0] <= 2 * deliver.SENDERS
    assert world.rows("SELECT DISTINCT state FROM notice WHERE receiver = 'ops'") == [("due",)]
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


def test_silent_receiver_keeps_nobody_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing is heard of one, the others are told; what else waits for it is not tried one by one."""
    queued(world, *(f"ops:{number}" for number in range(30)))
    world.session.execute(
        text("""INSERT INTO notice (key, receiver, "to", reason, subject, body, state, created_at, due_at)
                SELECT 'tenants:' || n, 'tenants', '', 'first', 's', 'b', 'due', :now, :now
                FROM generate_series(1, 10) n"""),
        {"now": NOW},
    )
    world.session.commit()
    heard: list[str] = []
    all_told = threading.Event()

    def send(_: LogChannel, message: Message) -> Receipt:
        if message.key.startswith("ops:"):
            all_told.wait(5)
            heard.append("silence")
            raise TransientError("no answer", fault=Fault.TRANSPORT)
        heard.append(message.key)
        if sum(key.startswith("tenants:") for key in heard) == 10:
            all_told.set()
        return Receipt("ok")

    monkeypatch.setattr(LogChannel, "send", send)
    deliver_now(now=NOW)
    assert [key.partition(":")[0] for key in heard[:10]] == ["tenants"] * 10
    tried = heard.count("silence")
    assert deliver.SENDERS <= tried < 3 * deliver.SENDERS
    rest = "SELECT count(*) FROM notice WHERE receiver = 'ops' AND attempts = 0 AND due_at = :at"
    assert world.rows(rest, at=NOW + deliver.SILENCE) == [(30 - tried,)]


def test_each_receiver_has_its_share(world: World) -> None:
    """However much waits for one, as much of another's is taken up with it."""
    queued(world, *(f"ops:{number}" for number in range(30)))
    world.session.execute(text("UPDATE notice SET receiver = 'tenants' WHERE id % 3 = 0"))
    claimed = claim_notices(world.session, now=NOW, most=12)
    assert Counter(one.receiver for one in claimed) == {"ops": 6, "tenants": 6}


def test_what_waited_for_long_goes_with_news(world: World) -> None:
    """A group has to say something new: what it could not say before comes before it, and does not wait for hours."""
    queued(world, "1", "2", group=True)
    world.session.execute(text("UPDATE notice SET due_at = :at"), {"at": NOW + 9 * HOUR})
    (group,) = world.session.execute(text("SELECT * FROM notice_group")).all()
    said = Telling("3", "ops", "escalated", Parts("s", "b", "b"), {}, cast("DueGroup", group))
    assert tell_operators(world.session, said, ["a@b.example"], now=NOW) == 1
    world.session.commit()
    assert deliver_now(now=NOW) == 3


def test_fallback_hears_the_end_of_what_it_heard(world: World, chosen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver that is well again hears the end, and so does who was told instead of it; once, and nobody else."""
    chosen.write_text(chosen.read_text().replace("[policy]", '[policy]\nfallback = "tenants"\ngroup_wait = "0s"'))
    rules.cache_clear()
    alarmed(world)
    is_refused = True

    def send(_: LogChannel, message: Message) -> Receipt:
        if is_refused and message.key.startswith("ops:"):
            raise PermanentError("401", fault=Fault.AUTH)
        return Receipt("ok")

    monkeypatch.setattr(LogChannel, "send", send)
    for _ in range(2):
        flush_now(now=world.now)
        deliver_now(now=world.now)
    is_refused = False
    world.put("0", 2)
    world.poll()
    evaluate_now(world.app_id, now=world.now)
    for hours in (1, 2):
        flush_now(now=world.now + hours * HOUR)
        deliver_now(now=world.now + hours * HOUR)
    told = world.rows("""SELECT receiver, payload ->> 'firing', payload ->> 'instead_of', state FROM notice
                         WHERE group_id IS NOT NULL AND payload ->> 'kind' = 'tenant_lagging' ORDER BY id""")
    assert told == [
        ("ops", "1", None, "failed"),
        ("tenants", "1", "ops", "sent"),
        ("ops", "0", None, "sent"),
        ("tenants", "0", "ops", "sent"),
    ]
    assert world.rows("SELECT count(*) FROM notice WHERE payload ->> 'group' LIKE 'ops:acme:4711:%'") == [(4,)]


def test_incidents_are_not_opened_by_hand(world: World) -> None:
    """What is over is not told once more as if it began, but for who says so."""
    alarmed(world)
    flush_now(now=world.now)
    flush_now(now=world.now + HOUR)
    deliver_now(now=world.now + HOUR)
    ((first,),) = world.rows("SELECT id FROM notice WHERE payload ->> 'kind' = 'tenant_lagging'")
    found = against(world.session, first)
    assert found is not None
    assert found.over is None
    world.put("0", 2)
    world.poll()
    evaluate_now(world.app_id, now=world.now + HOUR)
    flush_now(now=world.now + 2 * HOUR)
    deliver_now(now=world.now + 2 * HOUR)
    found = against(world.session, first)
    assert found is not None
    assert found.over == "all_resolved"


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
