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
