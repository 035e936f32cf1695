"""How the rollout of an app goes as a whole: whether it is behind its target, and whether it has stalled."""

from dataclasses import dataclass
from datetime import datetime

from uptake.policy import Policy, Target
from uptake.versions import History


@dataclass(frozen=True, slots=True)
class Progress:
    """How the connected tenants of an app stand in one environment."""

    connected: int
    blocking: int  # that lack scopes of the latest version
    late: tuple[int, ...]  # of these, by target: that have lacked them for as long as it allows
    moved_at: datetime | None  # when one of them was last seen to accept a version


def missed(policy: Policy, progress: Progress) -> Target | None:
    """The target that the rollout is behind, of several the one that was due last; None: none, or too few to tell.

    A tenant is late by its own clock, which no newer release sets back.
    """
    if progress.connected < policy.min_audience or not progress.connected:
        return None
    behind = [
        target
        for target, late in zip(policy.targets, progress.late, strict=True)
        if late > round((1 - target.share) * progress.connected, 6)
    ]
    return max(behind, key=lambda target: target.by, default=None)


def stalls_at(policy: Policy, progress: Progress, history: History) -> datetime | None:
    """When the rollout counts as stalled unless somebody accepts a version before; None: it is done, or never does.

    It is done when no more tenants lag than the highest target leaves behind.
    """
    goal = max((target.share for target in policy.targets), default=1.0)
    left = round((1 - goal) * progress.connected, 6)
    if not policy.stalled_after or progress.connected < policy.min_audience or progress.blocking <= left:
        return None
    moved = [at for at in (progress.moved_at, asked_at(history)) if at is not None]
    return max(moved) + policy.stalled_after if moved else None


def asked_at(history: History) -> datetime | None:
    """When tenants were last asked for something: the newest version that wants a scope the one before did not."""
    return max(asks(history), default=None)


def asks(history: History) -> list[datetime]:
    """When each version was released that wants a scope which the one before it did not."""
    before: frozenset[str] = frozenset()
    found = []
    for version in history:
        if version.grants - before:
            found.append(version.released_at)
        before = version.grants
    return found
