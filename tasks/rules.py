"""What was chosen in uptake.toml, in the words of the core."""

import functools
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import quote

from config.file_values import PAGE_PLACE
from config.message_tables import FeatureTable
from config.mutes import DAYS, MuteTable
from config.policy_file import SourceTable, UptakeFile, load_file
from config.policy_tables import AppTable, ExemptionTable, MatchTable, OverrideTable, PolicyTable, RouteTable
from config.receivers import Receiver
from config.settings import settings
from tasks.template_folder import TemplateFolder, read_templates
from uptake.features import Feature
from uptake.mutes import Mute
from uptake.policies import Exemption, Match, Override, Policies, Route, Who
from uptake.policy import AlertKind, Policy, Severity, Target
from uptake.rates import Rate


@dataclass(frozen=True, slots=True)
class Rules:
    """The checked file: sources and receivers by name, the policies, and what messages say."""

    file: UptakeFile
    policies: Policies
    sources: dict[str, SourceTable]
    receivers: dict[str, Receiver]
    features: tuple[Feature, ...]
    templates: TemplateFolder

    @property
    def stale_after(self) -> timedelta:
        """From when on what we know of an app is too old to act on."""
        return max(timedelta(days=1), 3 * self.file.polling.max)

    @property
    def policy(self) -> Policy:
        """What holds where no override does."""
        return self.policies.base

    @property
    def rates(self) -> dict[str, Rate]:
        """The receivers that are not sent all at once, and how much in a while."""
        return {name: Rate(*table.rate) for name, table in self.receivers.items() if table.rate}

    def organization(self, source: str) -> str:
        """Whose apps the source lists, by the name that tenants know."""
        table = self.sources.get(source)
        return (table.organization_name if table else None) or source

    def accept_page(self, who: Who) -> str | None:
        """The page where the tenant accepts a version of the app there; None: nobody said where that is."""
        table = self.sources.get(who.source)
        if table is None or table.accept_url is None:
            return None
        filled = {"app": who.app, "tenant": who.tenant, "environment": who.environment}
        return PAGE_PLACE.sub(lambda place: quote(filled[place[1]] or "", safe=""), table.accept_url)

    def poll_every(self, source: str) -> timedelta:
        """The base cadence of a source and of its apps."""
        return self.own_poll_every.get(source, self.file.polling.poll_every)

    @property
    def own_poll_every(self) -> dict[str, timedelta]:
        """The base cadence of each source that has one of its own."""
        return {name: table.poll_every for name, table in self.sources.items() if table.poll_every}


@functools.cache
def rules() -> Rules:
    """The rules of this process, read once; raises SettingsError."""
    chosen = settings()
    # A name that somebody wrote and that leads nowhere is a mistake; by default there may be no file.
    return written(load_file(chosen.config, required="config" in chosen.model_fields_set))


def written(file: UptakeFile) -> Rules:
    """*file* as rules, with the templates that are in its folder now; a broken one is no mistake of the file's."""
    return Rules(
        file,
        policies_of(file),
        {source.name: source for source in file.sources},
        {receiver.name: receiver for receiver in file.receivers},
        tuple(_feature(table) for table in file.features),
        read_templates(file.templates.folder if file.templates else None),
    )


def policies_of(file: UptakeFile) -> Policies:
    """The core's policies that *file* spells out."""
    return Policies(
        policy_of(file.policy),
        tuple(_override(file.policy, table, number) for number, table in enumerate(file.policy.overrides, 1)),
        tuple(_exemption(table, number) for number, table in enumerate(file.exemptions, 1)),
        tuple(_route(table) for table in file.routes),
        tuple(_mute(table) for table in file.mutes),
    )


def policy_of(table: PolicyTable, *, place: str = "[policy]") -> Policy:
    """The core's policy that *table* spells out."""
    same = set(Policy.__dataclass_fields__) & set(PolicyTable.model_fields) - {"severity", "targets"}
    return Policy(
        **{name: getattr(table, name) for name in same},
        grace_blocking=table.grace.blocking,
        grace_trimming=table.grace.trimming,
        severity=tuple((rung, getattr(table.severity, rung.value)) for rung in Severity),
        targets=tuple(Target(target.share, target.by) for target in table.targets),
        place=place,
    )


def _override(base: PolicyTable, table: OverrideTable, number: int) -> Override:
    return Override(_match(table), policy_of(table.over(base), place=f"[[policy.override]] number {number}"))


def _exemption(table: ExemptionTable, number: int) -> Exemption:
    return Exemption(
        replace(_match(table), tenant=table.tenant), table.until, table.reason, f"[[exemption]] number {number}"
    )


def _route(table: RouteTable) -> Route:
    return Route(
        match=_match(table),
        kinds=tuple(map(AlertKind, table.kinds or AlertKind)),
        at_least=Severity(table.at_least),
        receivers=table.receivers,
        goes_on=table.goes_on,
    )


def _mute(table: MuteTable) -> Mute:
    patterns = {name: getattr(table, name) for name in ("source", "app", "tenant", "environment", "kind")}
    return Mute(
        name=table.name,
        days=tuple(sorted(map(DAYS.index, table.days))),
        hours=table.hours,
        time_zone=table.time_zone,
        labels=tuple(sorted(table.labels.items())),
        **patterns,
    )


def _feature(table: FeatureTable) -> Feature:
    return Feature(name=table.name, scopes=table.scopes, match=_app(table), why=table.why or "")


def _app(table: AppTable) -> Match:
    source, app = table.named_app
    return Match(source=source, app=app)


def _match(table: MatchTable) -> Match:
    return replace(_app(table), environment=table.environment, labels=tuple(sorted(table.labels.items())))
