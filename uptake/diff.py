"""What changed between two sets of grants."""

from collections.abc import Set as AbstractSet
from typing import NamedTuple


class Diff(NamedTuple):
    """The grants that came and went; a changed access level is one of each, or only one."""

    added: frozenset[str]
    removed: frozenset[str]


def diff(before: AbstractSet[str], after: AbstractSet[str]) -> Diff:
    """What has to be added to and removed from *before* to arrive at *after*."""
    return Diff(added=frozenset(after - before), removed=frozenset(before - after))
