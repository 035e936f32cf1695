"""Where a tenant stands against the latest version: the class, the grants it lacks, and since when."""

import enum
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from uptake.diff import Diff, diff
from uptake.versions import History, ScopeVersion, latest, numbered, since


class LagClass(enum.StrEnum):
    """The four classes of a connected tenant."""

    CURRENT = "current"
    BLOCKING = "blocking"  # the app needs grants that the tenant has not given
    TRIMMING = "trimming"  # the tenant grants more than the app needs: it works
    EQUIVALENT = "equivalent"  # an older version with the same grants: nothing to do


class Unjudged(enum.StrEnum):
    """Why a tenant cannot be judged; each of them is cured by reading the portal again."""

    NO_VERSIONS = "no_versions"
    VERSION_AHEAD = "version_ahead"  # above the latest we know: our version list is old
    VERSION_UNLISTED = "version_unlisted"  # below the latest, yet not in the list, and no grants to go by
    NOTHING_KNOWN = "nothing_known"  # neither a version nor grants


@dataclass(frozen=True, slots=True)
class Verdict:
    """What can be said of one (version, grants) against one history, for every tenant that has them."""

    lag: LagClass
    missing: frozenset[str]
    superfluous: frozenset[str]
    versions_behind: int
    outdated_since: datetime | None
    blocking_since: datetime | None
    mismatch: bool
    trimming_since: datetime | None = None

    @property
    def since(self) -> datetime | None:
        """When the clock of this class began; None for the classes that ask nothing of anybody."""
        return {LagClass.BLOCKING: self.blocking_since, LagClass.TRIMMING: self.trimming_since}.get(self.lag)


def judge(history: History, *, version: int | None, grants: AbstractSet[str] | None) -> Verdict | None:
    """Judge a tenant at *version* that grants *grants*; None when `unjudged` names a reason.

    Grants are believed before the version. The clocks start at the oldest release that the tenant lacks:
    a newer release never restarts them.
    """
    newest = latest(history)
    if newest is None or unjudged(history, version=version, grants=grants) is not None:
        return None
    accepted = None if version is None else numbered(history, version)
    held = frozenset(grants) if grants is not None else _grants_of(accepted)
    lack = diff(held, newest.grants)
    missed = since(history, _reached(history, held, lack) if version is None else version)
    return Verdict(
        lag=_class(lack.added, lack.removed, behind=bool(missed)),
        missing=lack.added,
        superfluous=lack.removed,
        versions_behind=len(missed),
        outdated_since=missed[0].released_at if missed else None,
        blocking_since=_earliest(missing_since(history, version, grant) for grant in lack.added),
        mismatch=accepted is not None and held != accepted.grants,
        trimming_since=_earliest(superfluous_since(history, version, grant) for grant in lack.removed),
    )


def unjudged(history: History, *, version: int | None, grants: AbstractSet[str] | None) -> Unjudged | None:
    """Why no verdict is possible; None when `judge` gives one. A version is never invented."""
    newest = latest(history)
    if newest is None:
        return Unjudged.NO_VERSIONS
    if version is None:
        return Unjudged.NOTHING_KNOWN if grants is None else None
    if version > newest.number:
        return Unjudged.VERSION_AHEAD
    if grants is None and numbered(history, version) is None:
        return Unjudged.VERSION_UNLISTED
    return None


def candidates(history: History, grants: AbstractSet[str]) -> tuple[int, ...]:
    """The versions that a tenant with exactly *grants* may be at, oldest first; several can look alike."""
    return tuple(version.number for version in history if version.grants == grants)


def missing_since(history: History, version: int | None, grant: str) -> datetime | None:
    """When the latest version's *grant*, which the tenant lacks, came to stay; None if it is not required.

    Counted from *version* on: a tenant said to have accepted it with the grant has owed it since then.
    """
    return _began(_run(history, version, grant, required=True))


def superfluous_since(history: History, version: int | None, grant: str) -> datetime | None:
    """When *grant*, which the tenant gives, stopped being asked for; None while it is."""
    return _began(_run(history, version, grant, required=False))


def bounded(verdict: Verdict, epoch_started_at: datetime | None) -> Verdict:
    """The same verdict with no clock older than the connection's present epoch."""
    if epoch_started_at is None:
        return verdict
    return replace(
        verdict,
        outdated_since=_later(verdict.outdated_since, epoch_started_at),
        blocking_since=_later(verdict.blocking_since, epoch_started_at),
        trimming_since=_later(verdict.trimming_since, epoch_started_at),
    )


def age(since_at: datetime, now: datetime) -> timedelta:
    """How long ago *since_at* was; a clock that is ahead of ours makes it zero, never negative."""
    return max(now - since_at, timedelta())


def _class(missing: frozenset[str], superfluous: frozenset[str], *, behind: bool) -> LagClass:
    if missing:
        return LagClass.BLOCKING
    if superfluous:
        return LagClass.TRIMMING
    return LagClass.EQUIVALENT if behind else LagClass.CURRENT


def _grants_of(accepted: ScopeVersion | None) -> frozenset[str]:
    return accepted.grants if accepted else frozenset()


def _reached(history: History, held: frozenset[str], lack: Diff) -> int:
    """The newest version that *held* looks like; for a set no version ever had, the last before it lagged."""
    alike = candidates(history, held)
    if alike:
        return alike[-1]
    runs = [_run(history, None, grant, required=True) for grant in lack.added]
    runs += [_run(history, None, grant, required=False) for grant in lack.removed]
    return min(run[0].number for run in runs if run) - 1


def _run(history: History, version: int | None, grant: str, *, required: bool) -> History:
    """The unbroken run of versions up to the latest, from *version* on, that have (or lack) *grant*."""
    start = len(history)
    while start > 0:
        earlier = history[start - 1]
        if (grant in earlier.grants) is not required or (version is not None and earlier.number < version):
            break
        start -= 1
    return history[start:]


def _began(run: History) -> datetime | None:
    return run[0].released_at if run else None


def _earliest(times: Iterable[datetime | None]) -> datetime | None:
    return min((at for at in times if at is not None), default=None)


def _later(at: datetime | None, bound: datetime) -> datetime | None:
    return None if at is None else max(at, bound)
