"""Which policy holds for whom: overrides, of which the first that matches wins, and exemptions that end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from uptake.policy import Policy


@dataclass(frozen=True, kw_only=True, slots=True)
class Who:
    """A connection as a policy sees it: the names of its app, its environment and its tenant's labels."""

    source: str
    app: str  # as the source names it
    environment: str
    tenant: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """Which connections something is for; what is None, or no label, matches any."""

    source: str | None = None
    app: str | None = None
    environment: str | None = None
    tenant: str | None = None
    labels: tuple[tuple[str, str], ...] = ()

    def is_met(self, who: Who) -> bool:
        """Whether *who* is one of them: every part of the match is met."""
        named = ((self.environment, who.environment), (self.tenant, who.tenant))
        return (
            self.may_be_of(who.source, who.app)
            and all(wanted is None or wanted == found for wanted, found in named)
            and all(who.labels.get(key) == value for key, value in self.labels)
        )

    def may_be_of(self, source: str, app: str) -> bool:
        """Whether anybody of this app can be one of them."""
        return self.source in {None, source} and self.app in {None, app}


@dataclass(frozen=True, slots=True)
class Override:
    """What holds instead of the base policy for those that are matched."""

    match: Match
    policy: Policy


@dataclass(frozen=True, slots=True)
class Exemption:
    """Tenants that nobody is told of and who are not reminded, why, and until when."""

    match: Match  # names a tenant or labels
    until: datetime
    reason: str
    place: str = "[[exemption]]"  # which one of uptake.toml it is, for whoever asks


@dataclass(frozen=True, slots=True)
class Policies:
    """All that uptake.toml says of alerts and reminders."""

    base: Policy
    overrides: tuple[Override, ...] = ()
    exemptions: tuple[Exemption, ...] = ()

    def of(self, who: Who) -> Policy:
        """What holds for *who*: the first override that matches, or else the base."""
        return next((one.policy for one in self.overrides if one.match.is_met(who)), self.base)

    def exemption(self, who: Who, now: datetime) -> Exemption | None:
        """Why nobody is told of *who* now; None: they are told of. Of several the one that ends last."""
        found = [one for one in self.exemptions if one.until > now and one.match.is_met(who)]
        return max(found, key=lambda one: one.until, default=None)

    def asks_labels(self, source: str, app: str) -> bool:
        """Whether anything about this app depends on its tenants' labels."""
        matches = [*(one.match for one in self.overrides), *(one.match for one in self.exemptions)]
        return any(match.labels and match.may_be_of(source, app) for match in matches)
