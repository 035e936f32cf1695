"""Acknowledged, snoozed, silenced, or resting on a dead source: nobody is told, and nothing is lost."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from models.groups import arouse_all
from models.queries.alert_lists import WantedAlerts, alerts_after
from models.quiet import Matchers, acknowledge, end_silence, silence, snooze, unhold
from tasks.evaluate import evaluate_now
from tasks.flush import flush_now
from tasks.rules import rules
from tests.integration.models.world import World
from tests.integration.tasks.alarmed import alarmed

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def told(world: World, tenants: int = 1) -> list[int]:
    """The same, and the receiver was told of them; their alerts."""
    alarmed(world, tenants)
    assert heard(world, MINUTE) == [("first", tenants)]
    return alerts_of(world)


def alerts_of(world: World) -> list[int]:
    """All alerts."""
    return [alert for (alert,) in world.rows("SELECT id FROM alert ORDER BY id")]


def heard(world: World, span: timedelta, *, every: timedelta = 6 * MINUTE) -> list[tuple[str, int]]:
    """What is told while time goes on for *span*: reason and how many fire. A second look tells nothing."""
    (last,) = world.rows("SELECT coalesce(max(id), 0) FROM notice")
    end = world.now + span
    while world.now < end:
        world.now = min(world.now + every, end)
        flush_now(now=world.now)
        assert flush_now(now=world.now) == 0
    query = "SELECT reason, (payload ->> 'firing')::int FROM notice WHERE id > :last ORDER BY id"
    return [(reason, firing) for reason, firing in world.rows(query, last=last[0])]


def silenced(world: World, span: timedelta, matchers: Matchers = Matchers()) -> int:  # noqa: B008 - it is frozen
    """Somebody silences what matches, from now on."""
    return silence(
        world.session,
        matchers,
        author="ops",
        comment="maintenance",
        starts_at=world.now,
        ends_at=world.now + span,
        now=world.now,
    )


def upgraded(world: World, tenant: str) -> None:
    """The tenant accepts what is new, and that is seen."""
    world.put(tenant, 2)
    world.poll()
    evaluate_now(world.app_id, now=world.now)


@pytest.fixture
def pager(chosen: Path) -> None:
    """The receiver is one that wants to know of acknowledgements."""
    (chosen.parent / "key").write_text("r0ut1ng")
    own = 'name = "ops"\nkind = "pagerduty"\nrouting_key = "file:key"'
    chosen.write_text(chosen.read_text().replace('name = "ops"\nkind = "log"', own))
    rules.cache_clear()


@pytest.mark.usefixtures("pager")
def test_looked_after(world: World) -> None:
    """Who wants to know hears, once, that somebody looks after all of a group; that they do no more; and its end."""
    first, second = told(world, 2)
    acknowledge(world.session, [first], author="eve", comment="", until=None, now=world.now)
    assert heard(world, HOUR) == []
    acknowledge(world.session, [second], author="eve", comment="", until=world.now + 10 * HOUR, now=world.now)
    assert heard(world, 9 * HOUR) == [("acknowledged", 0)]
    assert heard(world, 2 * HOUR) == [("mute_ended", 1)]
    acknowledge(world.session, [second], author="eve", comment="", until=None, now=world.now)
    assert heard(world, HOUR) == [("acknowledged", 0)]
    upgraded(world, "0")
    upgraded(world, "1")
    assert heard(world, HOUR) == [("all_resolved", 0)]


def test_who_does_not_ask_is_not_told_who_looks_after_it(world: World) -> None:
    """Other receivers hear nothing of an acknowledgement."""
    acknowledge(world.session, told(world, 2), author="eve", comment="", until=None, now=world.now)
    assert heard(world, 9 * HOUR) == []


def test_hours_that_come_again(world: World, chosen: Path) -> None:
    """At night nobody is told; in the morning of all that fires still, at once, and once."""
    told(world, 2)
    night = f"{world.now + HOUR:%H:%M}-{world.now + 9 * HOUR:%H:%M}"
    chosen.write_text(f'{chosen.read_text()}\n[[mute]]\nname = "night"\nhours = "{night}"\nkind = "tenant_lagging"\n')
    rules.cache_clear()
    assert heard(world, HOUR) == []
    mutes = rules().policies.mutes
    (_, one), *_ = alerts_after(world.session, WantedAlerts(), now=world.now + MINUTE, mutes=mutes)
    assert (one.quiet, one.quiet_until) == ("muted", (world.now + 8 * HOUR).replace(second=0))
    assert heard(world, 7 * HOUR) == []
    assert heard(world, HOUR) == [("mute_ended", 2)]
    # The next night, too.
    assert [reason for reason, _ in heard(world, 16 * HOUR + 30 * MINUTE)] == ["repeat", "repeat", "repeat"]
    assert heard(world, 7 * HOUR) == []


def test_hours_of_another_kind(world: World, chosen: Path) -> None:
    """What does not match is told as ever."""
    week = '["mon", "tue", "wed", "thu", "fri", "sat"]'
    chosen.write_text(f'{chosen.read_text()}\n[[mute]]\nname = "all"\ndays = {week}\nkind = "poll_failing"\n')
    rules.cache_clear()
    told(world, 2)


def test_end_of_a_silence_is_told_once(world: World) -> None:
    """No repeat within it; at its end one summary of all that fires still, at once, and then repeats as ever."""
    told(world, 3)
    silenced(world, 10 * HOUR)
    assert heard(world, 10 * HOUR - MINUTE) == []
    assert heard(world, 2 * MINUTE) == [("mute_ended", 3)]
    assert heard(world, 5 * HOUR) == [("repeat", 3)]


def test_raised_within_a_silence(world: World) -> None:
    """What nobody was told of is news when the silence ends."""
    silenced(world, 21 * DAY)
    alarmed(world)
    assert heard(world, 10 * HOUR) == []
    assert heard(world, DAY, every=HOUR)[0] == ("first", 1)


def test_over_within_a_silence(world: World) -> None:
    """Whoever was told that it fires is told that it is over, when the silence ends."""
    told(world)
    silenced(world, 3 * HOUR)
    upgraded(world, "0")
    assert heard(world, HOUR) == []
    assert heard(world, 2 * HOUR) == [("all_resolved", 0)]


def test_raised_and_over_within_a_silence(world: World) -> None:
    """What came and went unheard is never told."""
    silenced(world, 21 * DAY)
    alarmed(world)
    upgraded(world, "0")
    assert heard(world, 2 * DAY, every=HOUR) == []


def test_others_are_told_during_a_silence(world: World) -> None:
    """A silence is about what matches; messages say how many they leave out, and never that all is over meanwhile."""
    told(world, 2)
    silenced(world, DAY, Matchers(tenant="0"))
    assert heard(world, 5 * HOUR) == [("repeat", 1)]
    (body,) = world.rows("SELECT body FROM notice ORDER BY id DESC LIMIT 1")[0]
    assert "Not told of, as they are acknowledged, snoozed, silenced or muted: 1." in body
    assert "Tenant 0" not in body
    upgraded(world, "1")
    assert heard(world, 6 * MINUTE) == [("new_resolved", 0)]
    upgraded(world, "0")
    assert heard(world, 6 * MINUTE) == []
    assert heard(world, DAY) == [("all_resolved", 0)]


def test_left_out_of_the_first_message(world: World) -> None:
    """Who was silenced when the others were told is news when the silence ends."""
    alarmed(world, 2)
    silenced(world, HOUR, Matchers(tenant="0"))
    assert heard(world, HOUR - MINUTE) == [("first", 1)]
    assert heard(world, 6 * MINUTE) == [("new_alerts", 2)]


def test_silence_ended_by_hand(world: World) -> None:
    """Its end is told as if it had come by itself; a second end changes nothing."""
    told(world)
    made = silenced(world, 30 * DAY)
    assert heard(world, 9 * HOUR) == []
    assert end_silence(world.session, made, now=world.now)
    assert not end_silence(world.session, made, now=world.now)
    arouse_all(world.session, rules().policies, now=world.now)
    assert heard(world, 2 * MINUTE) == [("mute_ended", 1)]


def test_later_silence(world: World) -> None:
    """Until it begins all is as before."""
    told(world)
    silence(
        world.session,
        Matchers(),
        author="ops",
        comment="next week",
        starts_at=world.now + 5 * HOUR,
        ends_at=world.now + 20 * HOUR,
        now=world.now,
    )
    assert heard(world, 5 * HOUR) == [("repeat", 1)]
    assert heard(world, 14 * HOUR) == []


@pytest.mark.parametrize(
    ("matchers", "is_match"),
    [
        (Matchers(), True),
        (Matchers(source="acme"), True),
        (Matchers(source="ac"), False),
        (Matchers(app="acme:4711"), True),
        (Matchers(app="*:4711"), True),
        (Matchers(app="acme:4712"), False),
        (Matchers(app="acme:____"), False),
        (Matchers(tenant="0"), True),
        (Matchers(tenant="%"), False),
        (Matchers(tenant="1"), False),
        (Matchers(environment="production"), True),
        (Matchers(environment="integration"), False),
        (Matchers(kind="tenant_*"), True),
        (Matchers(kind="poll_failing"), False),
        (Matchers(labels={"plan": "gold"}), True),
        (Matchers(labels={"plan": "gold", "region": "eu"}), False),
        (Matchers(tenant="0", kind="poll_failing"), False),
    ],
)
def test_what_matches(world: World, matchers: Matchers, is_match: bool) -> None:
    """All patterns have to; * stands for anything, and no other sign for more than itself."""
    told(world)
    world.label("0", plan="gold", size="xl")
    silenced(world, DAY, matchers)
    assert heard(world, 5 * HOUR) == ([] if is_match else [("repeat", 1)])


def test_acknowledged(world: World) -> None:
    """No repeats until the acknowledgement ends; that is told at once."""
    (first, *_) = alerts = told(world, 2)
    assert acknowledge(world.session, [first], author="ann", comment="on it", until=None, now=world.now) == [first]
    assert heard(world, 5 * HOUR) == [("repeat", 1)]
    until = world.now + DAY
    assert acknowledge(world.session, alerts, author="ann", comment="", until=until, now=world.now) == alerts
    assert heard(world, DAY - MINUTE) == []
    assert heard(world, 2 * MINUTE) == [("mute_ended", 2)]
    steps = world.rows("SELECT step, author, comment FROM alert_step WHERE step = 'acknowledged' ORDER BY id")
    assert steps == [("acknowledged", "ann", "on it"), ("acknowledged", "ann", None), ("acknowledged", "ann", None)]


def test_acknowledged_and_over(world: World) -> None:
    """That it is over is told in any case."""
    told(world)
    acknowledge(world.session, [1, *alerts_of(world)], author="ann", comment="", until=None, now=world.now)
    heard(world, HOUR)
    upgraded(world, "0")
    assert heard(world, 6 * MINUTE) == [("all_resolved", 0)]


def test_acknowledged_and_more_severe(world: World) -> None:
    """Who took it on did so when it was less severe: a rise is told, and ends the acknowledgement."""
    told(world)
    acknowledge(world.session, alerts_of(world), author="ann", comment="", until=None, now=world.now)
    assert heard(world, DAY, every=HOUR) == []
    world.now += 8 * DAY
    evaluate_now(world.app_id, now=world.now)
    assert heard(world, 6 * MINUTE) == [("escalated", 1)]
    assert world.rows("SELECT severity, acknowledged_at FROM alert") == [("warning", None)]


def test_snoozed_and_more_severe(world: World) -> None:
    """A snooze is until then, whatever happens."""
    told(world)
    until: datetime = world.now + 9 * DAY
    assert snooze(world.session, alerts_of(world), author="ann", comment="holiday", until=until, now=world.now)
    world.now += 8 * DAY
    evaluate_now(world.app_id, now=world.now)
    assert heard(world, HOUR) == []
    assert heard(world, DAY)[0] == ("escalated", 1)


def test_taken_back(world: World) -> None:
    """Who lets go of it hears of it again."""
    (alert,) = told(world)
    acknowledge(world.session, [alert], author="ann", comment="", until=None, now=world.now)
    assert heard(world, 9 * HOUR) == []
    assert unhold(world.session, [alert], author="ann", now=world.now) == [alert]
    arouse_all(world.session, rules().policies, now=world.now)
    assert heard(world, 2 * MINUTE) == [("mute_ended", 1)]


def test_nothing_is_held_that_does_not_fire(world: World) -> None:
    """What is over, or not there, is no one's to take."""
    (alert,) = told(world)
    upgraded(world, "0")
    assert acknowledge(world.session, [alert, 10**9], author="ann", comment="", until=None, now=world.now) == []


def test_alerts_rest_on_a_living_source(world: World) -> None:
    """While polls fail there is one alert about that; what is known of the tenants is old, and told of afterwards."""
    told(world, 3)
    world.session.execute(text("UPDATE app SET failures = 9"))
    world.session.execute(
        text("""INSERT INTO poll (source_id, app_id, seq, started_at, duration_seconds, outcome, reason)
                SELECT source_id, id, 99, :now, 1, 'failed', 'no answer' FROM app"""),
        {"now": world.now},
    )
    evaluate_now(world.app_id, now=world.now)
    assert heard(world, 3 * HOUR) == [("first", 1)]
    world.session.execute(text("UPDATE app SET failures = 0"))
    evaluate_now(world.app_id, now=world.now)
    assert sorted(heard(world, 6 * MINUTE)) == [("all_resolved", 0), ("mute_ended", 3)]
