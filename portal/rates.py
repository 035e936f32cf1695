"""How often a key may call: counted in this process, told in headers, refused with the wait that helps."""

import math
import time

from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond, WindowStats
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from portal.problems import Problem

CALLS_PER_SECOND = 60
TOKENS_PER_MINUTE = 60
SIGN_INS_PER_MINUTE, SIGN_INS_PER_ADDRESS = 10, 60
# In tenths of a call: an answer without a body costs one.
CALL, UNCHANGED = 10, 1


class Rate:
    """A limit on calls, kept for each caller apart; None is no limit."""

    def __init__(self, limit: RateLimitItem | None) -> None:
        self._limit = limit
        # Fixed windows: only of them can be said for certain when the next call is admitted.
        self._counter = FixedWindowRateLimiter(MemoryStorage())

    def admit(self, caller: str) -> dict[str, str]:
        """Let *caller* make a call at its whole price; the headers to tell. Raises a Problem (429)."""
        return self.charge(caller).told

    def charge(self, caller: str) -> "Charge":
        """The same, with the way back for an answer that turns out to cost less."""
        if self._limit is None:
            return Charge()
        self.require(caller)
        self._counter.hit(self._limit, caller, cost=CALL)
        return Charge(self, caller, self._window(caller).reset_time)

    def require(self, caller: str) -> None:
        """Raise a Problem (429) when *caller* may make no call now; nothing is counted."""
        if self._limit is not None and not self._counter.test(self._limit, caller, cost=CALL):
            raise Problem(429, "rate_limited", "Too many calls; wait as Retry-After says.", headers=self.told(caller))

    def give_back(self, caller: str, window: float) -> None:
        """Take a tenth only, as long as the *window* that was charged lasts: the next one owes nothing."""
        if self._limit is not None and self._window(caller).reset_time == window:
            self._counter.hit(self._limit, caller, cost=UNCHANGED - CALL)

    def told(self, caller: str) -> dict[str, str]:
        """What is left to *caller*, as headers."""
        assert self._limit is not None  # noqa: S101 - asked by all callers
        window = self._window(caller)
        # The counter's own clock: these are seconds to wait, no business time.
        wait = str(max(1, math.ceil(window.reset_time - time.time())))  # noqa: TID251
        told = {
            "RateLimit-Limit": str(self._limit.amount // CALL),
            "RateLimit-Remaining": str(window.remaining // CALL),
            "RateLimit-Reset": wait,
        }
        return told if window.remaining >= CALL else told | {"Retry-After": wait}

    def _window(self, caller: str) -> WindowStats:
        assert self._limit is not None  # noqa: S101 - as above
        return self._counter.get_window_stats(self._limit, caller)


class Charge:
    """What a call has cost so far: its whole price, taken before it is worked on, so that none slips in beside it."""

    def __init__(self, rate: Rate | None = None, caller: str = "", window: float = 0.0) -> None:
        self._rate = rate
        self._caller = caller
        self._window = window

    @property
    def told(self) -> dict[str, str]:
        """The headers to tell with the answer."""
        return self._rate.told(self._caller) if self._rate is not None else {}

    def give_back(self) -> None:
        """The answer has no body: it costs a tenth."""
        if self._rate is not None:
            self._rate.give_back(self._caller, self._window)


class Rates:
    """The limits of the portal: calls by application key, tokens by client id, sign-ins by address and name."""

    def __init__(
        self,
        calls_per_second: int = CALLS_PER_SECOND,
        tokens_per_minute: int = TOKENS_PER_MINUTE,
        sign_ins_per_address: int = SIGN_INS_PER_ADDRESS,
    ) -> None:
        self.calls = Rate(RateLimitItemPerSecond(calls_per_second * CALL) if calls_per_second else None)
        self._sign_ins = Rate(RateLimitItemPerMinute(SIGN_INS_PER_MINUTE * CALL))
        self._addresses = Rate(RateLimitItemPerMinute(sign_ins_per_address * CALL) if sign_ins_per_address else None)
        tokens = RateLimitItemPerMinute(tokens_per_minute * CALL) if tokens_per_minute else None
        self._tokens, self._refused_tokens = Rate(tokens), Rate(tokens)

    def ask_for_token(self, address: str, client: str) -> None:
        """Let *address* show a secret of *client*; nothing is counted before it is known to be right. Problem (429)."""
        self._tokens.require(client)
        self._refused_tokens.require(f"{address} {client}")

    def refuse_token(self, address: str, client: str) -> None:
        """Count a wrong secret, for who showed it alone: nobody uses up what another client may fetch."""
        self._refused_tokens.admit(f"{address} {client}")

    def issue_token(self, client: str) -> dict[str, str]:
        """Count a token of *client*, from wherever it asks; the headers to tell. Raises a Problem (429)."""
        return self._tokens.admit(client)

    def attempt(self, address: str, name: str) -> None:
        """Let *address* try to sign in as *name*: enough for typing mistakes, nothing for guessing. Problem (429).

        Counted by both together, so that nobody shuts somebody else out by guessing at their name from elsewhere.
        """
        for rate, counted in ((self._addresses, address), (self._sign_ins, f"{address} {name}")):
            rate.admit(counted)
