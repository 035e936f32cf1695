"""Policies for some: overrides by environment and labels, and exemptions, in what is raised and who is reminded."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from models.alerts import adopt
from models.reminders import thread
from tests.integration.models.world import A, B, World
from uptake.policies import Exemption, Match, Override, Policies
from uptake.policy import DEFAULT, Severity

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OPEN = "SELECT t.external_id, a.state, a.severity FROM alert a JOIN tenant t ON t.id = a.tenant_id ORDER BY 1"
ENDS = "SELECT t.external_id, a.resolve_reason FROM alert a JOIN tenant t ON t.id = a.tenant_id ORDER BY a.opened_at, 1"
THREADS = (
    "SELECT t.external_id, r.stop_reason FROM reminder r JOIN tenant t ON t.id = r.tenant_id ORDER BY r.opened_at, 1"
)
GOLD = Match(labels=(("tier", "gold"),))
STRICT = replace(DEFAULT, grace_blocking=DAY, severity=((Severity.CRITICAL, timedelta()),), place="strict")


def lagging(world: World) -> None:
    """Tenants 1, 2 and 3 lack B for two days; 1 and 2 are gold."""
    for tenant in "123":
        world.put(tenant, 1)
    world.poll()
    world.label("1", tier="gold")
    world.label("2", tier="gold", region="us")
    world.release(A, B)
    world.poll()
    world.now += 2 * DAY


def threads(world: World, policies: Policies) -> None:
    """Evaluate, and bring the reminder threads in line."""
    evaluated = world.evaluate(policies)
    thread(world.session, evaluated.rules, only=evaluated.only)


def test_labels_choose_the_ladder(world: World) -> None:
    """Two gold tenants with different other labels alert by their own rule, the third has its grace."""
    lagging(world)
    world.evaluate(Policies(DEFAULT, (Override(GOLD, STRICT),)))
    assert world.rows(OPEN) == [("1", "firing", "critical"), ("2", "firing", "critical"), ("3", "pending", None)]


def test_first_override_wins(world: World) -> None:
    """Whom two are for has the first."""
    lagging(world)
    us = replace(STRICT, severity=((Severity.INFO, timedelta()),))
    world.evaluate(Policies(DEFAULT, (Override(Match(labels=(("region", "us"),)), us), Override(GOLD, STRICT))))
    assert world.rows(OPEN) == [("1", "firing", "critical"), ("2", "firing", "info"), ("3", "pending", None)]


def test_override_of_another_app_changes_nothing(world: World) -> None:
    """A match is met in all its parts, or not."""
    lagging(world)
    world.evaluate(Policies(DEFAULT, (Override(Match(app="4712"), STRICT), Override(Match(source="other"), STRICT))))
    assert {state for _, state, _ in world.rows(OPEN)} == {"pending"}
    world.evaluate(Policies(DEFAULT, (Override(Match(source="acme", app="4711"), STRICT),)))
    assert {state for _, state, _ in world.rows(OPEN)} == {"firing"}


def test_environments_have_their_own(world: World) -> None:
    """A label that matters in one environment only leaves the other as it is."""
    lagging(world)
    world.put("4", 1, environment="integration")
    world.poll()
    world.label("4", tier="gold")
    world.now += DAY
    both = replace(DEFAULT, environments=("production", "integration"))
    strict = replace(STRICT, environments=both.environments)
    world.evaluate(Policies(both, (Override(replace(GOLD, environment="integration"), strict),)))
    assert world.rows(OPEN) == [(tenant, "pending", None) for tenant in "123"] + [("4", "firing", "critical")]


def test_settle_window_of_some(world: World) -> None:
    """Who has a longer one is told later, by time alone."""
    lagging(world)
    patient = Policies(STRICT, (Override(GOLD, replace(STRICT, settle=5 * DAY)),))
    evaluated = world.evaluate(patient)
    assert world.rows(OPEN) == [("3", "firing", "critical")]
    assert evaluated.next_at == world.versions[-1].released_at + 5 * DAY
    world.evaluate(patient, after=3 * DAY)
    assert len(world.rows(OPEN)) == 3


def test_new_labels_are_judged_by(world: World) -> None:
    """What a contact book says of a tenant holds from the next evaluation on, which is due at once."""
    lagging(world)
    policies = Policies(DEFAULT, (Override(GOLD, STRICT),))
    world.evaluate(policies)
    world.label("3", tier="gold")
    assert world.rows("SELECT evaluate_at <= clock_timestamp() FROM app") == [(True,)]
    world.evaluate(policies)
    assert {state for _, state, _ in world.rows(OPEN)} == {"firing"}
    world.label("1", "2", "3", tier="none")
    world.evaluate(policies)
    assert {state for _, state, _ in world.rows(OPEN)} == {"pending"}


def test_same_labels_again_are_no_news(world: World) -> None:
    """A contact book that says what is known lets nobody be judged anew."""
    lagging(world)
    world.evaluate()
    world.label("1", tier="gold")
    assert world.rows("SELECT unjudged FROM app") == [([],)]
    assert world.evaluate().only == ()


@pytest.mark.parametrize("match", [Match(tenant="1"), replace(GOLD, tenant="1"), Match(app="4711", tenant="1")])
def test_exempt_tenant(world: World, match: Match) -> None:
    """Its alert ends with that reason, its reminders stop; both begin anew when the exemption is over."""
    lagging(world)
    asks = replace(STRICT, reminders="log")
    threads(world, Policies(asks))
    exempt = Policies(asks, exemptions=(Exemption(match, world.now + 9 * DAY, "migrates in May"),))
    threads(world, exempt)
    assert world.rows(ENDS) == [("1", "exempt"), ("2", None), ("3", None)]
    assert world.rows(THREADS) == [("1", "exempt"), ("2", None), ("3", None)]
    assert world.rows("SELECT evaluate_at FROM app") == [(world.now + 9 * DAY,)]
    world.now += 9 * DAY
    threads(world, exempt)
    assert world.rows(ENDS)[3:] == [("1", None)]
    assert world.rows(THREADS)[3:] == [("1", None)]


def test_exempt_by_labels(world: World) -> None:
    """All who have them, in the environment that is named."""
    lagging(world)
    until = world.now + DAY
    world.evaluate(Policies(STRICT, exemptions=(Exemption(replace(GOLD, environment="integration"), until, "why"),)))
    assert len(world.rows(OPEN)) == 3
    world.evaluate(Policies(STRICT, exemptions=(Exemption(replace(GOLD, environment="production"), until, "why"),)))
    assert world.rows(ENDS) == [("1", "exempt"), ("2", "exempt"), ("3", None)]


def test_exemption_of_somebody_else(world: World) -> None:
    """Neither another tenant nor one that lacks a label of the match."""
    lagging(world)
    matches = (Match(tenant="9"), Match(tenant="3", labels=GOLD.labels), Match(app="4712", tenant="1"))
    world.evaluate(Policies(STRICT, exemptions=tuple(Exemption(match, world.now + DAY, "why") for match in matches)))
    assert [state for _, state, _ in world.rows(OPEN)] == ["firing"] * 3


def test_reminders_off_for_some(world: World) -> None:
    """An override may remind nobody, or so many days later."""
    lagging(world)
    quiet = replace(DEFAULT, reminders="")
    asks = replace(DEFAULT, reminders="log", remind_days=(2, 5))
    threads(world, Policies(asks, (Override(GOLD, quiet),)))
    assert world.rows(THREADS) == [("3", None)]
    assert world.rows("SELECT due_at FROM reminder") == [(world.now + 2 * DAY,)]


def test_policies_that_changed_are_adopted(world: World) -> None:
    """A worker that starts with another uptake.toml lets every app be judged by it; with the same one, none."""
    lagging(world)
    assert adopt(world.session, Policies(DEFAULT), now=world.now) == 0
    world.evaluate()
    assert adopt(world.session, Policies(DEFAULT), now=world.now) == 0
    assert adopt(world.session, Policies(STRICT), now=world.now) == 1
    assert world.rows("SELECT evaluate_at FROM app") == [(world.now,)]
    world.evaluate(Policies(STRICT))
    assert {state for _, state, _ in world.rows(OPEN)} == {"firing"}
    assert adopt(world.session, Policies(STRICT), now=world.now) == 0


def test_many_sets_of_labels(world: World) -> None:
    """A label of each tenant's own is no rule of its own."""
    lagging(world)
    for tenant in "123":
        world.label(tenant, tier="gold", account=f"a{tenant}")
    evaluated = world.evaluate(Policies(DEFAULT, (Override(GOLD, STRICT),)))
    assert set(evaluated.rules.bound["rules"]) == {0, 1}
    assert world.rows("SELECT count(*) FROM label_set WHERE labels ? 'account'") == [(3,)]
    assert world.session.scalar(text("SELECT count(*) FROM alert WHERE state = 'firing'")) == 3
