"""One person, one message: over tenants and apps, spread over the minutes, and to somebody who answers."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session as OrmSession

from models.alerts import adopt
from models.base import engine_for
from models.leases import claim_source
from models.listing import record_listing
from models.opt_out import opt_out
from models.outbox import Settlement, claim_notices, settle
from models.queries import tenants
from models.queries.message_lists import MessageState, WantedMessages, messages_before
from models.queries.notices import told
from models.queries.tenant_names import tenants_named
from models.replay import Against, against, replay
from models.turns import alone
from models.verdicts import history_of
from tasks import remind, story
from tasks.deliver import deliver_now
from tasks.evaluate import evaluate_now
from tasks.remind import remind_now
from tasks.rules import rules
from tests.integration.models.world import A, B, C, World
from uptake.errors import Fault
from uptake.facts import SeenApp
from uptake.wording import moment

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
NOTICES = 'SELECT "to", state, settle_reason FROM notice ORDER BY id'
THREADS = "SELECT t.external_id, r.sent, r.held_reason FROM reminder r JOIN tenant t ON t.id = r.tenant_id ORDER BY 1"


@pytest.fixture
def lagging(world: World, chosen: Path) -> World:
    """Tenants 1, 2 and 3 lag since Monday morning; Ada is a contact of the first two, Bob of the third."""
    choose(chosen, "remind_pace = 0")
    for tenant in "123":
        world.put(tenant, 1)
    world.poll()
    for tenant, email in (("1", "ada"), ("2", "ada"), ("3", "bob")):
        contact(world, tenant, f"{email}@b.example")
    world.release(A, B)
    world.poll()
    world.now = NOON
    evaluate_now(world.app_id, now=world.now)
    return world


def contact(world: World, tenant: str, email: str, *, rank: int = 1) -> None:
    """One more row of the contact book."""
    insert = "INSERT INTO contact (tenant_id, email, rank) SELECT id, :email, :rank FROM tenant WHERE external_id = :id"
    world.session.execute(text(insert), {"email": email, "rank": rank, "id": tenant})
    world.session.commit()


def sent_to_ada(lagging: World) -> int:
    """The id of the first reminder to Ada, which has gone out."""
    assert reminded(lagging) == 2
    assert deliver_now(now=lagging.now) == 2
    ((ada,),) = lagging.rows("SELECT id FROM notice WHERE \"to\" = 'ada@b.example'")
    return int(ada)


def upgrade(lagging: World, tenant: str) -> None:
    """The tenant accepts, and that is seen."""
    lagging.put(tenant, 2)
    lagging.poll(after=MINUTE)
    evaluate_now(lagging.app_id, now=lagging.now)


def choose(path: Path, policy: str) -> None:
    """More keys of [policy]."""
    kept = path.read_text().replace("remind_pace = 0\n", "" if "remind_pace" in policy else "remind_pace = 0\n")
    path.write_text(kept.replace("[policy]", f"[policy]\n{policy}"))
    rules.cache_clear()


def reminded(world: World, after: timedelta = timedelta(), *, read: bool = True) -> int:
    """Remind twice, *after* some time in which the app was *read*; the second run must do nothing."""
    world.now += after
    if read:
        world.session.execute(text("UPDATE app SET walked_at = :now"), {"now": world.now})
    world.session.commit()
    queued = remind_now(now=world.now)
    before = world.snapshot()
    assert remind_now(now=world.now) == 0
    assert world.snapshot() == before
    return queued


def asks(world: World) -> list[dict[str, Any]]:
    """What the last message asks, for programs."""
    found: list[dict[str, Any]] = world.rows("SELECT payload -> 'asks' FROM notice ORDER BY id DESC LIMIT 1")[0][0]
    return found


def test_one_message_over_tenants(lagging: World) -> None:
    """Ada gets one about both of her tenants, Bob one about his, and nobody hears of another's."""
    assert reminded(lagging) == 2
    said = {to: (app, tenant, body) for to, app, tenant, body in lagging.rows(
        'SELECT n."to", n.app_id, t.external_id, n.body FROM notice n LEFT JOIN tenant t ON t.id = n.tenant_id'
    )}  # fmt: skip
    assert said["ada@b.example"][:2] == (lagging.app_id, None)
    assert said["bob@b.example"][:2] == (lagging.app_id, "3")
    assert "Tenant 3" not in said["ada@b.example"][2]
    assert "Tenant 1" not in said["bob@b.example"][2]
    assert lagging.rows(THREADS) == [("1", 1, None), ("2", 1, None), ("3", 1, None)]
    assert deliver_now(now=lagging.now) == 2
    assert lagging.events().count("reminder.sent") == 3


