"""How often we ask a portal: so many requests in a second, whichever workers make them."""

import functools
import random
import time
from collections.abc import Callable

import structlog
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import FixedWindowRateLimiter
from redis import RedisError

log = structlog.get_logger()

_FOLDER = "uptake:pace"  # where our keys are, beside the broker's
_SHORT, _LONG = 0.5, 2.0  # seconds: a Redis that does not answer must not hold up a walk
_AGAIN = 30.0  # seconds until a Redis that failed is asked again


class Pace:
    """Waits until one more request may be made, by *per_second* for everybody who shares *broker* and *name*.

    A window of a second is counted by Redis's own clock. At the edge of two windows up to twice as many requests
    can fall into one second. While Redis is away each process counts for itself.
    """

    def __init__(self, broker: str | None, name: str, per_second: int) -> None:
        self._limit = RateLimitItemPerSecond(per_second)
        # Taken a few at a time: asking Redis for each would cost more than some answers take.
        self._bundle = max(1, min(10, per_second // 5))
        self._name = name
        self._left = 0
        self._alone = FixedWindowRateLimiter(MemoryStorage())
        self._shared = FixedWindowRateLimiter(_storage(broker)) if broker else None
        self._shared_from = 0.0

    def wait(self) -> None:
        """Come back when the next request is in time."""
        while self._left == 0:
            if self._admitted():
                self._left = self._bundle
            else:
                # Not all at once when the window ends.
                time.sleep(random.uniform(0.02, 0.2))  # noqa: S311 - a delay, no secret
        self._left -= 1

    def _admitted(self) -> bool:
        now = time.monotonic()
        if self._shared is None or now < self._shared_from:
            return self._alone.hit(self._limit, self._name, cost=self._bundle)
        try:
            return self._shared.hit(self._limit, self._name, cost=self._bundle)
        except RedisError as error:
            log.warning("pace.alone", source=self._name, error=type(error).__name__)
            self._shared_from = now + _AGAIN
            return self._admitted()


def unpaced() -> None:
    """No waiting at all."""


def pace(broker: str | None, name: str, per_second: int) -> Callable[[], None]:
    """What to call before each request to the source *name*; 0 a second: nothing is waited for."""
    return Pace(broker, name, per_second).wait if per_second else unpaced


@functools.cache
def _storage(broker: str) -> Storage:
    # The same server in the words of another library.
    address = broker.replace("redis+socket://", "redis+unix://", 1).replace("?virtual_host=", "?db=", 1)
    return RedisStorage(address, key_prefix=_FOLDER, socket_timeout=_LONG, socket_connect_timeout=_SHORT)
