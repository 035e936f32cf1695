"""`uptake explain` in words: versions, what is missing, since when, by which rule, what was sent, what comes next."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import text

from models.queries.tenants import notices, story, timeline
from models.verdicts import history_of
from tasks.story import happened, told
from tests.integration.models.world import A, B, C, World
from uptake.features import Feature
from uptake.policies import Exemption, Match, Override, Policies
from uptake.policy import DEFAULT
from uptake.wording import moment

POLICIES = Policies(DEFAULT)


def words(world: World, tenant: str = "1", policies: Policies = POLICIES, features: tuple[Feature, ...] = ()) -> str:
    """The whole story of a tenant and the world's app, now."""
    (one,) = story(world.session, "acme:4711", tenant, now=world.now)
    history = history_of(world.session, one.app_id)
    sent = notices(world.session, "acme:4711", tenant)
    return "\n".join(told(one, sent, history, policies, features, now=world.now))


def lagging(world: World) -> None:
    """A tenant that lacks a scope of version 2, which is out now."""
    world.put("1", 1, tenant_name="Bright HVAC")
    world.poll()
    world.release(A, B)
    world.poll()


def upgraded(world: World) -> None:
    """The tenant accepts version 2, which is seen and judged."""
    world.put("1", 2, tenant_name="Bright HVAC")
    world.poll()
    world.evaluate()


def test_from_grace_to_alert(world: World) -> None:
    """First the grace runs, then there is an alert; each time the rule and the instant are told."""
    lagging(world)
    world.evaluate(after=timedelta(minutes=1))
    said = words(world)
    assert f"It lacks {B} since" in said
    assert "No alert yet: Bright HVAC has lagged since" in said
    assert "grace.blocking = 14 days, so info after 14 days, warning after 21 days, critical after 35 days" in said
    assert "settle = 60 minutes" in said
    world.evaluate(after=timedelta(days=20))
    said = words(world)
    assert "Alert (info): Bright HVAC has lagged since" in said
    assert "open since 22 March 2026" in said


def test_since_when_each_is_missing(world: World) -> None:
    """What came with a later release is not said to be missing for as long as what came before."""
    lagging(world)
    first = world.now
    world.release(A, B, C)
    world.poll(after=timedelta(days=30))
    world.evaluate()
    assert f"It lacks {B}, {C}, the first of them since {first.day} {first:%B %Y}" in words(world)


def test_late_for_its_own_alert(world: World) -> None:
    """Whose grace ended while nobody looked, just before a release, has no alert until that release has settled."""
    world.put("1", 1, tenant_name="Bright HVAC")
    world.poll()
    world.release(A, B)
    world.now += timedelta(days=20)
    world.release(A, B)
    world.poll()
    world.evaluate(after=timedelta(minutes=1))
    said, settled = words(world), world.versions[-1].released_at + timedelta(hours=1)
    assert world.rows("SELECT 1 FROM alert") == []
    assert "No alert yet: Dispatch Helper has a brand-new version, and another may follow" in said
    assert f"it alerts on {moment(settled)}" in said
    assert "open since" not in said
    world.evaluate(after=timedelta(hours=1))
    assert "Alert (info): Bright HVAC has lagged since" in words(world)


def test_what_is_blocked(world: World) -> None:
    """The features of the app that need what is missing are named, until nothing is."""
    features = (
        Feature(name="Calendar", scopes=(B,)),
        Feature(name="Names", scopes=(A,)),
        Feature(name="Map", scopes=(B,), match=Match(source="acme", app="4712")),
    )
    lagging(world)
    world.evaluate(after=timedelta(minutes=1))
    assert "\nBlocked until then: Calendar.\n" in words(world, features=features)
    assert "Blocked" not in words(world)
    upgraded(world)
    assert "Blocked" not in words(world, features=features)


