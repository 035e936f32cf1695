"""The version history of an app: numbered, immutable sets of grants."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple


class ScopeVersion(NamedTuple):
    """One version: its number, its whole set of grants, and when it was released."""

    number: int
    grants: frozenset[str]
    released_at: datetime


# Sorted by number and by nothing else: times come from clocks that may be wrong.
History = tuple[ScopeVersion, ...]


def ordered(versions: Iterable[ScopeVersion]) -> History:
    """Sort *versions* by number, each number once; two different versions of one number are a ValueError."""
    known: dict[int, ScopeVersion] = {}
    for version in versions:
        if known.setdefault(version.number, version) != version:
            raise ValueError(f"version {version.number} is listed twice with different content")
    return tuple(known[number] for number in sorted(known))


def latest(history: History) -> ScopeVersion | None:
    """The version with the highest number; None while there is none."""
    return history[-1] if history else None


def numbered(history: History, number: int) -> ScopeVersion | None:
    """The version called *number*; None when it is not listed."""
    return next((version for version in history if version.number == number), None)


def since(history: History, number: int) -> History:
    """The versions released after *number*, oldest first."""
    return tuple(version for version in history if version.number > number)
