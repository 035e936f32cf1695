"""Limits: by application key, with the wait told; tokens apart."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from limits import RateLimitItemPerMinute

from portal.problems import Problem
from portal.rates import CALL, Rate, Rates
from tests.integration.portal.world import (
    Caller,
    World,
    code,
    connected,
    eventually,
    held,
    served,
    until_waiting,
    using,
)


@pytest.fixture(scope="module")
def slow_url(portal_database: str) -> Iterator[str]:
    """A portal that takes five calls per second, and three tokens per minute."""
    with served(portal_database, rates=Rates(5, 3)) as base:
        yield base


@pytest.fixture
def slow(world: World, slow_url: str) -> World:
    """The same world, seen through that portal."""
    world.base = slow_url
    return world


def test_too_many_calls_are_told_when_to_come_back(slow: World) -> None:
    """The sixth call of a second is refused; after Retry-After the key is served again, others always were."""
    caller, other = slow.developer(), slow.developer()
    answers = [caller("GET", "/apps") for _ in range(12)]
    refused = next(answer for answer in answers if answer.status_code == 429)

    assert code(refused) == (429, "rate_limited")
    assert answers[0].headers["ratelimit-limit"] == "5"
    assert [answer.headers["ratelimit-remaining"] for answer in answers[:2]] != ["5", "5"]
    assert refused.headers["ratelimit-remaining"] == "0"
    assert other("GET", "/apps").status_code == 200
    time.sleep(int(refused.headers["retry-after"]))
    assert caller("GET", "/apps").status_code == 200


def test_unchanged_counts_a_tenth(slow: World) -> None:
    """Fourteen answers without a body take less of the limit than the two with one."""
    caller = slow.developer()
    tag = caller("GET", "/apps").headers["etag"]
    answers = [caller("GET", "/apps", headers={"If-None-Match": tag}) for _ in range(15)]

    assert {answer.status_code for answer in answers} == {304}
    assert "etag" in answers[0].headers
    assert answers[0].headers["ratelimit-limit"] == "5"


def test_calls_at_once_are_all_counted(world: World, portal_database: str) -> None:
    """Of calls that are worked on together no more are let in than of those that come one by one."""
    rates = Rates(0, 0, 0)
    # Of a minute, so that no new window begins on the way.
    rates.calls = Rate(RateLimitItemPerMinute(5 * CALL))
    with served(portal_database, rates=rates) as world.base, ThreadPoolExecutor(20) as pool:
        caller = world.developer()
        with held(world, "LOCK TABLE portal.version IN ACCESS EXCLUSIVE MODE"):
            # Whoever is let in waits before the answer.
            asked = [pool.submit(caller, "GET", "/export/versions") for _ in range(20)]
            until_waiting(world, 5)
            eventually(lambda: sum(one.done() for one in asked) == 15, "the others are not refused")
        statuses = Counter(one.result().status_code for one in asked)
    assert statuses == {200: 5, 429: 15}


def test_price_is_given_back_to_the_window_that_it_was_taken_from() -> None:
    """Answers without a body that come a window later give no credit for the next one."""
    rate = Rates(2).calls
    late = [rate.charge("caller") for _ in range(2)]
    time.sleep(1.1)
    for one in late:
        one.give_back()
    for _ in range(2):
        rate.charge("caller")
    with pytest.raises(Problem, match="Too many calls"):
        rate.charge("caller")
    fresh = Rates(2).calls
    for _ in range(11):
        fresh.charge("caller").give_back()


def test_errors_tell_the_limits_too(slow: World) -> None:
    """Whoever is known learns what is left, whatever is wrong with the call."""
    caller = slow.developer()
    missing, wrong = caller("GET", "/apps/1"), caller("GET", "/apps", params={"page": 0})
    assert (missing.status_code, wrong.status_code) == (404, 400)
    for answer in (missing, wrong):
        assert answer.headers["ratelimit-limit"] == "5"
        assert int(answer.headers["ratelimit-remaining"]) < 5
        assert answer.headers["ratelimit-reset"] == "1"


def test_path_of_others_is_no_way_round(slow: World) -> None:
    """Calls of one token count together, whatever tenant the path names."""
    developer, admin = slow.developer(), slow.admin()
    app = connected(developer, admin)
    time.sleep(1.1)
    at_work = using(slow, developer, admin, app)
    statuses = [
        httpx.get(f"{slow.base}/crm/v2/tenant/{number}/customers", headers=at_work.headers).status_code
        for number in range(100_000, 100_020)
    ]
    assert set(statuses) == {404, 429}


def test_refused_calls_count_as_well(slow: World) -> None:
    """Asking for what is not there costs what every call costs."""
    caller = slow.developer()
    statuses = {caller("GET", "/apps/1").status_code for _ in range(12)}

    assert statuses == {404, 429}


def test_tokens_are_throttled_apart(slow: World) -> None:
    """A client that fetches a token for every call is stopped, and its calls go on."""
    caller: Caller = slow.developer()
    assert [caller.token().status_code for _ in range(3)] == [200, 200, 429]
    assert code(caller.token()) == (429, "rate_limited")
    assert int(caller.token().headers["retry-after"]) >= 1
    assert caller("GET", "/apps").status_code == 200


def test_wrong_secrets_of_others_do_not_count(slow: World) -> None:
    """Whoever knows a client id and no secret is stopped alone: the client fetches its tokens from elsewhere."""
    caller = slow.developer()
    statuses = [stranger_asks(slow, caller).status_code for _ in range(4)]

    assert statuses == [400, 400, 400, 429]
    assert code(stranger_asks(slow, caller)) == (429, "rate_limited")
    assert [caller.token().status_code for _ in range(3)] == [200, 200, 429]


def stranger_asks(slow: World, caller: Caller) -> httpx.Response:
    """What somebody at another address is answered who guesses at the caller's secret."""
    form = {"grant_type": "client_credentials", "client_id": caller.credentials["clientId"], "client_secret": "x"}
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2")) as stranger:
        return stranger.post(f"{slow.base}/connect/token", data=form)


def test_overlong_client_ids_are_nobodys(slow: World) -> None:
    """They are refused before anything is looked up or remembered, however often they come."""
    form = {"grant_type": "client_credentials", "client_secret": "x"}
    answers = [httpx.post(f"{slow.base}/connect/token", data=form | {"client_id": "c" * 65}) for _ in range(5)]

    assert [answer.json() for answer in answers] == [{"error": "invalid_client"}] * 5
    known = [httpx.post(f"{slow.base}/connect/token", data=form | {"client_id": "c" * 64}) for _ in range(4)]
    assert [answer.status_code for answer in known] == [400, 400, 400, 429]
