"""How often we ask a portal: so many requests in a second, whichever workers make them."""

import functools
import random
import time
from collections.abc import Callable
from typing import cast

import structlog
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter
from redis import Redis, RedisError

log = structlog.get_logger()

_FOLDER = "uptake:pace"  # where our keys are, beside the broker's
_SHORT, _LONG = 0.5, 2.0  # seconds: a Redis that does not answer must not hold up a walk
_AGAIN = 30.0  # seconds until a Redis that failed is asked again
_WINDOW = 1.0  # seconds


class Pace:
    """Waits until one more request may be made, by *per_second* for everybody who shares *broker* and *name*.

    A window of a second is counted by Redis's own clock, and what a process took of it ends with it. At the edge of two
    windows up to twice as many requests can fall into one second. While Redis is away each process counts for itself.
    """

    def __init__(self, broker: str | None, name: str, per_second: int) -> None:
        self._limit = RateLimitItemPerSecond(per_second)
        self._most = max(1, min(10, per_second // 5))
        # Taken a few at a time, as many as are of use: asking Redis for each would cost more than some answers take.
        self._bundle = 1
        self._name = name
        self._left = 0
        self._until = 0.0  # the window of what is left is over
        self._alone = FixedWindowRateLimiter(MemoryStorage())
        self._shared = _storage(broker) if broker else None
        self._shared_from = 0.0

    def wait(self) -> None:
        """Come back when the next request is in time."""
        if time.monotonic() >= self._until:
            self._bundle, self._left = max(1, self._bundle - self._left), 0
        elif self._left == 0:
            self._bundle = min(self._bundle * 2, self._most)
        while self._left == 0:
            self._left = self._admitted()
            if self._left == 0:
                # Not all at once when the window ends.
                time.sleep(random.uniform(0.02, 0.2))  # noqa: S311 - a delay, no secret
        self._left -= 1

    def _admitted(self) -> int:
        now = time.monotonic()
        if self._shared is None or now < self._shared_from:
            return int(self._alone.hit(self._limit, self._name))
        try:
            # Asked before the hit: the window that it falls into ends then or later, never sooner.
            self._until = now + _rest(self._shared, self._limit.key_for(self._name))
            is_in_time = FixedWindowRateLimiter(self._shared).hit(self._limit, self._name, cost=self._bundle)
        except RedisError as error:
            log.warning("pace.alone", source=self._name, error=type(error).__name__)
            self._shared_from = now + _AGAIN
            return self._admitted()
        return self._bundle if is_in_time else 0


def _rest(storage: RedisStorage, key: str) -> float:
    """The seconds until the present window ends; a whole one where the next hit begins it."""
    redis = cast("Redis", storage.get_connection())
    rest = redis.pttl(storage.prefixed_key(key))
    return _WINDOW if rest < 0 else rest / 1000


def unpaced() -> None:
    """No waiting at all."""


def pace(broker: str | None, name: str, per_second: int) -> Callable[[], None]:
    """What to call before each request to the source *name*; 0 a second: nothing is waited for."""
    return Pace(broker, name, per_second).wait if per_second else unpaced


@functools.cache
def _storage(broker: str) -> RedisStorage:
    # The same server in the words of another library.
    address = broker.replace("redis+socket://", "redis+unix://", 1).replace("?virtual_host=", "?db=", 1)
    return RedisStorage(address, key_prefix=_FOLDER, socket_timeout=_LONG, socket_connect_timeout=_SHORT)
