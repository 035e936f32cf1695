"""What was chosen in uptake.toml, in the words of the core."""

import functools
from dataclasses import dataclass
from datetime import timedelta

from config.policy_file import PolicyTable, SourceTable, UptakeFile, load_file
from config.receivers import Receiver
from config.settings import settings
from uptake.policy import Policy, Severity


@dataclass(frozen=True, slots=True)
class Rules:
    """The checked file: sources and receivers by name, and the policy."""

    file: UptakeFile
    policy: Policy
    sources: dict[str, SourceTable]
    receivers: dict[str, Receiver]

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
    """*file* as rules."""
    return Rules(
        file,
        policy_of(file.policy),
        {source.name: source for source in file.sources},
        {receiver.name: receiver for receiver in file.receivers},
    )


def policy_of(table: PolicyTable) -> Policy:
    """The core's policy that *table* spells out."""
    same = set(Policy.__dataclass_fields__) & set(PolicyTable.model_fields) - {"severity"}
    return Policy(
        **{name: getattr(table, name) for name in same},
        grace_blocking=table.grace.blocking,
        grace_trimming=table.grace.trimming,
        severity=tuple((rung, getattr(table.severity, rung.value)) for rung in Severity),
    )
