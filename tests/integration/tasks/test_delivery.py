"""Sending: some at a time, what one group says in its order, and nothing to who is no contact any more."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from models.outbox import Settlement, claim_notices, settle, waiting
from models.queries.overdue import overdue
from tasks import deliver
from tasks.deliver import deliver_now
from tests.integration.models.world import World
from uptake.channels import Message, Receipt
from uptake.channels.log import LogChannel
from uptake.errors import Fault, TransientError

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


def test_a_failed_one_holds_nobody(world: World) -> None:
    """What was given up is not waited for, and what belongs to no group never waits."""
    queued(world, "1", "2", group=True)
    queued(world, "3", "4")
    claimed = {one.key: one for one in claim_notices(world.session, now=NOW, most=9)}
    assert sorted(claimed) == ["1", "3", "4"]
    assert settle(world.session, claimed["1"], Settlement("permanent", "gone", Fault.GONE.value), now=NOW)
    assert [one.key for one in claim_notices(world.session, now=NOW, most=9)] == ["2"]
