"""How often a portal is asked: a limit that all processes keep together, and each for itself while Redis is away."""

import subprocess
import sys
import time

import pytest

from tasks.manners import Pace, pace, unpaced

ASK = """
import sys, time
from tasks.manners import Pace
paced = Pace(sys.argv[1], sys.argv[2], 20)
end = time.monotonic() + 3
asked = 0
while time.monotonic() < end:
    paced.wait()
    asked += 1
print(asked)
"""


def test_processes_share_the_limit(broker_url: str) -> None:
    """Three processes at 20 a second make no more requests in three seconds than one may: 60, and a window's edge."""
    name = f"shared-{time.monotonic_ns()}"
    started = [
        subprocess.Popen([sys.executable, "-c", ASK, broker_url, name], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    asked = [int(process.communicate(timeout=60)[0]) for process in started]
    # Started at different moments they may touch two or three windows more than the one who started first.
    assert 40 <= sum(asked) <= 160


def test_what_was_not_used_is_not_saved_up(broker_url: str) -> None:
    """What some took and did not need ends with its second: the next window is no larger for it."""
    name = f"saved-{time.monotonic_ns()}"
    paces = [Pace(broker_url, name, 30) for _ in range(4)]
    for paced in paces:
        for _ in range(8):
            paced.wait()
    time.sleep(1.2)
    began, made = time.monotonic(), 0
    while time.monotonic() - began < 0.9:
        for paced in paces:
            paced.wait()
            made += time.monotonic() - began < 0.9
    assert made <= 30


def test_whoever_asks_slowly_takes_no_more_than_that(broker_url: str) -> None:
    """16 processes that make a request a second each have room for it: none takes what it will not need."""
    name = f"slow-{time.monotonic_ns()}"
    paces = [Pace(broker_url, name, 30) for _ in range(16)]
    for _ in range(4):
        began = time.monotonic()
        for paced in paces:
            paced.wait()
        assert time.monotonic() - began < 1
        time.sleep(1.1)


def test_whoever_asks_fast_asks_redis_seldom(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The more requests a process makes in a second, the more of them it takes at a time."""
    real, taken = vars(Pace)["_admitted"], []

    def counted(self: Pace) -> int:
        taken.append(real(self))
        return int(taken[-1])

    monkeypatch.setattr(Pace, "_admitted", counted)
    fast = Pace(broker_url, f"fast-{time.monotonic_ns()}", 10_000)
    for _ in range(200):
        fast.wait()
    assert len(taken) < 100
    assert max(taken) == 10


def test_limit_without_redis(caplog: pytest.LogCaptureFixture) -> None:
    """A Redis that is not there is not waited for: the process keeps the limit by itself."""
    alone = Pace("redis://127.0.0.1:1/0", "alone", 10)
    started = time.monotonic()
    for _ in range(21):
        alone.wait()
    assert 1 <= time.monotonic() - started < 10


def test_no_limit() -> None:
    """0 a second means that nobody waits, and Redis is not asked."""
    assert pace("redis://127.0.0.1:1/0", "free", 0) is unpaced
