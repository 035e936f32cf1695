"""Alerts in pages and in groups, read from indexes: the same as if all of them were looked at and put in order."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import text

from models.queries import alert_lists
from models.queries.alert_lists import AlertLine, WantedAlerts, alerts_after
from models.queries.alerts_alike import alerts_alike
from tests.integration.models.world import World
from uptake.mutes import Mute

KINDS = ("tenant_lagging", "tenant_overgranted", "rollout_stalled")
RANKS = {"critical": 1, "warning": 2, "info": 3, None: 4}
ALL = WantedAlerts(state="open")
RESOLVED = WantedAlerts(state="resolved")
STRANGE = r"5\_"  # which means something to LIKE
MUTES = {
    "none": (),
    "an app": (Mute(name="x", app="acme:4711", environment="production"),),
    "a tenant": (Mute(name="x", tenant="2"), Mute(name="y", app="other:*", kind="tenant_l*")),
    "labels": (Mute(name="x", labels=(("tier", "gold"),)),),
    "a tenant of an app": (Mute(name="x", tenant="2", app="other:8"), Mute(name="y", tenant="3", labels=(("a", "b"),))),
    "strange ids": (Mute(name="x", tenant=STRANGE), Mute(name="y", tenant="1_"), Mute(name="z", tenant="6%")),
    "strange patterns": (Mute(name="x", tenant=STRANGE[:-1] + "*"), Mute(name="y", tenant="*_")),
    "a source": (Mute(name="x", source="other"), Mute(name="y", kind="rollout_stalled")),
    "a tenant of a source": (Mute(name="x", source="other", tenant="2"), Mute(name="y", source="a*", tenant="1*")),
    "patterns and labels": (
        Mute(name="x", tenant="1*", labels=(("tier", "gold"),)),
        Mute(name="y", source="o*", labels=(("region", "us"),)),
    ),
    "labels of an app": (
        Mute(name="x", app="other:8", labels=(("tier", "gold"),)),
        Mute(name="y", source="acme", environment="integration", labels=(("region", "us"),)),
    ),
    "ids and labels": (
        Mute(name="x", tenant="12", labels=(("tier", "gold"),)),
        Mute(name="y", tenant="1", labels=(("tier", "gold"),)),
    ),
    "labels of nobody": (Mute(name="x", labels=(("tier", "lead"),)), Mute(name="y", source="z", tenant="2")),
    "everybody": (Mute(name="x", tenant="**", kind="tenant*"), Mute(name="y", source="o*", labels=(("tier", "gold"),))),
}
_GROUND = """
INSERT INTO source (name, kind, next_poll_at) VALUES ('other', 'portal', now());
INSERT INTO app (source_id, external_id, name, first_seen_at, next_poll_at)
    SELECT s.id, x, 'App ' || x, now(), now() FROM source s, unnest(ARRAY['8', '9']) AS x;
INSERT INTO label_set (labels) VALUES ('{"tier": "gold"}'), ('{"region": "us"}'), ('{"tier": "gold", "region": "us"}');
INSERT INTO tenant (source_id, external_id, label_set_id, first_seen_at)
    SELECT s.id, x, (SELECT id FROM label_set WHERE labels = CASE x WHEN '3' THEN '{"tier": "gold"}'
        WHEN '2' THEN '{"region": "us"}' WHEN '12' THEN '{"tier": "gold", "region": "us"}' END::jsonb), now()
    FROM source s, unnest(ARRAY['1', '2', '3', '12', '6%', 'STRANGE']) AS x;
INSERT INTO connection (app_id, tenant_id, environment, status, epoch, hash, observed_at, last_seq)
    SELECT a.id, t.id, e, 'connected', 1, 0, now(), 0
    FROM app a JOIN tenant t USING (source_id), unnest(ARRAY['production', 'integration']) AS e
"""
_ALERT = text("""
INSERT INTO alert (source_id, app_id, kind, tenant_id, connection_id, environment, state, severity, since, opened_at,
    fired_at, resolved_at, reason, acknowledged_at, acknowledged_by, acknowledged_until, snoozed_until, snoozed_by)
