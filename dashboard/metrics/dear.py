"""Answers that cost the database more than the others, and are asked for less often."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar

from sqlalchemy.orm import Session

Answer = TypeVar("Answer")
_SHARE = 100  # an answer takes a hundredth of the time at most, however often it is wanted
_OLDEST_SECONDS = 300.0


class Dear(Generic[Answer]):
    """One question and its last answer, which is the older the longer it took: 60 s for 0.6 s, 5 minutes at most."""

    def __init__(self, ask: Callable[[Session, datetime], Answer]) -> None:
        self._ask = ask
        self._kept: tuple[float, Answer] | None = None  # until when

    def answer(self, session: Session, *, now: datetime) -> Answer:
        """The answer of now, or of not long ago."""
        if self._kept is not None and time.monotonic() < self._kept[0]:
            return self._kept[1]
        began = time.monotonic()
        found = self._ask(session, now)
        ended = time.monotonic()
        self._kept = (ended + min(_SHARE * (ended - began), _OLDEST_SECONDS), found)
        return found
