"""The audit: what is overdue is told of and nothing else is, and the heartbeat goes out only while nothing is."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from config.settings import settings
from tasks import audit as auditing
from tasks.audit import audit, audit_now, beat
from tasks.rules import rules
from tests.integration.models.world import A, B, World
from tests.integration.wire_server import answer, saying, serving

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def busy(world: World) -> World:
    """A tenant lags, and whatever there is to do is due now."""
    world.put("1", 1)
    world.poll()
    world.release(A, B)
    world.poll()
    world.evaluate(after=2 * HOUR)
    due = {"now": world.now}
    world.session.execute(text("UPDATE app SET next_poll_at = :now, evaluate_at = :now"), due)
    world.session.execute(text("UPDATE source SET next_poll_at = :now"), due)
    world.session.execute(
        text("""INSERT INTO notice_group (receiver, source_id, app_id, kind, opened_at, flush_at)
                SELECT 'ops', source_id, id, 'tenant_lagging', :now, :now FROM app"""),
        due,
    )
    world.session.execute(
        text("""INSERT INTO reminder (connection_id, app_id, tenant_id, environment, target_version, opened_at, due_at)
                SELECT id, app_id, tenant_id, environment, 2, :now, :now FROM connection"""),
        due,
    )
    world.session.execute(
        text("""INSERT INTO notice (key, receiver, "to", reason, source_id, subject, body, state, created_at, due_at)
                SELECT 'k', 'ops', '', 'first', id, 's', 'b', 'due', :now, :now FROM source"""),
        due,
    )
    world.session.commit()
    return world


def late(world: World, after: timedelta) -> list[str]:
    """What is overdue *after* a while."""
    return sorted(one.what for one in audit_now(now=world.now + after))


SOON = ["deliveries", "evaluations", "messages to operators", "reminders"]


def test_what_is_overdue(busy: World) -> None:
    """Polls have half an hour, the rest ten minutes; each is told with since when."""
    assert late(busy, 10 * MINUTE) == []
    assert late(busy, 11 * MINUTE) == SOON
    assert late(busy, 31 * MINUTE) == sorted([*SOON, "lists of apps", "polls"])
    assert {one.since for one in audit_now(now=busy.now + HOUR)} == {busy.now}


@pytest.mark.parametrize(
    ("change", "leaves"),
    [
        ("UPDATE source SET enabled = false", ["evaluations"]),
        ("UPDATE source SET circuit_open_until = next_poll_at + interval '9 hours'", SOON),
        (
            "UPDATE app SET lease_until = next_poll_at + interval '9 hours', lease_token = gen_random_uuid()",
            sorted([*SOON, "lists of apps"]),
        ),
        ("UPDATE app SET deleted_at = next_poll_at", sorted([*SOON, "lists of apps"])),
        ("UPDATE connection SET status = 'disabled'", sorted({*SOON, "lists of apps", "polls"} - {"reminders"})),
        ("UPDATE reminder SET stopped_at = due_at", sorted({*SOON, "lists of apps", "polls"} - {"reminders"})),
        ("UPDATE notice SET state = 'sent'", sorted({*SOON, "lists of apps", "polls"} - {"deliveries"})),
        (
            "UPDATE notice SET state = 'sending', lease_until = due_at + interval '9 hours'",
            sorted({*SOON, "lists of apps", "polls"} - {"deliveries"}),
        ),
        (
            "UPDATE notice_group SET receiver = 'nobody any more'",
            sorted({*SOON, "lists of apps", "polls"} - {"messages to operators"}),
        ),
    ],
)
def test_what_is_not_overdue(busy: World, change: str, leaves: list[str]) -> None:
    """What somebody is at, what must wait, and what nobody is to do any more."""
    busy.session.execute(text(change))
    busy.session.commit()
    assert late(busy, HOUR) == leaves


def heart(chosen: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """The heartbeat goes to *url*."""
    monkeypatch.setenv("HEARTBEAT_URL", url)
    chosen.write_text(f'{chosen.read_text()}\n[heartbeat]\nurl = "env:HEARTBEAT_URL"\n')
    for cache in (settings, rules):
        cache.cache_clear()


def test_heartbeat(chosen: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """It arrives, or is logged as unheard without its address, which is a secret."""
    assert not beat()
    with serving(saying(answer()), saying(answer(status="404 Not Found"))) as url:
        heart(chosen, monkeypatch, f"{url}/s3cr3t")
        assert beat()
        assert not beat()
    assert not beat()
    assert "s3cr3t" not in caplog.text


def test_heartbeat_only_while_all_is_well(busy: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is the alarm."""
    beats: list[bool] = []
    monkeypatch.setattr(auditing, "beat", lambda: beats.append(True))
    monkeypatch.setattr(auditing, "db_now", lambda _session: busy.now)
    audit()
    assert beats == [True]
    monkeypatch.setattr(auditing, "db_now", lambda _session: busy.now + HOUR)
    audit()
    assert beats == [True]
