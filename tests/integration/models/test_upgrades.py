"""How tenants took a version: each is counted once, for as long as it was watched, and as what it is."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from models.queries.taken import Watched, taken, taken_by_cohort, watched
from models.queries.upgrades import cohorts, expected, times_to_upgrade
from tests.integration.models.lives import lived
from tests.integration.models.world import A, B, C, World
from uptake.facts import Status
from uptake.forecast import Outcome

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def known(world: World) -> Watched:
    """The world's app as it is now."""
    found = watched(world.session, "acme:4711")
    assert found
    return found


def told(world: World, version: int, environment: str = "production") -> Counter[tuple[str, float]]:
    """How many did what after how many days."""
    (one,) = taken(world.session, known(world), [version], environment=environment)
    counts: Counter[tuple[str, float]] = Counter()
    for each in one.taken:
        counts[each.kind, round(each.seconds / 86400, 3)] += each.tenants
    return counts


def at(world: World, moment: datetime) -> None:
    """Poll at this moment."""
    world.now = moment - world.step
    world.poll()


def test_each_kind(world: World) -> None:
    """Upgraded, waiting, gone, paused and joined, each from the release or from when it began."""
    for tenant in "12345":
        world.put(tenant, 1)
    world.poll()
    world.release(A, B)
    released = world.now
    world.put("1", 2)
    at(world, released + DAY)
    world.put("2", 2)
    world.drop("3")
    world.put("4", 1, status=Status.DISABLED)
    world.put("6", 2)
    world.put("7", 1)
    at(world, released + 3 * DAY)
    at(world, released + 5 * DAY)
    world.drop("2")
    world.poll(after=5 * DAY, believe=True)
    assert told(world, 2) == {
        ("upgraded", 1.0): 1,
        ("upgraded", 3.0): 1,  # gone since, and it did
        ("gone", 5.0): 1,  # missing twice
        ("gone", 3.0): 1,  # paused
        ("waiting", 10.0): 1,
        ("waiting", 7.0): 1,  # came three days after the release, with the old version
        ("joined", 0.0): 1,
    }
    assert told(world, 2, "integration") == {}
    (found,) = times_to_upgrade(world.session, known(world), [2], environment="production")
    assert (found.tenants, found.upgraded, found.waiting, found.left, found.joined) == (6, 2, 2, 2, 1)
    assert (found.as_of, found.first_looked_at) == (world.now, None)


def test_what_a_walk_found_is_no_later_than_the_walk(world: World) -> None:
    """Upgrades are recorded moments after the instant until which those who wait are known: these were at risk then."""
    for tenant in "1234":
        world.put(tenant, 1)
    world.poll()
    world.release(A, B)
    released = world.now
    world.put("1", 2)
    world.put("2", 2)
    at(world, released + DAY)
    began = replace(known(world), as_of=world.now - timedelta(milliseconds=80))
    (found,) = times_to_upgrade(world.session, began, [2], environment="production")
    assert (found.upgraded, found.waiting) == (2, 2)
    assert found.curve[-1].waiting == pytest.approx(0.5)


def test_first_version_is_nobodys_upgrade(world: World) -> None:
    """Whoever has the first version of an app came with it."""
    world.put("1", 1)
    world.poll(after=3 * DAY)
    assert told(world, 1) == {("joined", 0.0): 1}


def test_what_was_before_we_looked(world: World) -> None:
    """It counts as of our first look, and nothing is said of the time before; who came since is told by the portal."""
    world.release(A, B)
    released = world.now
    for tenant in "123":
        world.put(tenant, 2)
    world.put("4", 1)
    world.put("5", 2, allowed_at=released + 4 * DAY)
    world.put("6", 2, allowed_at=released - DAY)
    at(world, released + 5 * DAY)
    at(world, released + 8 * DAY)
    assert told(world, 2) == {("upgraded", 5.0): 4, ("waiting", 8.0): 1, ("joined", 0.0): 1}
    (found,) = times_to_upgrade(world.session, known(world), [2], environment="production")
    assert found.first_looked_at == released + 5 * DAY
    shares = {one.within_seconds / 86400: one.share for one in found.within}
    assert shares == {1: None, 3: None, 7: pytest.approx(0.8), 14: None, 30: None, 90: None}
    half = found.percentiles[0]
    assert (half.share, half.seconds, half.lower_seconds) == (0.5, 5 * 86400, 0.0)


def test_newer_versions_count(world: World) -> None:
    """Who skips a version has taken it when it takes the next; who goes back has taken it, and waits again."""
    for tenant in "12":
        world.put(tenant, 1)
    world.poll()
    world.release(A, B)
    first = world.now
    at(world, first + DAY)
    world.release(A, B, C)
    second = world.now
    world.put("1", 3)
    at(world, second + DAY)
    assert told(world, 2) == {("upgraded", 2.0): 1, ("waiting", 2.0): 1}
    assert told(world, 3) == {("upgraded", 1.0): 1, ("waiting", 1.0): 1}
    world.put("1", 1)
    at(world, second + 2 * DAY)
    assert told(world, 2) == {("upgraded", 2.0): 1, ("waiting", 3.0): 1}
    (one,) = taken(world.session, known(world), [2], environment="production")
    present = one.as_present(world.now)
    assert (present.upgraded, sum(count for _, count in present.waiting)) == ((), 2)
    assert one.as_past().upgraded == ((2 * 86400.0, 1),)