def test_rule_for_some(world: World) -> None:
    """What an override or an exemption decided is told with its place in uptake.toml."""
    lagging(world)
    world.label("1", tier="gold")
    strict = replace(DEFAULT, grace_blocking=timedelta(days=3), place="[[policy.override]] number 2")
    override = Override(Match(labels=(("tier", "gold"),)), strict)
    said = words(world, policies=Policies(DEFAULT, (override,)))
    assert "The rule: [[policy.override]] number 2 grace.blocking = 3 days, so info after 3 days" in said
    until = world.now + timedelta(days=9)
    exemption = Exemption(Match(tenant="1"), until, "migrates in May", "[[exemption]] number 1")
    said = words(world, policies=Policies(DEFAULT, (override,), (exemption,)))
    assert "No alert: Bright HVAC is exempt for a while." in said
    assert f"The rule: [[exemption]] number 1, until {moment(until)}: migrates in May" in said


def test_next_reminder_is_when_people_are_at_work(world: World) -> None:
    """A reminder due on a night or a Saturday is promised for the hour at which it goes out, where the tenant is."""
    lagging(world)
    # Friday noon in UTC: in Auckland it is Saturday already.
    world.session.execute(
        text("""INSERT INTO reminder (connection_id, app_id, tenant_id, environment, target_version, opened_at, due_at)
                SELECT id, app_id, tenant_id, environment, 2, :now, '2026-03-06 12:00+00' FROM connection"""),
        {"now": world.now},
    )
    assert "Next reminder: 6 March 2026, 12:00 UTC" in words(world)
    world.session.execute(text("UPDATE tenant SET time_zone = 'Pacific/Auckland'"))
    assert "Next reminder: 8 March 2026, 19:00 UTC" in words(world)


def test_reminders_of_the_open_thread(world: World) -> None:
    """An open thread is told of, whatever ended before it; else the one that ended last."""
    lagging(world)
    thread = text("""INSERT INTO reminder (connection_id, app_id, tenant_id, environment, target_version, opened_at,
        sent, stopped_at, stop_reason) SELECT id, app_id, tenant_id, environment, 2, :now, :sent, :stopped, :why
        FROM connection""")
    for sent, why in ((1, "disconnected"), (2, "disabled")):
        world.session.execute(thread, {"now": world.now, "sent": sent, "stopped": world.now, "why": why})
    (ended,) = story(world.session, "acme:4711", "1", now=world.now)
    assert (ended.reminders_sent, ended.stop_reason) == (2, "disabled")
    world.session.execute(thread, {"now": world.now, "sent": 3, "stopped": None, "why": None})
    (opened,) = story(world.session, "acme:4711", "1", now=world.now)
    assert (opened.reminders_sent, opened.stop_reason) == (3, None)


def test_upgraded_tenant(world: World) -> None:
    """After the upgrade nothing is missing, and the story says why the alert ended."""
    lagging(world)
    world.evaluate(after=timedelta(days=20))
    upgraded(world)
    said = words(world)
    assert "No alert: Bright HVAC runs the latest version" in said
    assert "The last alert ended because: upgraded." in said
    assert "The rule" not in said


def test_history_in_words(world: World) -> None:
    """Each event says what its type does not: versions, bounds, the alert's kind and reason."""
    lagging(world)
    world.evaluate(after=timedelta(days=20))
    upgraded(world)
    said = [(entry.type, happened(entry)) for entry in timeline(world.session, "1")]
    assert said[0] == ("tenant.connected", "at version 1, as first seen")
    assert said[1] == ("alert.raised", "info: tenant lagging, grace over")
    assert said[2][1].startswith("version 1 to 2, after 2 March 2026, ")
    assert said[3] == ("alert.resolved", "info: tenant lagging, upgraded")


def test_alert_that_never_fired_is_no_event(world: World) -> None:
    """What was pending and is over was told to nobody, so the tenant's history is silent about it."""
    lagging(world)
    world.evaluate(after=timedelta(days=1))
    upgraded(world)
    assert [entry.type for entry in timeline(world.session, "1")] == ["tenant.connected", "tenant.upgraded"]
