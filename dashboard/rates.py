"""How often somebody may call: counted in this process alone, refused with the wait that helps."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter


class TooOftenError(Exception):
    """Somebody has called too often; *wait* is the seconds until they may again."""

    def __init__(self, wait: int) -> None:
        super().__init__(f"Too many calls: wait {wait} s.")
        self.wait = wait


class Rate:
    """So many calls a minute for each caller apart; 0 is no limit.

    It needs nobody else, so it cannot fail: where several dashboards run, each counts what it is asked itself.
    """

    def __init__(self, per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(per_minute) if per_minute else None
        # Fixed windows: only of them can be said for certain when the next call is admitted.
        self._counter = FixedWindowRateLimiter(MemoryStorage())

    def admit(self, caller: str) -> None:
        """Count a call of *caller*; raises TooOftenError."""
        if self._limit is not None and not self._counter.hit(self._limit, caller):
            raise self._refusal(caller)

    def _refusal(self, caller: str) -> TooOftenError:
        assert self._limit is not None  # noqa: S101 - asked by all callers
        reset = self._counter.get_window_stats(self._limit, caller).reset_time
        # The counter's own clock: these are seconds to wait, no business time.
        return TooOftenError(max(1, math.ceil(reset - time.time())))  # noqa: TID251
