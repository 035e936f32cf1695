"""What uptake.toml chooses: sources, polling, the policy and who hears of it, as plain frozen values."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from config import toml_lines
from config.file_complaints import Complaint, complaints, written
from config.file_values import (
    Duration,
    HttpUrl,
    Name,
    PositiveDuration,
    Secret,
    Surroundings,
    Table,
    WorkingHours,
    parse_hours,
)
from config.receivers import LOG, REMINDS, EmailReceiver, FileReceiver, Receiver
from config.settings import SettingsError, nearest

_Place = tuple[str | int, ...]
_LARGEST = 1_000_000  # bytes


class SourceTable(Table):
    """One credential at one portal."""

    name: Name
    kind: Literal["portal"]
    url: HttpUrl
    token_url: HttpUrl
    organization: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    client_id: Annotated[str, Field(pattern=r"^[!-~]{1,200}$")]
    client_secret: Secret
    app_key: Secret
    poll_every: PositiveDuration | None = None
    page_size: Annotated[int, Field(ge=1, le=10_000)] = 500
    feed: bool = True  # its feed of changes is followed, where it has one
    # Manners, kept by all workers together: requests in a second (0: as many as can be), and apps polled at once.
    rate: Annotated[int, Field(ge=0, le=100_000)] = 30
    at_once: Annotated[int, Field(ge=1, le=1_000)] = 8


class PollingTable(Table):
    """How often each app is polled."""

    poll_every: PositiveDuration = timedelta(minutes=15)
    min: PositiveDuration = timedelta(minutes=1)
    max: PositiveDuration = timedelta(hours=6)
    # Between two walks that look at every page, a page that the source calls unchanged is taken as unchanged.
    full_walk_every: PositiveDuration = timedelta(days=1)
    # When more than this share of an app's connections is missing at once, none is gone before an operator says so.
    implausible_share: Annotated[float, Field(ge=0, le=1)] = 0.5

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.min <= self.poll_every <= self.max:
            raise ValueError("must rise: min first, then poll_every, then max")
        return self


class RetentionTable(Table):
    """How long what happened is kept, month by month; who ran what (the tenures) is kept for ever."""

    events: PositiveDuration = timedelta(days=730)
    polls: PositiveDuration = timedelta(days=90)


class GraceTable(Table):
    """How long a tenant may lag before somebody hears of it."""

    blocking: Duration = timedelta(days=14)
    trimming: Duration = timedelta(days=60)


class SeverityTable(Table):
    """The age past grace at which an alert reaches each severity."""

    info: Duration = timedelta(0)
    warning: Duration = timedelta(days=7)
    critical: Duration = timedelta(days=21)

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if not self.info <= self.warning <= self.critical:
            raise ValueError("must rise: info first, then warning, then critical")
        return self


class PolicyTable(Table):
    """When tenants lag too long, who hears of it and how tenants are reminded."""

    environments: Annotated[tuple[str, ...], Field(min_length=1, strict=False)] = ("production",)
    settle: Duration = timedelta(minutes=60)
    grace: GraceTable = GraceTable()
    severity: SeverityTable = SeverityTable()
    remind_days: Annotated[tuple[Annotated[int, Field(ge=0, le=3650)], ...], Field(strict=False)] = (0, 3, 7, 14)
    remind_every: PositiveDuration = timedelta(days=30)
    remind_cap: Annotated[int, Field(ge=0, le=1000)] = 12
    working_hours: WorkingHours = parse_hours("08:00-18:00")
    receivers: Annotated[tuple[str, ...], Field(strict=False)] = ("log",)
    reminders: str = "log"
    group_wait: Duration = timedelta(seconds=30)
    group_interval: PositiveDuration = timedelta(minutes=5)
    repeat_interval: PositiveDuration = timedelta(hours=4)

    @model_validator(mode="after")
    def _days_rise(self) -> Self:
        if list(self.remind_days) != sorted(set(self.remind_days)):
            raise ValueError("remind_days must rise, each day once, such as [0, 3, 7, 14]")
        return self


class UptakeFile(Table):
    """The whole file. The receiver `log` is always there, written or not."""

    sources: Annotated[tuple[SourceTable, ...], Field(alias="source", strict=False)] = ()
    polling: PollingTable = PollingTable()
    retention: RetentionTable = RetentionTable()
    policy: PolicyTable = PolicyTable()
    receivers: Annotated[
        tuple[Annotated[Receiver, Field(discriminator="kind")], ...], Field(alias="receiver", strict=False)
    ] = ()


def load_file(path: Path, *, required: bool = False, environment: Mapping[str, str] = os.environ) -> UptakeFile:
    """The checked content of *path*, secrets read; raises SettingsError with every mistake it finds.

    A file that is not there means the defaults, unless it is *required* because somebody named it.
    """
    raw, lines = _parsed(path, _text(path, required=required))
    around = Surroundings(environment, path.parent)
    try:
        found = UptakeFile.model_validate(raw, context=around)
    except ValidationError as error:
        raise SettingsError(written(path, complaints(error, UptakeFile, lines))) from None
    if wrong := [Complaint.at(place, said, lines) for place, said in _across(found)]:
        raise SettingsError(written(path, wrong))
    named_log = any(receiver.name == "log" for receiver in found.receivers)
    return found if named_log else found.model_copy(update={"receivers": (*found.receivers, LOG)})


def _text(path: Path, *, required: bool) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise SettingsError(f"{path}: larger than a megabyte; is it the right file?")
        # Some editors begin UTF-8 with a mark of their own.
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        if not required:
            return ""
        raise SettingsError(f"{path}: no such file; UPTAKE_CONFIG or an argument names it") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None


def _parsed(path: Path, text: str) -> tuple[dict[str, Any], dict[_Place, int]]:
    """What *text* says, and on which line each key of it stands."""
    try:
        return tomllib.loads(text), toml_lines.lines(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(written(path, [_not_toml(error, text)])) from None
    except RecursionError:
        raise SettingsError(f"{path}: not valid TOML: brackets are nested too deeply") from None
    except ValueError as error:
        # Python refuses to read numbers of thousands of digits, and TOML's parser passes that on.
        if "digits" not in str(error):
            raise
        raise SettingsError(f"{path}: not valid TOML: a number has too many digits") from None


def _not_toml(error: tomllib.TOMLDecodeError, text: str) -> Complaint:
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", str(error), re.DOTALL)
    if found is None:
        return Complaint(text.count("\n") + 1, "", f"not valid TOML: {str(error).partition(' (at')[0]}")
    return Complaint(int(found[2]), "", f"not valid TOML: {found[1]} (column {found[3]})")


def _across(file: UptakeFile) -> Iterator[tuple[_Place, str]]:
    """What no single table can know: doubled names and names of receivers that are not there."""
    yield from _doubled("source", [source.name for source in file.sources])
    yield from _doubled("receiver", [receiver.name for receiver in file.receivers])
    receivers: dict[str, Any] = {"log": LOG} | {receiver.name: receiver for receiver in file.receivers}
    for index, name in enumerate(file.policy.receivers):
        place = ("policy", "receivers", index)
        if name in file.policy.receivers[:index]:
            yield place, f'receiver "{name}" is named twice; name it once'
        if name not in receivers:
            yield place, _no_receiver(name, receivers)
        elif isinstance(receivers[name], EmailReceiver | FileReceiver) and not receivers[name].to:
            yield place, f'receiver "{name}" hears alerts but has no addresses; give it to = ["name@host"]'
    if file.policy.reminders and file.policy.reminders not in receivers:
        yield ("policy", "reminders"), _no_receiver(file.policy.reminders, receivers)
    elif file.policy.reminders and not isinstance(receivers[file.policy.reminders], REMINDS):
        said = f'receiver "{file.policy.reminders}" reaches no tenant; name one of kind email, file, webhook or log'
        yield ("policy", "reminders"), said


def _doubled(table: str, names: list[str]) -> Iterator[tuple[_Place, str]]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield (table, index, "name"), f'"{name}" is the name of another {table} already; choose another'


def _no_receiver(name: str, known: Mapping[str, Any]) -> str:
    return f'there is no receiver "{name}"; {nearest(name, known)}'
