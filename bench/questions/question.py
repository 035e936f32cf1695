"""What a question is."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from bench.questions.known import Known


@dataclass(frozen=True, slots=True)
class Question:
    """One question; *ask* draws its arguments anew each time."""

    name: str
    ask: Callable[[Session, Known], object]
    is_awaited: bool = True  # by somebody who opened a page; else by a program that comes by and by
    counts: str | None = None  # the index of what fires, waits or is open that it reads whole, to count that