def test_when_it_went_out(lagging: World) -> None:
    """`uptake explain` tells which reminder it was and when it went out, not when it was written."""
    assert reminded(lagging) == 2
    written, lagging.now = lagging.now, lagging.now + HOUR
    assert deliver_now(now=lagging.now) == 2
    (one,) = tenants.story(lagging.session, "acme:4711", "3", now=lagging.now)
    sent = tenants.notices(lagging.session, "acme:4711", "3")
    history = history_of(lagging.session, lagging.app_id)
    said = list(story.told(one, sent, history, rules().policies, now=lagging.now))
    assert f"{moment(lagging.now)}: reminder 1 to bob@b.example (sent)." in said
    assert not any(line.startswith(moment(written)) for line in said)


def test_one_message_whatever_is_looked_at_first(lagging: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a person is due is in one message, though it takes a look at many threads in turn."""
    monkeypatch.setattr(remind, "THREADS", 1)
    contact(lagging, "3", "ada@b.example", rank=0)
    assert reminded(lagging) == 1
    assert sorted(one["tenant"] for one in asks(lagging)) == ["1", "2", "3"]


def test_one_message_over_apps(lagging: World) -> None:
    """What the same people owe to another app of the same source is in the same message."""
    lease = claim_source(lagging.session, lagging.source_id, now=lagging.now, every=HOUR, forced=True)
    assert lease
    two = [
        SeenApp(number, f"App {number}", None, "public", "approved", lagging.now, False, ("production",))
        for number in ("4711", "4712")
    ]
    record_listing(lagging.session, lease, two, now=lagging.now, duration_seconds=0.1)
    first = lagging.app_id
    ((lagging.app_id,),) = lagging.rows("SELECT id FROM app WHERE external_id = '4712'")
    lagging.listed = {key: seen for key, seen in lagging.listed.items() if key[0] == "1"}
    lagging.poll()
    evaluate_now(lagging.app_id, now=lagging.now)
    lagging.session.commit()
    lagging.app_id = first
    lagging.now = NOON
    assert reminded(lagging, 2 * HOUR) == 2
    (ada,) = lagging.rows("SELECT app_id, tenant_id, payload -> 'asks' FROM notice WHERE \"to\" LIKE 'ada@%'")
    assert ada[:2] == (None, None)
    assert sorted((one["app"], one["tenant"]) for one in ada[2]) == [
        ("acme:4711", "1"),
        ("acme:4711", "2"),
        ("acme:4712", "1"),
    ]
    states: tuple[MessageState, ...] = ("due", "sending", "failed", "cancelled", "sent")
    for state in states:
        lagging.session.execute(text("UPDATE notice SET state = :state"), {"state": state})
        about = {
            app: [one.to for one in messages_before(lagging.session, WantedMessages(app=app, state=state))]
            for app in ("acme:4711", "acme:4712")
        }
        assert about == {"acme:4711": ["bob@b.example", "ada@b.example"], "acme:4712": ["ada@b.example"]}, state
        assert not messages_before(lagging.session, WantedMessages(app="acme:4712", state=state, kind="alert"))


def test_at_most_one_a_day(lagging: World) -> None:
    """What becomes due on the day of a message waits for the next day, with the reason; then it is one again."""
    lagging.session.execute(
        text("""UPDATE reminder SET due_at = due_at + interval '1 h', opened_at = opened_at + interval '1 h'
                FROM tenant t WHERE t.id = tenant_id AND external_id = '2'""")
    )
    assert reminded(lagging) == 2
    assert deliver_now(now=lagging.now) == 2
    assert reminded(lagging, HOUR) == 0
    assert lagging.rows(THREADS)[1] == ("2", 0, "written_to_lately")
    assert reminded(lagging, DAY - HOUR - MINUTE) == 0
    assert reminded(lagging, MINUTE) == 1
    assert asks(lagging)[0]["tenant"] == "2"


def test_while_one_is_on_its_way_there_is_no_second(lagging: World) -> None:
    """A mail server that is down for days gets one message for each person then."""
    assert reminded(lagging) == 2
    assert reminded(lagging, 3 * DAY) == 0
    assert lagging.rows(THREADS)[0] == ("1", 1, "written_to_lately")
    assert deliver_now(now=lagging.now) == 2
    assert reminded(lagging, DAY) == 2


def test_who_upgraded_is_not_in_it(lagging: World) -> None:
    """A message that was not sent is made anew for the rest, which keeps its turn."""
    assert reminded(lagging) == 2
    lagging.put("1", 2)
    lagging.poll(after=MINUTE)
    evaluate_now(lagging.app_id, now=lagging.now)
    assert reminded(lagging) == 1
    assert [one["tenant"] for one in asks(lagging)] == ["2"]
    assert asks(lagging)[0]["step"] == 1
    assert sorted(lagging.rows(NOTICES)) == [
        ("ada@b.example", "cancelled", "upgraded"),
        ("ada@b.example", "due", None),
        ("bob@b.example", "due", None),
    ]


def test_who_upgraded_before_it_was_judged(lagging: World) -> None:
    """The last look before sending takes the whole message back, and the rest is told without the one."""
    assert reminded(lagging) == 2
    lagging.put("1", 2)
    lagging.poll(after=MINUTE)
    assert deliver_now(now=lagging.now) == 1
    evaluate_now(lagging.app_id, now=lagging.now)
    assert reminded(lagging) == 1
    assert [one["tenant"] for one in asks(lagging)] == ["2"]


def test_newer_version_for_all_of_it(lagging: World) -> None:
    """A message about an older version is not sent; all of it is in the next, about the newer one."""
    assert reminded(lagging) == 2
    lagging.release(A, B, C)
    lagging.poll(after=MINUTE)
    evaluate_now(lagging.app_id, now=lagging.now)
    assert reminded(lagging) == 0
    assert reminded(lagging, HOUR) == 2
    assert {one["target_version"] for one in asks(lagging)} == {3}
    assert lagging.rows("SELECT DISTINCT sent FROM reminder") == [(1,)]


def test_who_has_begun_to_send_the_older(lagging: World) -> None:
    """A sender died over an older version: that is not said again; as it may have arrived, it was the thread's turn."""
    assert reminded(lagging) == 2
    assert len(claim_notices(lagging.session, now=lagging.now, most=9)) == 2
    lagging.release(A, B, C)
    lagging.poll(after=MINUTE)
    evaluate_now(lagging.app_id, now=lagging.now)
    lagging.session.execute(text("UPDATE notice SET lease_until = clock_timestamp() - interval '1 s'"))
    lagging.session.commit()
    assert deliver_now(now=lagging.now) == 0
    assert {row[1:] for row in lagging.rows(NOTICES)} == {("cancelled", "superseded")}
    assert reminded(lagging, 2 * HOUR) == 0
    assert lagging.rows("SELECT DISTINCT sent FROM reminder") == [(1,)]


def test_who_cannot_be_judged_holds_nobody(lagging: World) -> None:
    """What one of the tenants runs is not known: its people are told about the others."""
    assert reminded(lagging) == 2
    lagging.session.execute(
        text("UPDATE connection SET version = NULL FROM tenant t WHERE t.id = tenant_id AND t.external_id = '1'")
    )
    lagging.session.commit()
    assert deliver_now(now=lagging.now) == 1
    assert reminded(lagging) == 1
    assert [one["tenant"] for one in asks(lagging)] == ["2"]
    assert ("ada@b.example", "cancelled", "not_judged") in lagging.rows(NOTICES)


def test_tries_begin_anew(lagging: World) -> None:
    """A message that was tried, taken back and asked again has all its tries before it, each with its own number."""
    assert reminded(lagging) == 2
    for hours in (0, 1):
        for one in claim_notices(lagging.session, now=lagging.now + hours * HOUR, most=9):
            assert one.failures == hours
            again = Settlement("transient", "451", Fault.SERVER.value, due_at=lagging.now + HOUR, counts=True)
            assert settle(lagging.session, one, again, now=lagging.now)
    lagging.session.execute(text("UPDATE verdict SET lag = 'unknown'"))
    assert claim_notices(lagging.session, now=lagging.now + HOUR, most=9) == []
    lagging.session.execute(text("UPDATE verdict SET lag = 'blocking'"))
    assert reminded(lagging, HOUR) == 2
    claimed = claim_notices(lagging.session, now=lagging.now, most=9)
    assert {(one.failures, one.attempts) for one in claimed} == {(0, 3)}


def test_turn_given_back_after_a_later_one(lagging: World) -> None:
    """The number of a turn that went out is no reason to forget the one that was given back."""
    assert reminded(lagging) == 2
    assert deliver_now(now=lagging.now) == 2
    lagging.session.execute(text("UPDATE reminder SET sent = 0, last_sent_at = NULL, due_at = opened_at"))
    assert reminded(lagging, DAY) == 2
    assert deliver_now(now=lagging.now) == 2
    assert lagging.rows("SELECT count(DISTINCT key) FROM notice") == [(4,)]


def test_opt_out_of_one_tenant(lagging: World) -> None:
    """Who opted out of one tenant hears of the other."""
    assert reminded(lagging) == 2
    ((tenant,),) = lagging.rows("SELECT id FROM tenant WHERE external_id = '1'")
    assert opt_out(lagging.session, [tenant], "ada@b.example", now=lagging.now)
    assert reminded(lagging) == 1
    assert [one["tenant"] for one in asks(lagging)] == ["2"]
    assert lagging.rows(THREADS)[0] == ("1", 0, "no_contact")


def test_who_is_no_contact_any_more(lagging: World) -> None:
    """What waits for somebody who was taken out of the contact book is not sent."""
    assert reminded(lagging) == 2
    lagging.session.execute(text("DELETE FROM contact WHERE email = 'bob@b.example'"))
    lagging.session.commit()
    assert deliver_now(now=lagging.now) == 1
    assert ("bob@b.example", "cancelled", "no_contact") in lagging.rows(NOTICES)


def test_once_more_by_hand(lagging: World) -> None:
    """The same message by a key of its own, which takes no turn; not to who has upgraded meanwhile."""
    ada = sent_to_ada(lagging)
    for number in (1, 2):
        made = replay(lagging.session, ada, now=lagging.now)
        lagging.session.commit()
        ((key, subject),) = lagging.rows("SELECT key, subject FROM notice WHERE id = :id", id=ada)
        again = lagging.rows("SELECT key, subject FROM notice WHERE id = :id", id=made)
        assert again == [(f"{key}:replay:{number}", subject)]
        assert deliver_now(now=lagging.now) == 1
    assert against(lagging.session, ada) == Against(None, None, None)
    assert replay(lagging.session, ada, now=lagging.now)
    upgrade(lagging, "1")
    assert deliver_now(now=lagging.now) == 0
    assert against(lagging.session, ada) == Against(None, None, "upgraded")
    assert reminded(lagging) == 0
    assert lagging.rows(THREADS) == [("1", 1, None), ("2", 1, None), ("3", 1, None)]
    assert replay(lagging.session, 4711, now=lagging.now) is None
    assert against(lagging.session, 4711) is None


def test_once_more_anyway(lagging: World, chosen: Path) -> None:
    """Whoever knows better has it sent though it is over, exempt or not judged, for once, and in working hours."""
    ada = sent_to_ada(lagging)
    upgrade(lagging, "1")
    chosen.write_text(chosen.read_text() + '[[exemption]]\ntenant = "2"\nuntil = 2999-01-01\nreason = "gone"\n')
    rules.cache_clear()
    evaluate_now(lagging.app_id, now=lagging.now)
    night, morning = NOON + 12 * HOUR, NOON + 21 * HOUR
    made = replay(lagging.session, ada, now=night, anyway=True)
    lagging.session.commit()
    evaluate_now(lagging.app_id, now=night)
    lagging.session.execute(text("DELETE FROM verdict"))
    lagging.session.commit()
    assert deliver_now(now=night) == 1
    query = "SELECT state, due_at FROM notice WHERE id = :id"
    assert lagging.rows(query, id=made) == [("due", NOON + 20 * HOUR)]
    assert deliver_now(now=morning) == 1
    assert lagging.rows("SELECT state FROM notice WHERE id = :id", id=made) == [("sent",)]
    assert lagging.rows("SELECT sent FROM reminder ORDER BY id") == [(1,), (1,), (1,)]
    assert made
    once = replay(lagging.session, made, now=morning)
    lagging.session.commit()
    assert deliver_now(now=morning) == 0
    assert lagging.rows("SELECT state FROM notice WHERE id = :id", id=once) == [("cancelled",)]


def test_never_once_more(lagging: World) -> None:
    """What goes out by itself is not doubled, and nobody is written to who must not be, whoever knows better."""
    assert reminded(lagging) == 2
    ((ada,),) = lagging.rows("SELECT id FROM notice WHERE \"to\" = 'ada@b.example'")
    for state in ("due", "sending"):
        lagging.session.execute(text("UPDATE notice SET state = :state"), {"state": state})
        assert against(lagging.session, ada) == Against(state, None, None)
        assert replay(lagging.session, ada, now=lagging.now, anyway=True) is None
    lagging.session.execute(text("UPDATE notice SET state = 'sent'"))
    made = replay(lagging.session, ada, now=lagging.now, anyway=True)
    lagging.session.execute(text("UPDATE contact SET opted_out_at = now() WHERE email = 'ada@b.example'"))
    lagging.session.commit()
    assert against(lagging.session, ada) == Against(None, "opted_out", None)
    assert deliver_now(now=lagging.now) == 0
    query = "SELECT state, settle_reason FROM notice WHERE id = :id"
    assert lagging.rows(query, id=made) == [("cancelled", "opted_out")]
    lagging.session.execute(text("DELETE FROM contact WHERE email = 'ada@b.example'"))
    assert against(lagging.session, ada) == Against(None, "no_contact", None)


def test_what_was_sent(lagging: World) -> None:
    """By app, tenant and state; a message to one person about several tenants is found by each of them."""
    assert reminded(lagging) == 2
    assert deliver_now(now=lagging.now) == 2
    second, third = ([one.tenant_id for one in tenants_named(lagging.session, name)] for name in "23")
    assert [one.to for one in told(lagging.session, tenants=second)] == ["ada@b.example"]
    assert len(told(lagging.session, app="acme:4711")) == 2
    assert told(lagging.session, app="acme:4712") == []
    assert told(lagging.session, state="failed") == []
    (bob,) = told(lagging.session, tenants=third, state="sent")
    assert (bob.attempts, bob.reason) == (1, "first")


def test_two_at_once(lagging: World, database_url: str) -> None:
    """While somebody else queues reminders nobody does: one person would get two."""
    engine = engine_for(database_url)
    with OrmSession(engine) as other:
        assert alone(other, "remind", waits=False)
        assert remind_now(now=lagging.now) == 0
    engine.dispose()
    assert remind_now(now=lagging.now) == 2


def test_next_contact_after_three(lagging: World) -> None:
    """Three reminders without an answer, and the next in the contact book is written to, who is told so."""
    contact(lagging, "3", "eve@b.example", rank=2)
    for days in (0, 3, 4):
        assert reminded(lagging, days * DAY)
        deliver_now(now=lagging.now)
    assert reminded(lagging, 7 * DAY)
    assert lagging.rows("SELECT count(*) FROM notice WHERE \"to\" = 'eve@b.example'") == [(1,)]


def test_nobody_there(lagging: World) -> None:
    """An address that the mail server refuses for good is not written to again; its turn goes to the next contact."""
    contact(lagging, "3", "eve@b.example", rank=2)
    assert reminded(lagging) == 2
    (bob,) = (one for one in claim_notices(lagging.session, now=lagging.now, most=9) if one.to == "bob@b.example")
    gone = Settlement("permanent", "mx answered 550 no such user", Fault.RECIPIENT.value)
    assert settle(lagging.session, bob, gone, now=lagging.now)
    assert reminded(lagging) == 1
    assert lagging.rows('SELECT "to" FROM notice ORDER BY id DESC LIMIT 1') == [("eve@b.example",)]
    assert lagging.rows("SELECT refusal FROM contact WHERE refused_at IS NOT NULL") == [
        ("mx answered 550 no such user",)
    ]
    assert lagging.rows(THREADS)[2] == ("3", 1, None)


def test_nobody_else_and_a_month_later(lagging: World) -> None:
    """The only address there is is tried again after thirty days, with the turn that was refused."""
    assert reminded(lagging) == 2
    (bob,) = (one for one in claim_notices(lagging.session, now=lagging.now, most=9) if one.to == "bob@b.example")
    gone = Settlement("permanent", "mx answered 550 no such user", Fault.RECIPIENT.value)
    assert settle(lagging.session, bob, gone, now=lagging.now)
    reminded(lagging)
    assert lagging.rows(THREADS)[2] == ("3", 0, "no_contact")
    reminded(lagging, 31 * DAY)
    assert ("bob@b.example", "due", None) in lagging.rows(NOTICES)
    assert lagging.rows(THREADS)[2] == ("3", 1, None)


def test_refused_message_has_its_turn_a_day_later(lagging: World) -> None:
    """A server that refuses a message, and not us or the address, takes no step of the ladder from anybody."""
    contact(lagging, "3", "eve@b.example", rank=2)
    assert reminded(lagging) == 2
    (bob,) = (one for one in claim_notices(lagging.session, now=lagging.now, most=9) if one.to == "bob@b.example")
    refused = Settlement("permanent", "554 5.7.1 not wanted", Fault.REQUEST.value)
    assert settle(lagging.session, bob, refused, now=lagging.now)
    assert reminded(lagging) == 0
    assert lagging.rows(THREADS)[2] == ("3", 0, "refused")
    assert reminded(lagging, DAY) == 1
    assert ("bob@b.example", "due", None) in lagging.rows(NOTICES)
    assert lagging.rows(THREADS)[2] == ("3", 1, None)


def test_what_may_have_arrived_is_not_asked_by_another_key(lagging: World) -> None:
    """Ada may have read of both when her second tenant accepts: she is not asked about the first a second time."""
    assert reminded(lagging) == 2
    assert len(claim_notices(lagging.session, now=lagging.now, most=9)) == 2
    # Whoever sent it died; whoever took it up then gave it back, for it was evening.
    lagging.session.execute(text("UPDATE notice SET state = 'due', lease_token = NULL, lease_until = NULL"))
    lagging.put("1", 2)
    lagging.poll(after=MINUTE)
    evaluate_now(lagging.app_id, now=lagging.now)
    assert reminded(lagging) == 0
    assert lagging.rows(THREADS)[1] == ("2", 1, None)


def test_another_fault_is_not_theirs(lagging: World) -> None:
    """A server that refuses us says nothing about the person."""
    assert reminded(lagging) == 2
    claimed = claim_notices(lagging.session, now=lagging.now, most=9)
    assert settle(lagging.session, claimed[0], Settlement("permanent", "535", Fault.AUTH.value), now=lagging.now)
    assert reminded(lagging) == 0
    assert lagging.rows("SELECT count(*) FROM contact WHERE refused_at IS NOT NULL") == [(0,)]


def test_spread(lagging: World, chosen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many a minute, and whoever is queued later comes after them."""
    monkeypatch.setattr(remind, "THREADS", 3)
    choose(chosen, "remind_pace = 2")
    for number in range(4, 9):
        lagging.put(str(number), 1)
    lagging.poll(after=MINUTE)
    for number in range(4, 9):
        contact(lagging, str(number), f"{number}@b.example")
    evaluate_now(lagging.app_id, now=lagging.now)
    assert reminded(lagging) == 7
    due = [at - lagging.now for (at,) in lagging.rows("SELECT due_at FROM notice ORDER BY due_at")]
    assert due == [MINUTE * place / 2 for place in range(7)]


def test_who_had_a_place_keeps_it(lagging: World, chosen: Path) -> None:
    """When one of their tenants accepts, the message about the others does not go to the end of the queue."""
    choose(chosen, "remind_pace = 1")
    assert reminded(lagging) == 2
    behind = [str(number) for number in range(20, 30)]
    for tenant in behind:
        lagging.put(tenant, 1)
    lagging.poll(after=MINUTE)
    for tenant in behind:
        contact(lagging, tenant, f"{tenant}@b.example")
    evaluate_now(lagging.app_id, now=lagging.now)
    assert reminded(lagging) == 10
    ((place,),) = lagging.rows("SELECT max(due_at) FROM notice")
    lagging.session.execute(
        text("UPDATE notice SET due_at = :at WHERE \"to\" = 'ada@b.example'"), {"at": place - 5 * MINUTE}
    )
    lagging.put("1", 2)
    lagging.poll(after=MINUTE)
    evaluate_now(lagging.app_id, now=lagging.now)
    assert reminded(lagging) == 1
    assert lagging.rows("SELECT due_at FROM notice ORDER BY id DESC LIMIT 1") == [(place - 5 * MINUTE,)]


def test_whose_day_is_over_before_it_is_their_turn(lagging: World, chosen: Path) -> None:
    """They are not woken at the end of the queue: they have their turn in the morning."""
    choose(chosen, 'remind_pace = 1\nworking_hours = "08:00-12:01"')
    assert reminded(lagging) == 1
    held = lagging.rows("SELECT due_at, held_reason FROM reminder WHERE sent = 0")
    assert set(held) == {(NOON + 20 * HOUR, "outside_working_hours")}


def test_old_facts_are_read_again_first(lagging: World) -> None:
    """Nobody is written to by what is older than six hours: the app is polled, and then they are."""
    lagging.session.execute(text("UPDATE app SET next_poll_at = :at"), {"at": lagging.now + DAY})
    lagging.session.execute(text("UPDATE app SET walked_at = :at"), {"at": lagging.now - 7 * HOUR})
    assert reminded(lagging, read=False) == 0
    assert lagging.rows("SELECT next_poll_at FROM app") == [(lagging.now,)]
    assert reminded(lagging, 15 * MINUTE) == 2


def test_another_ladder_from_now_on(lagging: World, chosen: Path) -> None:
    """What a changed uptake.toml makes due sooner is due sooner, and what it makes due later waits."""
    assert reminded(lagging) == 2
    assert deliver_now(now=lagging.now) == 2
    choose(chosen, "remind_days = [0, 1, 20]")
    assert adopt(lagging.session, rules().policies, now=lagging.now) == 1
    assert reminded(lagging) == 0
    assert lagging.rows("SELECT DISTINCT due_at, held_reason FROM reminder") == [(NOON + DAY, "not_due")]
    assert reminded(lagging, DAY) == 2
    assert lagging.rows("SELECT DISTINCT due_at FROM reminder") == [(NOON + 20 * DAY,)]


def test_deadline(lagging: World, chosen: Path) -> None:
    """Reminders come a week, three days and a day before a deadline, whatever the ladder says."""
    choose(chosen, "remind_days = [0]\ndeadline = 2026-03-12T12:00:00Z")
    sent = []
    for day in range(12):
        if reminded(lagging, DAY if day else timedelta()):
            sent.append(day)
            deliver_now(now=lagging.now)
    assert sent == [0, 3, 7, 9]
