"""Which policy holds for whom, as tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from uptake.mutes import Mute
from uptake.policies import Exemption, Match, Override, Policies, Route, Who
from uptake.policy import DEFAULT, AlertKind, Policy, Severity, severities

NOW, DAY = datetime(2026, 3, 1, tzinfo=UTC), timedelta(days=1)
GOLD = Who(source="acme", app="4711", environment="production", tenant="7", labels={"tier": "gold", "region": "us"})


def named(name: str) -> Policy:
    """A policy that can be told from others."""
    return replace(DEFAULT, place=name)


@pytest.mark.parametrize(
    ("match", "is_met"),
    [
        (Match(), True),
        (Match(source="acme"), True),
        (Match(source="other"), False),
        (Match(app="4711"), True),
        (Match(app="4712"), False),
        (Match(source="acme", app="4711"), True),
        (Match(source="other", app="4711"), False),
        (Match(environment="production"), True),
        (Match(environment="integration"), False),
        (Match(tenant="7"), True),
        (Match(tenant="8"), False),
        (Match(labels=(("tier", "gold"),)), True),
        (Match(labels=(("tier", "gold"), ("region", "us"))), True),
        (Match(labels=(("tier", "gold"), ("region", "eu"))), False),
        (Match(labels=(("tier", "silver"),)), False),
        (Match(labels=(("size", "xl"),)), False),
        (Match(environment="integration", labels=(("tier", "gold"),)), False),
    ],
)
def test_match(match: Match, is_met: bool) -> None:
    """Every part has to be met; what is left out is any."""
    assert match.is_met(GOLD) is is_met


def test_first_match_wins() -> None:
    """In the order of the file; whom none is for has the base."""
    policies = Policies(
        named("base"),
        (
            Override(Match(labels=(("tier", "gold"),)), named("gold")),
            Override(Match(app="4711"), named("app")),
            Override(Match(source="acme"), named("source")),
        ),
    )
    assert policies.of(GOLD).place == "gold"
    assert policies.of(replace(GOLD, labels={})).place == "app"
    assert policies.of(replace(GOLD, labels={}, app="1")).place == "source"
    assert policies.of(replace(GOLD, labels={}, app="1", source="other")).place == "base"


@pytest.mark.parametrize(("until", "why"), [(NOW + DAY, "a while"), (NOW, None), (NOW - DAY, None)])
def test_exemption_ends(until: datetime, why: str | None) -> None:
    """At the instant it names, not after it."""
    policies = Policies(DEFAULT, exemptions=(Exemption(Match(tenant="7"), until, "a while"),))
    found = policies.exemption(GOLD, NOW)
    assert (found and found.reason) == why
    assert policies.exemption(replace(GOLD, tenant="8"), NOW) is None


def test_longest_exemption_is_told() -> None:
    """Whoever is exempt twice is so until the last one ends."""
    ends = [Exemption(Match(tenant="7"), NOW + days * DAY, f"{days} days") for days in (1, 3, 2)]
    found = Policies(DEFAULT, exemptions=tuple(ends)).exemption(GOLD, NOW)
    assert found
    assert found.reason == "3 days"


@pytest.mark.parametrize(
    ("mute", "is_muted"),
    [
        (Mute(name="all", days=(6,)), True),
        (Mute(name="another day", days=(0,)), False),
        (Mute(name="a", days=(6,), source="ac*"), True),
        (Mute(name="a", days=(6,), source="other"), False),
        (Mute(name="a", days=(6,), app="acme:*"), True),
        (Mute(name="a", days=(6,), app="4711"), False),
        (Mute(name="a", days=(6,), tenant="7"), True),
        (Mute(name="a", days=(6,), tenant="8"), False),
        (Mute(name="a", days=(6,), environment="integration"), False),
        (Mute(name="a", days=(6,), kind="tenant_lagging"), True),
        (Mute(name="a", days=(6,), kind="poll_failing"), False),
        (Mute(name="a", days=(6,), labels=(("tier", "gold"),)), True),
        (Mute(name="a", days=(6,), labels=(("tier", "gold"), ("region", "eu"))), False),
    ],
)
def test_muted(mute: Mute, is_muted: bool) -> None:
    """All that a mute says has to be met, and its hours have to be now, a Sunday."""
    found = Policies(DEFAULT, mutes=(mute,)).muted(GOLD, AlertKind.TENANT_LAGGING, NOW)
    assert (found is not None) is is_muted


def test_last_mute_to_end_is_told() -> None:
    """Whoever is muted twice is so until the last one ends."""
    mutes = (Mute(name="day", days=(6,)), Mute(name="weekend", days=(6, 0)), Mute(name="again", days=(6,)))
    found = Policies(DEFAULT, mutes=mutes).muted(GOLD, AlertKind.TENANT_LAGGING, NOW)
    assert found
    assert (found.by, found.until) == ("weekend", NOW + 2 * DAY)


@pytest.mark.parametrize(
    ("match", "asks"),
    [
        (Match(labels=(("tier", "gold"),)), True),
        (Match(app="4711", labels=(("tier", "gold"),)), True),
        (Match(app="4712", labels=(("tier", "gold"),)), False),
        (Match(app="4711"), False),
    ],
)
def test_labels_are_asked_for_where_they_matter(match: Match, asks: bool) -> None:
    """By overrides as by exemptions."""
    assert Policies(DEFAULT, (Override(match, DEFAULT),)).asks_labels("acme", "4711") is asks
    assert Policies(DEFAULT, exemptions=(Exemption(match, NOW, "why"),)).asks_labels("acme", "4711") is asks


LAGGING, FAILING = AlertKind.TENANT_LAGGING, AlertKind.POLL_FAILING
INFO, CRITICAL = Severity.INFO, Severity.CRITICAL
IS_GOLD = Match(labels=(("tier", "gold"),))


@pytest.mark.parametrize(
    ("routes", "kind", "severity", "heard"),
    [
        pytest.param((), LAGGING, INFO, ("log",), id="none_the_base"),
        pytest.param((Route(receivers=("a",)),), LAGGING, INFO, ("a",), id="first"),
        pytest.param((Route(receivers=("a",)), Route(receivers=("b",))), LAGGING, INFO, ("a",), id="not_the_second"),
        pytest.param(
            (Route(receivers=("a",), goes_on=True), Route(receivers=("b",))), LAGGING, INFO, ("a", "b"), id="goes_on"
        ),
        pytest.param((Route(receivers=("a",), goes_on=True),), LAGGING, INFO, ("a", "log"), id="goes_on_to_the_base"),
        pytest.param((Route(receivers=("log",), goes_on=True),), LAGGING, INFO, ("log",), id="each_once"),
        pytest.param((Route(receivers=()),), LAGGING, INFO, (), id="nobody"),
        pytest.param(
            (Route(receivers=("a",), at_least=CRITICAL),), LAGGING, Severity.WARNING, ("log",), id="not_that_severe"
        ),
        pytest.param((Route(receivers=("a",), at_least=CRITICAL),), LAGGING, CRITICAL, ("a",), id="that_severe"),
        pytest.param((Route(receivers=("a",), kinds=(FAILING,)),), LAGGING, INFO, ("log",), id="other_kind"),
        pytest.param((Route(receivers=("a",), kinds=(FAILING,)),), FAILING, INFO, ("a",), id="that_kind"),
        pytest.param((Route(receivers=("a",), match=IS_GOLD),), LAGGING, INFO, ("a",), id="label"),
        pytest.param((Route(receivers=("a",), match=Match(app="1")),), LAGGING, INFO, ("log",), id="other_app"),
        pytest.param(
            (Route(receivers=("a",), match=Match(app="1"), goes_on=True), Route(receivers=("b",))),
            LAGGING,
            INFO,
            ("b",),
            id="goes_on_from_what_matches",
        ),
    ],
)
def test_routes(routes: tuple[Route, ...], kind: AlertKind, severity: Severity, heard: tuple[str, ...]) -> None:
    """The first that matches decides, unless it goes on; what goes on to the end comes to the base's receivers."""
    assert Policies(DEFAULT, routes=routes).heard_by(GOLD, kind, severity) == heard


def test_receivers_are_all_who_may_hear() -> None:
    """Of the base and of the routes, each once."""
    routes = (Route(receivers=("a", "log")), Route(receivers=("b", "a")))
    assert Policies(DEFAULT, routes=routes).receivers == ("log", "a", "b")


def test_severities_that_a_kind_may_reach() -> None:
    """Nobody is woken for a tenant that grants too much."""
    assert severities(DEFAULT) == {LAGGING: tuple(Severity), AlertKind.TENANT_OVERGRANTED: (INFO,)}


def test_policies_are_told_apart_by_all_processes_alike() -> None:
    """What an app was judged by is compared as text: a set would be written in another order by each process."""
    policies = Policies(
        DEFAULT,
        (Override(IS_GOLD, DEFAULT),),
        (Exemption(IS_GOLD, NOW, "why"),),
        (Route(receivers=("log",), match=IS_GOLD),),
    )
    assert "set(" not in repr(policies)
    assert "0x" not in repr(policies)
    assert hash(policies) == hash(replace(policies))
