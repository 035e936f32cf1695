"""Who must have an alert, by `domain.md` 4.3 spelled out for one tenant at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.integration.history.known import Known, Picture
from tests.integration.history.truth import Key, Version

SETTLE = timedelta(hours=1)
GRACE = {"tenant_lagging": timedelta(days=2), "tenant_overgranted": timedelta(days=5)}


def owes(versions: Sequence[Version], known: Known) -> tuple[str, datetime] | None:
    """The kind of alert that the tenant's lag is worth, and when its clock began."""
    version, grants = known.facts.version, known.facts.grants
    if not versions or version is None or grants is None or known.epoch_started is None:
        return None
    latest = versions[-1].grants
    if missing := latest - grants:
        since = min(_stayed(versions, version, grant, asked=True) for grant in missing)
        return "tenant_lagging", max(since, known.epoch_started)
    if extra := grants - latest:
        since = min(_stayed(versions, version, grant, asked=False) for grant in extra)
        return "tenant_overgranted", max(since, known.epoch_started)
    return None


def _stayed(versions: Sequence[Version], version: int, grant: str, *, asked: bool) -> datetime:
    """Since when each version asks (or does not ask) for *grant*, among those from the tenant's own on."""
    for candidate in versions:
        run = [v for v in versions if v.number >= candidate.number]
        if candidate.number >= version and all((grant in v.grants) is asked for v in run):
            return candidate.released
    raise AssertionError("it does not hold of the latest version")


@dataclass
class Alerts:
    """The open alerts of one app as they must be, step by step: whether each fires."""

    open: dict[tuple[Key, str], bool] = field(default_factory=dict)
    asked: set[Key] = field(default_factory=set)  # who may have a reminder thread
    poll_failing: bool = False

    def evaluated(self, picture: Picture, now: datetime) -> None:
        """What an evaluation at *now* must leave open."""
        self.poll_failing = picture.failures >= 3 and not picture.deleted
        settled = not picture.versions or picture.versions[-1].released + SETTLE <= now
        wanted: dict[tuple[Key, str], bool] = {}
        self.asked = set()
        for key, known in picture.known.items():
            owed = owes(picture.versions, known)
            if owed is None or known.facts.status != "connected" or key[1] != "production":
                continue
            if picture.deleted or picture.approval == "pending":
                continue
            kind, since = owed
            if kind == "tenant_lagging":
                self.asked.add(key)
            before = self.open.get((key, kind))
            if before is None and not settled:
                continue
            wanted[key, kind] = since + GRACE[kind] <= now and (settled or before is True)
        self.open = wanted
