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
    HttpUrl,
    Line,
    Name,
    PageUrl,
    PositiveDuration,
    Secret,
    SecretUrl,
    Surroundings,
    Table,
)
from config.message_tables import FeatureTable, TemplatesTable
from config.mutes import MuteTable
from config.policy_tables import AppTable, ExemptionTable, MatchTable, OverrideTable, PolicyTable, RouteTable
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
    organization_name: Line | None = None  # as tenants know it; left out: the source's name
    accept_url: PageUrl | None = None  # the page where a tenant's admin accepts a version
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
    """How long what happened is kept; who ran what (the tenures), and alerts, are kept for ever."""

    events: PositiveDuration = timedelta(days=730)
    polls: PositiveDuration = timedelta(days=90)
    messages: PositiveDuration = timedelta(days=730)


class HeartbeatTable(Table):
    """Where to say every minute that all work is done; whoever waits for it there notices when it stops."""

    url: SecretUrl


class UptakeFile(Table):
    """The whole file. The receiver `log` is always there, written or not."""

    sources: Annotated[tuple[SourceTable, ...], Field(alias="source", strict=False)] = ()
    polling: PollingTable = PollingTable()
    retention: RetentionTable = RetentionTable()
    heartbeat: HeartbeatTable | None = None
    policy: PolicyTable = PolicyTable()
    routes: Annotated[tuple[RouteTable, ...], Field(alias="route", strict=False)] = ()
    mutes: Annotated[tuple[MuteTable, ...], Field(alias="mute", strict=False)] = ()
    exemptions: Annotated[tuple[ExemptionTable, ...], Field(alias="exemption", strict=False)] = ()
    features: Annotated[tuple[FeatureTable, ...], Field(alias="feature", strict=False)] = ()
    templates: TemplatesTable | None = None
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
    yield from _doubled("mute", [mute.name for mute in file.mutes])
    receivers: dict[str, Any] = {"log": LOG} | {receiver.name: receiver for receiver in file.receivers}
    yield from _hearing(("policy", "receivers"), file.policy.receivers, receivers)
    if file.policy.fallback:
        yield from (
            (here[:-1], said) for here, said in _hearing(("policy", "fallback"), (file.policy.fallback,), receivers)
        )
    for index, route in enumerate(file.routes):
        yield from _hearing(("route", index, "receivers"), route.receivers, receivers)
        yield from _matches(("route", index), route, file)
        if before := next((n for n in range(1, index + 1) if file.routes[n - 1].swallows(route)), None):
            yield ("route", index), f"is never reached: number {before} matches all that it does and does not continue"
    yield from _reminders(("policy",), file.policy.reminders, receivers)
    for index, override in enumerate(file.policy.overrides):
        here: _Place = ("policy", "override", index)
        yield from _reminders(here, override.reminders, receivers)
        yield from _matches(here, override, file)
        if not override.over(file.policy).severity.rises:
            yield (*here, "severity"), "with what is left as in [policy]: must rise: info, then warning, then critical"
        if before := _shadow(file.policy.overrides, index):
            yield here, f"is never reached: number {before} matches all that it does, and the first one wins"
    for index, exemption in enumerate(file.exemptions):
        yield from _matches(("exemption", index), exemption, file)
    for index, feature in enumerate(file.features):
        yield from _known_source(("feature", index), feature, file)
        if any(feature.is_double(other) for other in file.features[:index]):
            yield ("feature", index, "name"), f'"{feature.name}" is there already; write its scopes in one table'


def _doubled(table: str, names: list[str]) -> Iterator[tuple[_Place, str]]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield (table, index, "name"), f'"{name}" is the name of another {table} already; choose another'


def _hearing(place: _Place, names: tuple[str, ...], receivers: Mapping[str, Any]) -> Iterator[tuple[_Place, str]]:
    for index, name in enumerate(names):
        here = (*place, index)
        if name in names[:index]:
            yield here, f'receiver "{name}" is named twice; name it once'
        if name not in receivers:
            yield here, _no_receiver(name, receivers)
        elif isinstance(receivers[name], EmailReceiver | FileReceiver) and not receivers[name].to:
            yield here, f'receiver "{name}" hears alerts but has no addresses; give it to = ["name@host"]'


def _reminders(place: _Place, name: str | None, receivers: Mapping[str, Any]) -> Iterator[tuple[_Place, str]]:
    if not name:
        return
    if name not in receivers:
        yield (*place, "reminders"), _no_receiver(name, receivers)
    elif not isinstance(receivers[name], REMINDS):
        said = f'receiver "{name}" reaches no tenant; name one of kind email, file, webhook or log'
        yield (*place, "reminders"), said


def _known_source(place: _Place, table: AppTable, file: UptakeFile) -> Iterator[tuple[_Place, str]]:
    source, _ = table.named_app
    sources = [one.name for one in file.sources]
    if source is not None and source not in sources:
        key = "source" if table.source is not None else "app"
        yield (*place, key), f'there is no source "{source}"; {nearest(source, sources) if sources else "write one"}'


def _matches(place: _Place, table: MatchTable, file: UptakeFile) -> Iterator[tuple[_Place, str]]:
    """What would never match anybody."""
    yield from _known_source(place, table, file)
    watched = file.policy.environments
    if table.environment is not None and table.environment not in watched:
        said = (
            f'"{table.environment}" is not watched; add it to environments of [policy], which are: {", ".join(watched)}'
        )
        yield (*place, "environment"), said


def _shadow(overrides: tuple[OverrideTable, ...], index: int) -> int | None:
    """Which override before this one, counted from 1, leaves nothing to it."""
    return next((n for n in range(1, index + 1) if overrides[n - 1].covers(overrides[index])), None)


def _no_receiver(name: str, known: Mapping[str, Any]) -> str:
    return f'there is no receiver "{name}"; {nearest(name, known)}'
