"""Which policy holds for whom: overrides, of which the first that matches wins, and exemptions that end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from uptake.mutes import Mute, Muted, muted_until
from uptake.policy import AlertKind, Policy, Severity


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """Which alerts are for which receivers; of what is left out, any."""

    match: Match = Match()
    kinds: tuple[AlertKind, ...] = tuple(AlertKind)
    at_least: Severity = Severity.INFO
    receivers: tuple[str, ...]
    goes_on: bool = False  # later routes are looked at, too

    def is_for(self, who: Who, kind: AlertKind, severity: Severity) -> bool:
        """Whether an alert like this takes the route."""
        return kind in self.kinds and severity >= self.at_least and self.match.is_met(who)


@dataclass(frozen=True, slots=True)
class Policies:
    """All that uptake.toml says of alerts and reminders."""

    base: Policy
    overrides: tuple[Override, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    routes: tuple[Route, ...] = ()
    mutes: tuple[Mute, ...] = ()

    @property
    def receivers(self) -> tuple[str, ...]:
        """Whoever may hear of an alert, each once."""
        return tuple(dict.fromkeys([*self.base.receivers, *(name for one in self.routes for name in one.receivers)]))

    def heard_by(self, who: Who, kind: AlertKind, severity: Severity) -> tuple[str, ...]:
        """Who hears of such an alert, each once.

        The first route that is for it decides, unless it goes on to the next; after the last come the base's receivers.
        """
        found: dict[str, None] = {}
        for route in self.routes:
            if route.is_for(who, kind, severity):
                found |= dict.fromkeys(route.receivers)
                if not route.goes_on:
                    break
        else:
            found |= dict.fromkeys(self.base.receivers)
        return tuple(found)

    def of(self, who: Who) -> Policy:
        """What holds for *who*: the first override that matches, or else the base."""
        return next((one.policy for one in self.overrides if one.match.is_met(who)), self.base)

    def exemption(self, who: Who, now: datetime) -> Exemption | None:
        """Why nobody is told of *who* now; None: they are told of. Of several the one that ends last."""
        found = [one for one in self.exemptions if one.until > now and one.match.is_met(who)]
        return max(found, key=lambda one: one.until, default=None)

    def muted(self, who: Who, kind: AlertKind, now: datetime) -> Muted | None:
        """By which mute nobody is told now of an alert of this *kind* about *who*; of several, the last to end."""
        names = {"source": who.source, "app": f"{who.source}:{who.app}", "tenant": who.tenant}
        found = [
            Muted(one.name, until)
            for one in self.mutes
            if one.is_about(labels=who.labels, environment=who.environment, kind=kind.value, **names)
            and (until := muted_until(one, now)) is not None
        ]
        return max(found, key=lambda one: one.until, default=None)

    def asks_labels(self, source: str, app: str) -> bool:
        """Whether anything about this app depends on its tenants' labels."""
        matches = [*(one.match for one in self.overrides), *(one.match for one in self.exemptions)]
        return any(match.labels and match.may_be_of(source, app) for match in matches)
