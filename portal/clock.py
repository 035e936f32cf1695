"""The portal's one clock for business times; a demo may set it, token expiry never listens to it."""

from datetime import UTC, datetime


class Clock:
    """Real time, unless somebody set another one; the setting lives in this process only."""

    def __init__(self) -> None:
        self._set: datetime | None = None

    def now(self) -> datetime:
        """The aware UTC instant that every createdOn, allowedOn and modifiedOn is taken from."""
        if self._set is not None:
            return self._set
        return datetime.now(UTC)  # noqa: TID251 - the portal is its own authority on time; only this line reads it

    def set(self, instant: datetime | None) -> None:
        """Stand still at *instant*; None goes back to real time."""
        self._set = None if instant is None else instant.astimezone(UTC)


class Moment:
    """The business time of one call: taken when it is first asked for, which is after its locks, and then the same.

    So changes that wait for each other carry times in the order in which they came about. Two that meet only at the
    row of one connection take theirs right before it, and may differ from that by as long as they wait there.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._taken: datetime | None = None

    def now(self) -> datetime:
        """The instant."""
        if self._taken is None:
            self._taken = self._clock.now()
        return self._taken
