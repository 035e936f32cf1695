"""Alerts on rollouts as a whole, on tenants that went back or away, on approvals, and on what is not known any more."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from models.alerts import postpone
from models.leases import claim_source
from models.listing import record_listing
from models.rollout import EVERY, LOST_FOR, UNSURE
from models.stale import stale
from tests.integration.models.world import A, B, World
from uptake.facts import SeenApp, Status
from uptake.policies import Exemption, Match, Override, Policies
from uptake.policy import DEFAULT, Target

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
POLICY = replace(DEFAULT, targets=(Target(0.75, 10 * DAY),), min_audience=4, stalled_after=5 * DAY)
OVERALL = """
SELECT kind, environment, state, reason, resolve_reason FROM alert
WHERE kind NOT IN ('tenant_lagging', 'tenant_overgranted') ORDER BY id
"""
BEHIND = ("rollout_behind_target", "production", "firing", "target_missed", None)
STALLED = ("rollout_stalled", "production", "firing", "nobody_upgrades", None)


def ended(alert: tuple[Any, ...], why: str) -> tuple[Any, ...]:
    """The same, over."""
    return (*alert[:2], "resolved", alert[3], why)


@pytest.fixture
def rolling(world: World) -> World:
    """Four tenants lack B, which version 2 asked for an hour ago."""
    for tenant in "1234":
        world.put(tenant, 1)
    world.poll()
    world.release(A, B)
    world.poll()
    world.evaluate(POLICY, after=HOUR)
    assert world.rows(OVERALL) == []
    return world


def upgrade(world: World, *tenants: str) -> None:
    """These accept version 2, and are judged."""
    for tenant in tenants:
        world.put(tenant, 2)
    world.poll()


def released_at(world: World) -> Any:
    """When version 2 came."""
    return world.versions[-1].released_at


def test_behind_target(rolling: World) -> None:
    """Late is who has lagged for as long as the target allows; it ends when enough have accepted."""
    upgrade(rolling, "1", "2")
    rolling.evaluate(POLICY)
    follow = rolling.rows("SELECT follow_at FROM app")
    rolling.now = released_at(rolling) + 4 * DAY
    upgrade(rolling, "1", "2")
    rolling.now = released_at(rolling) + 10 * DAY - MINUTE
    rolling.evaluate(replace(POLICY, stalled_after=timedelta()))
    assert rolling.rows(OVERALL) == []
    assert follow
    quiet = replace(POLICY, stalled_after=timedelta())
    rolling.now = released_at(rolling) + 10 * DAY
    assert rolling.rows("SELECT evaluate_at FROM app") == [(rolling.now,)]
    assert rolling.evaluate(quiet).is_turned
    assert rolling.rows(OVERALL) == [BEHIND]
    ((data,),) = rolling.rows("SELECT data FROM alert WHERE kind = 'rollout_behind_target'")
    assert data == {"latest": 2, "connected": 4, "late": 2, "share": 0.75, "by_seconds": 864_000.0}
    before = rolling.snapshot()
    assert not rolling.evaluate(quiet, after=HOUR).is_turned
    assert rolling.snapshot() == before
    upgrade(rolling, "3")
    assert rolling.evaluate(quiet, after=EVERY).is_turned
    assert rolling.rows(OVERALL) == [ended(BEHIND, "target_met")]
    assert [kind for kind in rolling.events() if kind.startswith("alert.")].count("alert.raised") == 1


def test_too_few_tenants_to_tell(rolling: World) -> None:
    """A share of three says nothing."""
    rolling.evaluate(replace(POLICY, min_audience=5, stalled_after=timedelta()), after=30 * DAY)
    assert rolling.rows(OVERALL) == []


def test_flapping_target_is_one_alert(rolling: World) -> None:
    """A share that goes up and down around its target is told of once."""
    quiet = replace(POLICY, stalled_after=timedelta(), flap_window=DAY)
    upgrade(rolling, "1", "2")
    rolling.now = released_at(rolling) + 10 * DAY
    rolling.evaluate(quiet)
    upgrade(rolling, "3")
    rolling.evaluate(quiet, after=EVERY)
    rolling.put("3", 1)
    rolling.poll()
    rolling.evaluate(quiet, after=EVERY)
    assert rolling.rows(OVERALL)[0] == (*BEHIND[:3], "reopened", None)
    rolling.evaluate(replace(quiet, targets=()), after=EVERY)
    rolling.evaluate(quiet, after=2 * DAY)
    assert [row for row in rolling.rows(OVERALL) if row[0] == BEHIND[0]][1:] == [BEHIND]


def test_target_of_one_app(rolling: World) -> None:
    """An override by app or environment has its own."""
    later = replace(POLICY, targets=(Target(0.75, 50 * DAY),), stalled_after=timedelta())
    rolling.evaluate(Policies(POLICY, (Override(Match(app="4711"), later),)), after=30 * DAY)
    assert rolling.rows(OVERALL) == []
    rolling.evaluate(Policies(POLICY, (Override(Match(app="4712"), later),)))
    assert BEHIND in rolling.rows(OVERALL)


def test_stalled(rolling: World) -> None:
    """Nobody accepts for five days; the next who does ends it, and it may stall again."""
    aim = replace(POLICY, targets=(Target(0.75, 99 * DAY),))
    rolling.evaluate(aim)
    rolling.now = released_at(rolling) + 5 * DAY - MINUTE
    rolling.evaluate(aim)
    assert rolling.rows(OVERALL) == []
    rolling.evaluate(aim, after=MINUTE)
    assert rolling.rows(OVERALL) == [STALLED]
    assert rolling.rows("SELECT since FROM alert WHERE kind = 'rollout_stalled'") == [(released_at(rolling),)]
    upgrade(rolling, "1")
    rolling.evaluate(aim, after=EVERY)
    assert rolling.rows(OVERALL) == [ended(STALLED, "moving")]
    rolling.evaluate(aim, after=5 * DAY)
    assert rolling.rows(OVERALL)[1:] == [STALLED]


def test_who_connects_anew_or_goes_back_has_not_accepted(rolling: World) -> None:
    """Neither ends a stall."""
    upgrade(rolling, "1")
    rolling.now += 6 * DAY
    aim = replace(POLICY, targets=(Target(0.9, 99 * DAY),))
    rolling.evaluate(aim)
    assert rolling.rows(OVERALL) == [STALLED]
    rolling.put("1", 1)
    rolling.put("2", 1, client_id="cid.new")
    rolling.poll()
    rolling.evaluate(aim, after=EVERY)
    assert rolling.rows(OVERALL)[0] == STALLED


def test_finished_rollout_does_not_stall(rolling: World) -> None:
    """With the target reached, the last one is a matter of its own alert."""
    upgrade(rolling, "1", "2", "3")
    rolling.evaluate(POLICY, after=99 * DAY)
    assert rolling.rows(OVERALL) == []


def test_many_changes_are_one_look_at_all(rolling: World) -> None:
    """Whoever upgrades is judged at once; what all come to may wait some minutes, and does not longer."""
    rolling.evaluate(POLICY)
    ((followed,),) = rolling.rows("SELECT followed_at FROM app")
    upgrade(rolling, "1")
    rolling.now = followed + MINUTE
    rolling.evaluate(POLICY)
    assert rolling.rows("SELECT followed_at, evaluate_at FROM app") == [(followed, followed + EVERY)]
    rolling.now = followed + EVERY
    rolling.evaluate(POLICY)
    assert rolling.rows("SELECT followed_at FROM app") == [(rolling.now,)]


def test_went_back(rolling: World) -> None:
    """A second look has to confirm it; it ends when the tenant is where it was."""
    upgrade(rolling, "1")
    rolling.put("1", 1)
    rolling.poll()
    rolling.evaluate(POLICY, after=EVERY)
    assert rolling.rows(OVERALL) == []
    assert rolling.rows("SELECT follow_at FROM app") == [(rolling.now + UNSURE,)]
    rolling.poll()
    rolling.evaluate(POLICY, after=UNSURE)
    back = ("version_regressed", "production", "firing", "went_back", None)
    assert rolling.rows(OVERALL) == [back]
    assert rolling.rows("SELECT data FROM alert WHERE kind = 'version_regressed'") == [
        ({"version": 1, "from_version": 2},)
    ]
    upgrade(rolling, "1")
    rolling.evaluate(POLICY, after=EVERY)
    assert rolling.rows(OVERALL) == [ended(back, "upgraded")]


def test_went_back_and_left(rolling: World) -> None:
    """Who is not connected runs nothing old; who connects anew begins anew."""
    upgrade(rolling, "1")
    rolling.put("1", 1)
    rolling.poll()
    rolling.poll()
    rolling.evaluate(POLICY, after=EVERY)
    rolling.drop("1")
    rolling.poll()
    rolling.poll()
    rolling.evaluate(POLICY, after=EVERY)
    back = ("version_regressed", "production", "firing", "went_back", None)
    assert rolling.rows(OVERALL)[0] == ended(back, "disconnected")
    rolling.put("1", 1, client_id="cid.new")
    rolling.poll()
    rolling.poll()
    assert rolling.rows("SELECT count(regressed_from) FROM connection") == [(0,)]


@pytest.mark.parametrize(
    ("versions", "went_back"),
    [
        ((1, 3), None),
        ((3, 1), 3),
        ((3, 2, 1), 3),
        ((3, 1, 2), 3),
        ((3, 1, 3), None),
        ((3, 1, None), 3),
        ((3, None), 3),
        ((3, None, 1), 3),
        ((3, None, 3), None),
    ],
)
def test_highest_version_so_far(world: World, versions: tuple[int | None, ...], went_back: int | None) -> None:
    """Of this unbroken connection; an unknown version proves nothing."""
    world.release(A, B)
    world.release(A)
    for version in versions:
        world.put("1", version, status=Status.CONNECTED, client_id="cid.1")
        world.poll()
    assert world.rows("SELECT regressed_from FROM connection") == [(went_back,)]


def test_left_after_a_release(rolling: World) -> None:
    """Within days of one that asks for more; it ends when they are back, or when it is no news any more."""
    for tenant in ("1", "2"):
        rolling.drop(tenant)
    rolling.poll()
    rolling.poll()
    rolling.evaluate(POLICY, after=EVERY)
    left = ("tenant_disconnected_after_release", "production", "firing", "left_after_release", None)
    assert rolling.rows(OVERALL) == [left, left]
    rolling.put("1", 2)
    rolling.poll()
    rolling.evaluate(POLICY, after=EVERY)
    assert sorted(rolling.rows(OVERALL)) == [left, ended(left, "reconnected")]
    rolling.evaluate(POLICY, after=LOST_FOR)
    assert sorted(row[4] for row in rolling.rows(OVERALL)) == ["long_ago", "reconnected"]


def test_exempt_tenants_are_let_go(rolling: World) -> None:
    """Nobody is told that they went back or left."""
    upgrade(rolling, "1")
    rolling.put("1", 1)
    rolling.drop("2")
    rolling.poll()
    rolling.poll()
    until = rolling.now + 99 * DAY
    exempt = tuple(Exemption(Match(tenant=tenant), until, "why") for tenant in "12")
    rolling.evaluate(Policies(POLICY, exemptions=exempt), after=EVERY)
    assert rolling.rows(OVERALL) == []
    rolling.evaluate(POLICY, after=EVERY)
    assert {row[0] for row in rolling.rows(OVERALL)} == {"version_regressed", "tenant_disconnected_after_release"}


@pytest.mark.parametrize("policy", [replace(POLICY, lost_within=timedelta()), replace(POLICY, environments=("x",))])
def test_leaving_is_no_news(rolling: World, policy: Any) -> None:
    """Where that is turned off, or the environment is not watched."""
    rolling.drop("1")
    rolling.poll()
    rolling.poll()
    rolling.evaluate(policy, after=EVERY)
    assert rolling.rows(OVERALL) == []


def test_left_long_after_the_release(rolling: World) -> None:
    """Then it has nothing to do with it."""
    rolling.now += 8 * DAY
    rolling.drop("1")
    rolling.poll()
    rolling.poll()
    rolling.evaluate(replace(POLICY, targets=(), stalled_after=timedelta()), after=EVERY)
    assert rolling.rows(OVERALL) == []


def approval(world: World, approval: str, *, deleted: bool = False) -> None:
    """The list of apps says so now."""
    world.now += MINUTE
    lease = claim_source(world.session, world.source_id, now=world.now, every=MINUTE, forced=True)
    assert lease
    app = SeenApp("4711", "Dispatch Helper", None, "public", approval, world.now, deleted, ("production",))
    record_listing(world.session, lease, [app], now=world.now, duration_seconds=0.1)


def test_approval_takes_long(rolling: World) -> None:
    """After a week somebody should ask; nothing else is told of an app that waits."""
    rolling.now += 20 * DAY
    approval(rolling, "pending")
    began = rolling.now
    rolling.evaluate(POLICY)
    assert rolling.rows("SELECT evaluate_at FROM app") == [(began + 7 * DAY,)]
    rolling.evaluate(POLICY, after=7 * DAY)
    overdue = ("approval_overdue", None, "firing", "waits_for_approval", None)
    assert rolling.rows(OVERALL) == [overdue]
    assert rolling.rows("SELECT since FROM alert WHERE kind = 'approval_overdue'") == [(began,)]
    approval(rolling, "approved")
    rolling.evaluate(POLICY)
    assert ended(overdue, "approved") in rolling.rows(OVERALL)


def test_new_app_that_waits_is_looked_at(world: World) -> None:
    """From the moment it is listed, though nobody polls it."""
    lease = claim_source(world.session, world.source_id, now=world.now, every=MINUTE, forced=True)
    assert lease
    app = SeenApp("4712", "Newcomer", None, "public", "pending", world.now, False, ("production",))
    record_listing(world.session, lease, [app], now=world.now, duration_seconds=0.1)
    assert world.rows("SELECT evaluate_at, approval_since FROM app WHERE external_id = '4712'") == [
        (world.now, world.now)
    ]


def test_deleted_app(rolling: World) -> None:
    """All of it ends with the app."""
    rolling.drop("1")
    rolling.poll()
    rolling.poll()
    rolling.evaluate(replace(POLICY, min_audience=3), after=5 * DAY)
    assert {row[0] for row in rolling.rows(OVERALL)} == {"tenant_disconnected_after_release", "rollout_stalled"}
    approval(rolling, "approved", deleted=True)
    rolling.evaluate(POLICY)
    assert {row[4] for row in rolling.rows(OVERALL)} == {"app_deleted"}


def test_what_is_not_read(rolling: World) -> None:
    """A picture older than a day is told of, once, until it is read again."""
    assert stale(rolling.session, older_than=DAY, now=rolling.now) == []
    old = rolling.now + DAY
    assert stale(rolling.session, older_than=DAY, now=old) == [rolling.app_id]
    assert stale(rolling.session, older_than=DAY, now=old) == []
    unread = ("data_stale", None, "firing", "not_read_for_long", None)
    assert rolling.rows(OVERALL) == [unread]
    rolling.now = old
    rolling.poll()
    assert stale(rolling.session, older_than=DAY, now=rolling.now) == [rolling.app_id]
    assert rolling.rows(OVERALL) == [ended(unread, "read_again")]


def test_what_is_not_judged(rolling: World) -> None:
    """An app whose evaluation breaks again and again is one of which nobody hears any more: so this is told."""
    for times in range(3):
        assert stale(rolling.session, older_than=DAY, now=rolling.now) == [], times
        postpone(rolling.session, rolling.app_id, wait=HOUR)
    assert stale(rolling.session, older_than=DAY, now=rolling.now) == [rolling.app_id]
    assert rolling.rows(OVERALL) == [("data_stale", None, "firing", "evaluation_breaks", None)]
    rolling.evaluate(POLICY)
    assert stale(rolling.session, older_than=DAY, now=rolling.now) == [rolling.app_id]
    assert [row[4] for row in rolling.rows(OVERALL)] == ["read_again"]


def test_source_that_is_not_watched_any_more(rolling: World) -> None:
    """Nobody reads it, so nobody is told."""
    assert stale(rolling.session, older_than=DAY, now=rolling.now + 2 * DAY) == [rolling.app_id]
    rolling.session.execute(text("UPDATE source SET enabled = false"))
    assert stale(rolling.session, older_than=DAY, now=rolling.now + 2 * DAY) == [rolling.app_id]
    assert [row[4] for row in rolling.rows(OVERALL)] == ["source_not_watched"]
