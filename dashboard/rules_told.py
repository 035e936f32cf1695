"""What uptake.toml comes to, in words: every choice with its value, what it is for, and the line that made it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from config import toml_lines
from config.file_complaints import Place
from config.file_doubts import doubts
from config.file_values import Hours, Table
from config.policy_file import UptakeFile, load_file
from config.policy_tables import AppTable, ExemptionTable, MatchTable, TargetTable
from config.settings import SettingsError

MEANS = {
    "environments": "lag elsewhere is shown, and nobody is told",
    "settle": "a new version is left alone so long: a fix may follow",
    "grace.blocking": "so long may a tenant lack scopes before an alert fires",
    "grace.trimming": "so long may a tenant hold too much before an alert fires",
    "severity.info": "past grace, from when on an alert is info",
    "severity.warning": "past grace, from when on it is a warning",
    "severity.critical": "past grace, from when on it is critical",
    "remind_days": "days after the version settled on which a tenant is reminded",
    "remind_every": "then every so often",
    "remind_cap": "and so many times in all",
    "remind_next_contact_after": "reminders without an answer, then the next contact has their turn",
    "remind_person_every": "one person gets one message at most",
    "remind_pace": "reminders a minute, by each receiver",
    "remind_fresh": "what is known of a tenant is no older when it is reminded",
    "deadline": "when older versions stop to be served",
    "deadline_days": "days before the deadline on which whoever lags is reminded, whatever the ladder says",
    "working_hours": "in which tenants are written to, Monday to Friday where they are",
    "targets": "how far a rollout is to be, and when",
    "min_audience": "of fewer tenants a share says nothing",
    "stalled_after": "nobody has accepted for so long while the target is not reached",
    "lost_within": "a tenant that disconnects so soon after a release is told of",
    "flap_window": "what begins again so soon after its end goes on as the same alert",
    "receivers": "who hears of alerts that no route is for",
    "reminders": "how tenants are reminded",
    "fallback": "who hears what is for a receiver that cannot be used",
    "group_wait": "alerts that start together are told together",
    "group_interval": "changes of a group are told this often at most",
    "repeat_interval": "alerts that did not change are told again this often",
    "poll_every": "how often each app is read; more often after a release",
    "min": "never more often",
    "max": "never less often",
    "full_walk_every": "in between, pages that the portal calls unchanged are not read",
    "implausible_share": "when more of an app's tenants are missing at once, none counts as gone",
    "events": "how long what happened is kept",
    "polls": "how long it is kept what each poll came to",
    "messages": "how long messages are kept",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One key and what holds for it."""

    key: str
    value: object
    means: str
    line: int | None  # of uptake.toml; None: it is not written there, so that it is the default


class State(StrEnum):
    """How the file is now, against what this process goes by."""

    AS_READ = "as_read"
    CHANGED = "changed"
    BROKEN = "broken"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class FileNow:
    """The file as it is at this moment: where keys stand, and what to look at; of another than was read, nothing."""

    state: State
    lines: Mapping[Place, int]
    doubts: Sequence[str] = ()
    wrong: str = ""


def file_now(path: Path, read: UptakeFile) -> FileNow:
    """How *path* is now, of which this process has *read* what it goes by."""
    if not path.exists():
        return FileNow(State.ABSENT, {})
    try:
        if load_file(path) != read:
            return FileNow(State.CHANGED, {})
        return FileNow(State.AS_READ, toml_lines.lines(path.read_text(encoding="utf-8-sig")), doubts(path, read))
    except SettingsError as error:
        return FileNow(State.BROKEN, {}, wrong=str(error))


def choices(table: Table, lines: Mapping[Place, int], place: Place, *, only_written: bool = False) -> list[Choice]:
    """What *table*, which stands at *place*, says key by key; lists of tables within it apart."""
    return list(_choices(table, lines, place, "", only_written=only_written))


def _choices(
    table: BaseModel, lines: Mapping[Place, int], place: Place, above: str, *, only_written: bool
) -> Iterator[Choice]:
    for name, field in type(table).model_fields.items():
        if only_written and (name not in table.model_fields_set or name in MatchTable.model_fields):
            continue
        value, here = getattr(table, name), (*place, field.alias or name)
        if isinstance(value, BaseModel):
            yield from _choices(value, lines, here, f"{above}{name}.", only_written=only_written)
        elif f"{above}{name}" in MEANS:
            yield Choice(f"{above}{name}", shown(value), MEANS[f"{above}{name}"], lines.get(here))


def shown(value: Any) -> object:  # noqa: PLR0911 - one for each kind
    """A value of the file as words; spans and numbers stay what they are, and no secret is told."""
    match value:
        case SecretStr():
            return "(secret)"
        case Hours(opens, closes):
            return f"{opens:%H:%M} to {closes:%H:%M}"
        case TargetTable(share=share, by=by):
            return f"{share * 100:g} % within {by.days} days"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M} UTC"
        case timedelta() | int() | float():
            return value
        case tuple():
            return ", ".join(str(shown(one)) for one in value) or "none"
        case None | "":
            return "none"
        case _:
            return str(value)


def whom(table: AppTable) -> str:
    """Whom a table is for, in words."""
    source, app = table.named_app
    named = f"app {source}:{app}" if source and app else f"app {app}" if app else f"source {source}" if source else ""
    if not isinstance(table, MatchTable):
        return named or "any"
    tenant = f"tenant {table.tenant}" if isinstance(table, ExemptionTable) and table.tenant else None
    labels = [f"{key}={value}" for key, value in sorted(table.labels.items())]
    return ", ".join(filter(None, [tenant, named, table.environment, *labels])) or "any"
