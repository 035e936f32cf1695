"""Which policy holds for whom, as tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from uptake.policies import Exemption, Match, Override, Policies, Who
from uptake.policy import DEFAULT, Policy

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