VALUES (:source, :app, :kind, :tenant, :connection, :environment, :state, :severity, :since, :since, :since, :resolved,
    'x', :acknowledged, 'me', :acknowledged_until, :snoozed, 'me')
""")


@pytest.fixture(params=range(2))
def lived(world: World, request: pytest.FixtureRequest) -> World:
    """Alerts of all kinds and states on two sources, many of them at the same time."""
    for statement in _GROUND.replace("STRANGE", STRANGE).split(";"):
        world.session.execute(text(statement))
    chance = random.Random(request.param)
    connections = world.rows("""SELECT a.source_id, c.app_id, c.tenant_id, c.id, c.environment
                                FROM connection c JOIN app a ON a.id = c.app_id ORDER BY c.id""")
    for place, kind in product(connections, KINDS):
        for is_open in (False, False, True)[chance.randint(0, 2) :]:
            put(world, chance, place, kind, is_open=is_open)
    for source, app in world.rows("SELECT source_id, id FROM app ORDER BY id"):
        put(world, chance, (source, app, None, None, "production"), "rollout_stalled", is_open=True)
    if request.param:
        source, app = world.rows("SELECT source_id, id FROM app WHERE external_id = '9' ORDER BY id")[0]
        for about in (None, app):
            put(world, chance, (source, about, None, None, None), "poll_failing", is_open=True, severity="critical")
    return world


def put(world: World, chance: random.Random, place: Any, kind: str, *, is_open: bool, severity: str = "") -> None:
    """One alert there."""
    severe = severity or chance.choice([*RANKS]) if is_open else "info"
    source, app, tenant, connection, environment = place

    def some(hours: range, part: float) -> Any:
        return world.now + timedelta(hours=chance.choice(hours)) if is_open and chance.random() < part else None

    bound = {
        "source": source,
        "app": app,
        "tenant": tenant,
        "connection": connection,
        "environment": environment,
        "kind": kind,
        "severity": severe,
        "state": "resolved" if not is_open else "firing" if severe else "pending",
        "since": world.now - timedelta(hours=chance.randint(3, 5)),
        "resolved": None if is_open else world.now - timedelta(hours=chance.randint(0, 2)),
        "acknowledged": (held := some(range(-3, 0), 0.3)),
        "acknowledged_until": some(range(-1, 3), 0.6) if held else None,
        "snoozed": some(range(-1, 3), 0.2),
    }
    world.session.execute(_ALERT, bound)


def every(world: World, wanted: WantedAlerts, *, most: int = 1000, **how: Any) -> list[AlertLine]:
    """All of the pages."""

    def pages() -> Iterator[AlertLine]:
        after = None
        while found := alerts_after(world.session, wanted, now=world.now, after=after, most=most, **how):
            after = found[-1][0]
            yield from (line for _, line in found)

    return list(pages())


def order(one: AlertLine) -> tuple[Any, ...]:
    """What they are sorted by."""
    if one.resolved_at:
        return -one.resolved_at.timestamp(), -one.id
    return RANKS[one.severity], one.since, one.id


FILTERS: dict[str, tuple[dict[str, Any], Callable[[AlertLine], bool]]] = {
    "of an app": ({"app": "acme:4711"}, lambda one: one.app == "acme:4711"),
    "of an app and kind": (
        {"app": "other:9", "kind": KINDS[0]},
        lambda one: (one.app, one.kind) == ("other:9", KINDS[0]),
    ),
    "of an app, severe": (
        {"app": "acme:9", "severity": "warning"},
        lambda one: (one.app, one.severity) == ("acme:9", "warning"),
    ),
    "of no app": ({"app": "acme:none"}, lambda _: False),
    "of an environment": ({"environment": "integration"}, lambda one: one.environment == "integration"),
    "of a kind": ({"kind": KINDS[1]}, lambda one: one.kind == KINDS[1]),
    "of a source itself": ({"of_source": "acme"}, lambda one: (one.source, one.app) == ("acme", None)),
    "quiet": ({"quiet": True}, lambda one: one.quiet is not None),
    "not quiet": ({"quiet": False}, lambda one: one.quiet is None),
    "quiet, of an app": ({"quiet": True, "app": "acme:9"}, lambda one: one.app == "acme:9" and one.quiet is not None),
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("mutes", MUTES)
def test_what_is_meant_of_all(lived: World, name: str, mutes: str) -> None:
    """Each filter leaves those of all alerts that it is about, in their order, in pages of any size and in groups."""
    fields, is_meant = FILTERS[name]
    for whole in (ALL, RESOLVED, WantedAlerts(state="firing"), WantedAlerts(state="pending")):
        everything = every(lived, whole, mutes=MUTES[mutes])
        assert everything == sorted(everything, key=order)
        wanted = replace(whole, **fields)
        expected = [one for one in everything if is_meant(one)]
        for most in (7, 1000):
            assert every(lived, wanted, most=most, mutes=MUTES[mutes]) == expected
        of_acme = [one for one in expected if one.source == "acme"]
        assert every(lived, wanted, mutes=MUTES[mutes], sources=["acme"]) == of_acme
        if whole is not RESOLVED:
            in_groups(lived, wanted, expected, mutes=MUTES[mutes])
            in_groups(lived, wanted, of_acme, mutes=MUTES[mutes], sources=["acme"])


@pytest.mark.parametrize("few", [0, 100])
@pytest.mark.parametrize("mutes", MUTES)
def test_of_tenants(lived: World, monkeypatch: pytest.MonkeyPatch, mutes: str, few: int) -> None:
    """Those of some tenants are those that name one of them, whether these are few or many."""
    monkeypatch.setattr(alert_lists, "FEW", few)
    tenants = [row[0] for row in lived.rows("SELECT id FROM tenant WHERE external_id IN ('1', '2') ORDER BY id")]
    for whole in (ALL, RESOLVED):
        expected = [one for one in every(lived, whole, mutes=MUTES[mutes]) if one.tenant in {"1", "2"}]
        assert len(expected) > 5
        wanted = replace(whole, tenants=tenants)
        for most in (7, 1000):
            assert every(lived, wanted, most=most, mutes=MUTES[mutes]) == expected
        of_acme = [one for one in expected if one.source == "acme"]
        assert every(lived, wanted, mutes=MUTES[mutes], sources=["acme"]) == of_acme
        of_app = [one for one in expected if one.app == "other:8"]
        assert every(lived, replace(wanted, app="other:8"), mutes=MUTES[mutes]) == of_app
        if whole is ALL:
            in_groups(lived, wanted, expected, mutes=MUTES[mutes])
            in_groups(
                lived, replace(wanted, quiet=False), [one for one in expected if not one.quiet], mutes=MUTES[mutes]
            )


def in_groups(world: World, wanted: WantedAlerts, lines: list[AlertLine], **how: Any) -> None:
    """The groups count these *lines*."""
    expected: dict[tuple[Any, ...], list[AlertLine]] = {}
    for one in lines:
        expected.setdefault((one.source, one.app, one.kind), []).append(one)
    found = alerts_alike(world.session, wanted, now=world.now, most=1000, **how)
    assert {
        (one.source, one.app, one.kind): (one.severity, one.alerts, one.critical, one.quiet, one.since, one.app_name)
        for one in found
    } == {
        key: (
            min((one.severity for one in alike), key=lambda severity: RANKS[severity]),
            len(alike),
            sum(one.severity == "critical" for one in alike),
            sum(one.quiet is not None for one in alike),
            min(one.since for one in alike),
            alike[0].app_name,
        )
        for key, alike in expected.items()
    }
    places = [(RANKS[one.severity], -one.alerts, one.since, one.source, one.app or "~", one.kind) for one in found]
    assert places == sorted(places)
    assert alerts_alike(world.session, wanted, now=world.now, most=2, **how) == found[:2]
