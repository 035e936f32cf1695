"""Reminding tenants' admins: paced, in their working hours, stopped the moment they upgraded."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from config.settings import settings
from models.opt_out import opt_in, opt_out
from models.outbox import Settlement, claim_notices, settle
from models.queries.tenants import timeline
from tasks.deliver import deliver_now
from tasks.evaluate import evaluate_now
from tasks.remind import remind_now
from tasks.rules import rules
from tests.integration.models.world import A, B, C, World
from uptake.channels import Message, Receipt
from uptake.channels.log import LogChannel

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def lagging(world: World) -> World:
    """Tenant 1 lags; it has a contact in Berlin; the settle window is over on a Monday at noon there."""
    world.put("1", 1)
    world.poll()
    world.session.execute(text("UPDATE tenant SET time_zone = 'Europe/Berlin'"))
    world.session.execute(text("INSERT INTO contact (tenant_id, email) SELECT id, 'a@b.example' FROM tenant"))
    world.release(A, B)
    world.poll()
    world.now = datetime(2026, 3, 2, 11, tzinfo=UTC)
    evaluate_now(world.app_id, now=world.now)
    return world


def reminded(world: World, after: timedelta = timedelta()) -> int:
    """Remind twice, *after* some time in which the app was polled; the second run must do nothing."""
    world.now += after
    world.session.execute(text("UPDATE app SET walked_at = :now"), {"now": world.now})
    world.session.commit()
    queued = remind_now(now=world.now)
    before = world.snapshot()
    assert remind_now(now=world.now) == 0
    assert world.snapshot() == before
    return queued


def test_ladder(lagging: World) -> None:
    """Days 0, 3, 7 and 14, then every 30: one notice each, to the contact."""
    sent = []
    for day in range(50):
        if reminded(lagging, DAY if day else timedelta()):
            sent.append(day)
            assert deliver_now(now=lagging.now) == 1
    assert sent == [0, 3, 7, 14, 44]
    assert lagging.rows('SELECT DISTINCT "to", receiver FROM notice') == [("a@b.example", "tenants")]


def test_who_may_accept_is_written_to_first(lagging: World) -> None:
    """Whoever stands first in the book and may not accept is written to when nobody else is left."""
    lagging.session.execute(text("UPDATE contact SET may_accept = false, rank = 1"))
    lagging.session.execute(
        text("INSERT INTO contact (tenant_id, email, rank) SELECT id, 'z@b.example', 2 FROM tenant")
    )
    assert reminded(lagging) == 1
    lagging.session.execute(text("UPDATE contact SET opted_out_at = now() WHERE may_accept"))
    assert reminded(lagging, 3 * DAY) == 1
    assert lagging.rows('SELECT "to" FROM notice ORDER BY id') == [("z@b.example",), ("a@b.example",)]


def test_outside_working_hours_it_waits(lagging: World) -> None:
    """At night it is deferred to the next morning there, with the reason, and not dropped."""
    lagging.now = datetime(2026, 3, 2, 20, tzinfo=UTC)
    assert reminded(lagging) == 0
    opens = datetime(2026, 3, 3, 7, tzinfo=UTC)
    assert lagging.rows("SELECT due_at, held_reason FROM reminder") == [(opens, "outside_working_hours")]
    lagging.now = opens
    assert reminded(lagging) == 1


@pytest.mark.parametrize(
    ("public", "headers"),
    [
        ("", set()),
        ("http://uptake.example", {"List-Unsubscribe"}),
        ("https://uptake.example", {"List-Unsubscribe", "List-Unsubscribe-Post"}),
    ],
)
def test_way_out(lagging: World, monkeypatch: pytest.MonkeyPatch, public: str, headers: set[str]) -> None:
    """Where the opt-out page can be reached, text, HTML and headers lead there."""
    monkeypatch.setenv("UPTAKE_PUBLIC_URL", public)
    monkeypatch.setenv("UPTAKE_SECRET_KEY", "k" * 32)
    settings.cache_clear()
    sent: list[Message] = []

    def send(_: LogChannel, message: Message) -> Receipt:
        sent.append(message)
        return Receipt("ok")

    monkeypatch.setattr(LogChannel, "send", send)
    assert reminded(lagging) == 1
    assert deliver_now(now=lagging.now) == 1
    (message,) = sent
    assert set(message.headers) == headers
    for text_of in (message.text, message.html or ""):
        assert (f"{public}/opt-out/" in text_of) is bool(public)
    if public:
        link = re.search(rf"{public}/opt-out/[\w.-]+", message.text)
        assert link
        assert message.headers["List-Unsubscribe"] == f"<{link.group()}>"


def test_turn_of_who_opted_out_goes_to_the_next(lagging: World) -> None:
    """What was queued for them is taken back, and somebody else is written to in their place."""
    lagging.session.execute(
        text("INSERT INTO contact (tenant_id, email, rank) SELECT id, 'z@b.example', 2 FROM tenant")
    )
    assert reminded(lagging) == 1
    ((tenant,),) = lagging.rows("SELECT id FROM tenant")
    assert opt_out(lagging.session, [tenant], "a@b.example", now=lagging.now)
    lagging.session.commit()
    assert reminded(lagging) == 1
    assert lagging.rows('SELECT "to", state FROM notice ORDER BY id') == [
        ("a@b.example", "cancelled"),
        ("z@b.example", "due"),
    ]
    assert lagging.rows("SELECT sent FROM reminder") == [(1,)]


def test_who_changed_their_mind_gets_their_turn(lagging: World) -> None:
    """What was taken back when they opted out is queued again: it is the same message to the same person."""
    assert reminded(lagging) == 1
    ((tenant,),) = lagging.rows("SELECT id FROM tenant")
    assert opt_out(lagging.session, [tenant], "a@b.example", now=lagging.now)
    assert opt_in(lagging.session, [tenant], "a@b.example", now=lagging.now)
    lagging.session.commit()
    assert reminded(lagging) == 1
    assert lagging.rows('SELECT "to", state, settle_reason FROM notice') == [("a@b.example", "due", None)]
    assert deliver_now(now=lagging.now) == 1


def test_last_look_at_who_opted_out(lagging: World) -> None:
    """Whoever said so while the message was on its way to be sent once more gets it no more."""
    assert reminded(lagging) == 1
    lagging.session.execute(text("UPDATE contact SET opted_out_at = now()"))
    lagging.session.commit()
    assert deliver_now(now=lagging.now) == 0
    assert lagging.rows("SELECT state, settle_reason FROM notice") == [("cancelled", "opted_out")]


def test_exempt_before_the_evaluation_knows(lagging: World, chosen: Path) -> None:
    """A new exemption holds for what is due and for what is queued, whenever the app is judged again."""
    assert reminded(lagging) == 1
    own = 'tenant = "1"\nuntil = 2999-01-01\nreason = "left for good"'
    chosen.write_text(f"{chosen.read_text()}\n[[exemption]]\n{own}\n")
    rules.cache_clear()
    assert deliver_now(now=lagging.now) == 1
    assert lagging.rows("SELECT state FROM notice") == [("due",)]
    assert reminded(lagging, 3 * DAY) == 0
    assert lagging.rows("SELECT held_reason FROM reminder") == [("exempt",)]


def test_some_have_other_hours_and_steps(lagging: World, chosen: Path) -> None:
    """An override by label holds when a reminder is queued and when it is sent."""
    own = 'labels = { shift = "night" }\nworking_hours = "20:00-22:00"\nremind_days = [0, 1]'
    chosen.write_text(f"{chosen.read_text()}\n[[policy.override]]\n{own}\n")
    rules.cache_clear()
    lagging.label("1", shift="night")
    lagging.session.execute(text("DELETE FROM contact WHERE email <> 'a@b.example'"))
    assert reminded(lagging) == 0
    opens = datetime(2026, 3, 2, 19, tzinfo=UTC)
    assert lagging.rows("SELECT due_at, held_reason FROM reminder") == [(opens, "outside_working_hours")]
    lagging.now = opens
    assert reminded(lagging) == 1
    assert lagging.rows("SELECT due_at FROM reminder") == [(opens + DAY,)]
    lagging.session.execute(text("UPDATE notice SET due_at = :at"), {"at": opens + 5 * HOUR})
    lagging.session.commit()
    assert deliver_now(now=opens + 5 * HOUR) == 1
    assert lagging.rows("SELECT due_at, state FROM notice") == [(opens + DAY, "due")]


def test_without_a_contact_it_says_so(lagging: World) -> None:
    """Nobody to write to: held, with the reason."""
    lagging.session.execute(text("UPDATE contact SET opted_out_at = now()"))
    assert reminded(lagging) == 0
    assert lagging.rows("SELECT held_reason FROM reminder") == [("no_contact",)]


def test_upgrade_stops_the_thread_and_what_was_queued(lagging: World) -> None:
    """After the upgrade nothing goes out, not even what was queued before."""
    reminded(lagging)
    lagging.put("1", 2)
    lagging.poll()
    evaluate_now(lagging.app_id, now=lagging.now)
    assert lagging.rows("SELECT stop_reason FROM reminder") == [("upgraded",)]
    assert lagging.rows("SELECT state, settle_reason FROM notice") == [("cancelled", "upgraded")]
    assert reminded(lagging, 100 * DAY) == 0


def test_upgrade_seen_right_before_sending_cancels(lagging: World) -> None:
    """Even before the evaluation has run, the claim looks once more and sends nothing."""
    reminded(lagging)
    lagging.put("1", 2)
    lagging.poll()
    assert claim_notices(lagging.session, now=lagging.now, most=10) == []
    assert lagging.rows("SELECT state FROM notice") == [("cancelled",)]


def test_newer_version_supersedes_what_is_queued(lagging: World) -> None:
    """One thread, now about the newer version; the older message is not sent, and its turn is not lost."""
    reminded(lagging)
    lagging.release(A, B, C)
    lagging.poll()
    evaluate_now(lagging.app_id, now=lagging.now)
    assert lagging.rows("SELECT state, settle_reason FROM notice") == [("cancelled", "superseded")]
    assert reminded(lagging, 44 * MINUTE) == 0
    assert lagging.rows("SELECT target_version, stopped_at, sent, last_sent_at FROM reminder") == [(3, None, 0, None)]
    assert reminded(lagging, MINUTE) == 1
    assert lagging.rows("SELECT reason, state FROM notice ORDER BY id") == [("first", "cancelled"), ("first", "due")]
    assert reminded(lagging, 2 * DAY) == 0


def test_newer_version_settles_before_the_next_step(lagging: World) -> None:
    """A reminder that went out is not repeated for the newer version; the next keeps still until that has settled."""
    reminded(lagging)
    lagging.session.execute(text("UPDATE notice SET state = 'sent', settled_at = :now"), {"now": lagging.now})
    lagging.session.commit()
    lagging.now += 3 * DAY - MINUTE
    lagging.release(A, B, C)
    lagging.poll()
    evaluate_now(lagging.app_id, now=lagging.now)
    assert reminded(lagging, MINUTE) == 0
    assert reminded(lagging, 59 * MINUTE) == 1
    assert lagging.rows("SELECT target_version, sent FROM reminder") == [(3, 2)]


def test_stale_data_are_no_ground_to_write(lagging: World) -> None:
    """While the portal does not answer nobody is reminded; once it is read again the reminder goes out."""
    lagging.now += 3 * DAY
    lagging.session.execute(text("UPDATE app SET walked_at = :at"), {"at": lagging.now - 2 * DAY})
    lagging.session.commit()
    assert remind_now(now=lagging.now) == 0
    assert lagging.rows("SELECT held_reason FROM reminder") == [("data_stale",)]
    assert reminded(lagging, HOUR) == 1


def test_source_no_longer_watched_is_silent(lagging: World) -> None:
    """What nobody polls any more is not reminded of, nor is what was queued sent; watched again, it goes on."""
    lagging.session.execute(text("UPDATE source SET enabled = false"))
    lagging.session.commit()
    assert reminded(lagging) == 0
    lagging.session.execute(text("UPDATE source SET enabled = true"))
    lagging.session.commit()
    assert reminded(lagging) == 1
    lagging.session.execute(text("UPDATE source SET enabled = false"))
    assert claim_notices(lagging.session, now=lagging.now, most=10) == []
    lagging.session.execute(text("UPDATE source SET enabled = true"))
    assert len(claim_notices(lagging.session, now=lagging.now, most=10)) == 1


def test_reminders_switched_off_and_on_again(lagging: World, chosen: Path) -> None:
    """A policy without reminders holds the threads; with reminders again they go on."""
    before = chosen.read_text()
    chosen.write_text(before.replace('reminders = "tenants"', 'reminders = ""'))
    rules.cache_clear()
    assert reminded(lagging) == 0
    chosen.write_text(before)
    rules.cache_clear()
    assert reminded(lagging, DAY) == 1


def test_unjudged_upgrade_keeps_the_turn(lagging: World) -> None:
    """A partial upgrade that nobody has judged yet takes the reminder back; judged, it goes out or does not."""
    lagging.release(A, B, C)
    lagging.poll()
    evaluate_now(lagging.app_id, now=lagging.now)
    reminded(lagging, 2 * HOUR)
    lagging.put("1", 2)
    lagging.poll()
    assert claim_notices(lagging.session, now=lagging.now, most=10) == []
    assert lagging.rows("SELECT state, settle_reason FROM notice") == [("cancelled", "not_judged")]
    lagging.session.commit()
    assert remind_now(now=lagging.now) == 0
    evaluate_now(lagging.app_id, now=lagging.now)
    lagging.session.commit()
    assert remind_now(now=lagging.now) == 1
    assert len(claim_notices(lagging.session, now=lagging.now, most=10)) == 1
    assert lagging.rows("SELECT sent FROM reminder") == [(1,)]


def test_unjudged_repetition_has_an_end(lagging: World) -> None:
    """What may have arrived waits for the judgement a while, and is not asked again if none comes."""
    reminded(lagging)
    assert len(claim_notices(lagging.session, now=lagging.now, most=10)) == 1
    lagging.session.execute(text("UPDATE verdict SET lag = 'unknown'"))
    ended = "UPDATE notice SET lease_until = clock_timestamp() - cast(:ago AS interval)"
    for ago, state in ((MINUTE, "sending"), (61 * MINUTE, "cancelled")):
        lagging.session.execute(text(ended), {"ago": ago})
        assert claim_notices(lagging.session, now=lagging.now + ago, most=10) == []
        assert lagging.rows("SELECT state, gives_back FROM notice") == [(state, False)]


def test_late_reminder_waits_for_working_hours(lagging: World) -> None:
    """What could not be sent in the afternoon goes out the next morning there, and not at night."""
    reminded(lagging)
    lagging.now = datetime(2026, 3, 2, 20, tzinfo=UTC)
    assert deliver_now(now=lagging.now) == 1
    assert lagging.rows("SELECT state, due_at, attempts FROM notice") == [
        ("due", datetime(2026, 3, 3, 7, tzinfo=UTC), 0)
    ]
    lagging.now = datetime(2026, 3, 3, 7, tzinfo=UTC)
    deliver_now(now=lagging.now)
    assert lagging.rows("SELECT state, attempts FROM notice") == [("sent", 1)]
    assert [entry.type for entry in timeline(lagging.session, "1")][-1] == "reminder.sent"


def test_deleted_app_cancels(lagging: World) -> None:
    """A deleted app's reminders stop and what was queued is cancelled, with the reason."""
    reminded(lagging)
    lagging.list_apps(deleted=True)
    evaluate_now(lagging.app_id, now=lagging.now)
    assert lagging.rows("SELECT state, settle_reason FROM notice") == [("cancelled", "app_deleted")]


def test_claim_and_settle_once(lagging: World) -> None:
    """One worker has a notice at a time; a late settlement by another changes nothing."""
    reminded(lagging)
    (first,) = claim_notices(lagging.session, now=lagging.now, most=10)
    assert claim_notices(lagging.session, now=lagging.now, most=10) == []
    lagging.session.execute(text("UPDATE notice SET lease_until = clock_timestamp() - interval '1 s'"))
    (second,) = claim_notices(lagging.session, now=lagging.now, most=10)
    assert (second.key, second.attempts) == (first.key, 2)
    assert settle(lagging.session, second, Settlement("sent", "250 ok"), now=lagging.now)
    assert not settle(lagging.session, first, Settlement("permanent", "late"), now=lagging.now)
    assert lagging.rows("SELECT state FROM notice") == [("sent",)]
    assert lagging.rows("SELECT number, outcome FROM attempt ORDER BY number") == [(1, "permanent"), (2, "sent")]
