"""Counters: what has ended since this process began to watch; rows are forgotten after a while, no counter falls."""

from collections import Counter, defaultdict
from itertools import accumulate

from sqlalchemy.orm import Session

from dashboard.metrics.declared import Families
from models.queries.since import events_between, marks, polls_since, tries_since
from uptake.errors import Fault

OUTCOMES = ("complete", "partial", "held", "failed")
TRIED = ("sent", "transient", "permanent")
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_MORE = float("inf")
# Ids are handed out before others see the row: so many of the last are looked at once more.
_OVERLAP = 500
_LONGEST_UNDER_WAY = 10_000  # tries; of the older ones nobody will ever know


class Ids:
    """Which rows of a table were counted already."""

    def __init__(self, begin: int) -> None:
        self._begin = self._last = begin
        self._counted: set[int] = set()

    @property
    def after(self) -> int:
        """From where on to look."""
        return max(self._begin, self._last - _OVERLAP)

    def is_new(self, row: int) -> bool:
        """Whether the row was not counted yet; it is now."""
        if row in self._counted:
            return False
        self._counted.add(row)
        self._last = max(self._last, row)
        return True

    def forget(self) -> None:
        """Let go of what nobody looks at any more."""
        self._counted = {row for row in self._counted if row > self.after}


class Counts:
    """What has ended since the first look, in whichever process; every look adds what came since the one before."""

    def __init__(self, session: Session) -> None:
        begin = marks(session)
        self._tx = begin.tx
        self._polls, self._tries = Ids(begin.poll), Ids(begin.attempt)
        self._under_way: set[int] = set()
        self._events: Counter[str] = Counter()
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._faults: Counter[tuple[str, str]] = Counter()
        self._buckets: Counter[tuple[str, float]] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._delivered: Counter[tuple[str, str]] = Counter()

    def look(self, session: Session) -> None:
        """Count what has ended since."""
        until = marks(session).tx
        self._events.update(events_between(session, self._tx, until))
        self._tx = until
        self._look_at_polls(session)
        self._look_at_tries(session)

    def _look_at_polls(self, session: Session) -> None:
        for poll in polls_since(session, after=self._polls.after):
            if not self._polls.is_new(poll.id):
                continue
            self._outcomes[poll.source, poll.outcome] += 1
            if poll.fault:
                self._faults[poll.source, poll.fault] += 1
            bound = next((bound for bound in BOUNDS if poll.duration_seconds <= bound), _MORE)
            self._buckets[poll.source, bound] += 1
            self._seconds[poll.source] += poll.duration_seconds
        self._polls.forget()

    def _look_at_tries(self, session: Session) -> None:
        for one in tries_since(session, after=self._tries.after, under_way=self._under_way):
            is_new = self._tries.is_new(one.id)
            if one.outcome is None:
                self._under_way.add(one.id)
            elif is_new or one.id in self._under_way:
                self._under_way.discard(one.id)
                self._delivered[one.receiver, one.outcome] += 1
        self._tries.forget()
        self._under_way = {row for row in self._under_way if row > self._tries.after - _LONGEST_UNDER_WAY}

    def put(self, families: Families, *, sources: set[str], receivers: set[str]) -> None:
        """What was counted; where nothing was, 0, or the first of a kind would not show as an increase."""
        for source in sorted(sources | {source for source, _ in self._outcomes}):
            for outcome in OUTCOMES:
                families.put("uptake_polls_total", self._outcomes[source, outcome], source, outcome)
            for fault in Fault:
                families.put("uptake_poll_faults_total", self._faults[source, fault], source, fault)
            self._put_durations(families, source)
        for receiver in sorted(receivers | {receiver for receiver, _ in self._delivered}):
            for outcome in TRIED:
                families.put("uptake_deliveries_total", self._delivered[receiver, outcome], receiver, outcome)
        for kind, events in sorted(self._events.items()):
            families.put("uptake_events_total", events, kind)

    def _put_durations(self, families: Families, source: str) -> None:
        so_far = accumulate(self._buckets[source, bound] for bound in (*BOUNDS, _MORE))
        names = (*map(str, BOUNDS), "+Inf")
        buckets = list(zip(names, map(float, so_far), strict=True))
        families.put_buckets("uptake_poll_duration_seconds", buckets, self._seconds[source], source)