def test_a_new_life_starts_anew(world: World) -> None:
    """Who left and came back with the new version joined; the life before it is gone."""
    for tenant in "12":
        world.put(tenant, 1)
    world.poll()
    world.release(A, B)
    released = world.now
    world.drop("1")
    world.now = released + DAY - world.step
    world.poll(believe=True)
    world.put("1", 2)
    at(world, released + 2 * DAY)
    assert told(world, 2) == {("gone", 1.0): 1, ("waiting", 2.0): 1, ("joined", 0.0): 1}


def subjects(world: World, number: int, released: datetime, now: datetime) -> Iterator[tuple[str, float, bool]]:
    """What each life did about a version, one stretch after the other."""
    rows = world.rows(
        """SELECT connection_id, epoch, status, coalesce(version, 0), valid_from, valid_to FROM tenure
        WHERE environment = 'production' AND status IN ('connected', 'disabled') ORDER BY connection_id, valid_from"""
    )
    looked = world.rows("SELECT min(valid_from) FROM tenure")[0][0]
    for life in {row[:2] for row in rows}:
        own = [row for row in rows if row[:2] == life]
        first, last = own[0], own[-1]
        is_connected = last[5] is None and last[2] == "connected"
        ended = None if is_connected else last[5] or last[4]
        if ended and ended <= released:
            continue
        began = released if first[4] == looked else first[4]
        reached = next((row[4] for row in own if row[3] >= number), None)
        is_on = is_connected and last[3] >= number
        if first[3] >= number and (number == 1 or (first[4] > looked and first[4] > released)):
            yield "joined", 0.0, is_on
        else:
            kind = "upgraded" if reached else "waiting" if is_connected else "gone"
            yield kind, max(0.0, ((reached or ended or now) - max(began, released)).total_seconds()), is_on


@pytest.mark.parametrize("seed", range(6))
def test_any_history(world: World, seed: int) -> None:
    """Over random lives it is what comes out one life after the other; the present counts are those of the tally."""
    for _ in lived(world, random.Random(seed)):
        pass
    found = taken(world.session, known(world), [1, 2, 3, 4], environment="production")
    assert [one.version for one in found] == [1, 2, 3, 4]
    for one in found:
        counts: Counter[tuple[str, float, bool]] = Counter()
        for each in one.taken:
            counts[each.kind, each.seconds, each.is_on] += each.tenants
        assert counts == Counter(subjects(world, one.version, one.released_at, world.now))
        (tally,) = world.rows(
            """SELECT coalesce(sum(tenants), 0), coalesce(sum(tenants) FILTER (WHERE version >= :version), 0)
            FROM tally WHERE environment = 'production' AND status = 'connected'""",
            version=one.version,
        )
        present = one.as_present(world.now)
        on = sum(count for _, count in present.upgraded) + present.joined
        assert (on + sum(count for _, count in present.waiting), on) == tally
        for by in ("first", "before"):
            parts = taken_by_cohort(world.session, known(world), one.version, environment="production", by=by)
            kinds = ("upgraded", "waiting", "gone", "joined")
            assert [sum(part.count(kind) for part in parts) for kind in kinds] == [one.count(kind) for kind in kinds]


def test_cohorts(world: World) -> None:
    """By the first version of each, and by the one that it had when this one came."""
    for tenant in "124":
        world.put(tenant, 1)
    world.poll()
    world.release(A, B)
    world.put("2", 2)
    world.put("3", 2)
    world.poll(after=DAY)
    world.release(A, B, C)
    released = world.now
    world.drop("4")
    world.poll(believe=True)
    world.put("2", 3)
    at(world, released + 2 * DAY)

    def by(how: str) -> list[tuple[int | None, int, int, float | None]]:
        found = cohorts(world.session, known(world), 3, environment="production", by=how)  # type: ignore[arg-type]  # one of both
        return [(one.cohort, one.tenants, one.upgraded, one.median_seconds) for one in found]

    # One of three left at once, so of two that could be watched one upgraded.
    assert by("first") == [(1, 3, 1, 2 * 86400.0), (2, 1, 0, None)]
    assert by("before") == [(1, 2, 0, None), (2, 2, 1, 2 * 86400.0)]


def test_forecast(world: World) -> None:
    """It rests on who is connected and on the rollouts before it that were watched; without any, little is known."""
    assert expected(world.session, known(world), environment="production") is None
    for number in range(40):
        world.put(str(number), 1)
    world.poll()
    first = expected(world.session, known(world), environment="production")
    assert first
    assert (first.version, first.outcome, [one.made for one in first.scores]) == (1, Outcome.REACHED, [0, 0])
    for number in (2, 3):
        released = world.now
        world.release(A, B) if number == 2 else world.release(A, B, C)
        for tenant in range(40 if number == 2 else 20):
            world.put(str(tenant), number)
            if tenant % 4 == 0:
                world.poll(after=DAY)
        at(world, max(world.now, released) + DAY)
    said = expected(world.session, known(world), environment="production")
    assert said
    assert (said.version, said.tenants, said.upgraded, said.needed) == (3, 40, 20, 38)
    assert (said.past_versions, said.as_of) == ([2], world.now)
    assert said.outcome is Outcome.EXPECTED
    assert said.low_at
    assert said.low_at > world.now
    assert [(one.way, one.made) for one in said.scores] == [(0.25, 1), (0.5, 1)]
    half = expected(world.session, known(world), environment="production", target=0.5)
    assert half
    assert half.outcome is Outcome.REACHED
    # The first look came after the second release: it teaches nothing.
    world.session.execute(text("UPDATE app_version SET released_at = released_at - interval '100 days'"))
    unseen = expected(world.session, known(world), environment="production")
    assert unseen
    assert unseen.past_versions == []
