"""A contact book as a CSV file: whom to write to at each tenant, read whole or refused with every mistake by line."""

import csv
import io
import re
import zoneinfo
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, field_validator

from config.file_complaints import Complaint, written
from config.file_values import Label, LabelName, Name, Table, mailbox
from config.settings import SettingsError, nearest

_LARGEST = 64_000_000  # bytes
_MOST = 20  # mistakes that are told: who made one in a column made it in every line
_SEPARATORS = ",;\t"


def _address(value: Any) -> str:
    """One bare address in small letters, so that nobody is two people."""
    # Where a mail program would read a name before it, a CSV has a column for that.
    if not isinstance(value, str) or "<" in value or len(value) > 254:
        raise ValueError(f"{value!r} is not a mail address; write name@host and nothing else")
    return mailbox(value).lower()


def _plain(value: Any) -> Any:
    if isinstance(value, str) and not value.isprintable():
        raise ValueError("holds characters that cannot be shown")
    return value


def _labels(value: Any) -> Any:
    """The pairs in a cell such as "tier=gold region=us"."""
    if not isinstance(value, str):
        return value
    pairs = [pair.partition("=") for pair in value.split()]
    if any(not name or not given for name, _, given in pairs):
        raise ValueError("must be pairs such as tier=gold, with spaces between them")
    return {name: given for name, _, given in pairs}


_Text = Annotated[str, Field(max_length=200), BeforeValidator(_plain)]


class Entry(Table):
    """One row: a person at a tenant; what is left out is not known."""

    source: Name | None = None
    tenant: Annotated[str, Field(max_length=64), BeforeValidator(_plain)]
    email: Annotated[str, BeforeValidator(_address)]
    name: _Text | None = None
    role: _Text | None = None
    may_accept: Annotated[bool, Field(strict=False)] = True  # whether they may accept a new version there
    time_zone: str | None = None
    locale: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")] | None = None

    # What policies may ask for, of the tenant.
    labels: Annotated[dict[LabelName, Label] | None, BeforeValidator(_labels)] = None

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None and value not in zoneinfo.available_timezones():
            raise ValueError(f'{value!r} is no time zone; write one such as "America/Chicago"')
        return value


_COLUMNS = tuple(Entry.model_fields)
_NEEDED = tuple(name for name, field in Entry.model_fields.items() if field.is_required())
_SAID = {
    "bool_parsing": "must be yes or no",
    "string_too_long": "is longer than {max_length} characters",
    "string_pattern_mismatch": "must look like {pattern}",
    "missing": "is empty",
}


def read_book(path: Path) -> list[Entry]:
    """The rows of *path*, in their order; SettingsError with up to twenty mistakes, each with its line and column.

    The first row names the columns, of which `tenant` and `email` are needed; they are separated by commas,
    semicolons or tabs. At most 64 MB.
    """
    text = _text(path)
    found: list[Complaint] = []
    entries: list[Entry] = []
    places: dict[tuple[str | None, str, str], int] = {}
    tenants: dict[tuple[str | None, str, str], tuple[int, object]] = {}
    for line, row in _rows(path, text):
        try:
            entry = Entry.model_validate(row)
        except ValidationError as error:
            found += _complaints(line, error)
            continue
        found += _clashes(line, entry, places, tenants)
        entries.append(entry)
    if found:
        raise SettingsError(_told(path, found))
    if not entries:
        raise SettingsError(f"{path}: there is no contact in it; write one row for each person.")
    return entries


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise SettingsError(f"{path}: is larger than {_LARGEST // 1_000_000} MB; split it and import the parts.")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f'{path}: is not UTF-8 text; in a spreadsheet, save it as "CSV UTF-8".') from None


def _rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row that holds anything, by the names of the columns and without its empty cells, and where it ends."""
    heading = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=heading.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        names = [_name(cell) for cell in next(reader, [])]
        _check_heading(path, names)
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells[len(names) :]):
                raise SettingsError(f"{path}:{reader.line_num}: has more cells than the first row has names.")
            if any(cells):
                yield reader.line_num, {name: cell for name, cell in zip(names, cells, strict=False) if cell}
    except csv.Error as error:
        raise SettingsError(f"{path}:{reader.line_num}: is not CSV: {error}.") from None


def _name(cell: str) -> str:
    return re.sub(r"[\s-]+", "_", cell.strip().lower())


def _check_heading(path: Path, names: list[str]) -> None:
    if missing := [name for name in _NEEDED if name not in names]:
        raise SettingsError(
            f"{path}:1: the first row has to name the columns, and lacks {' and '.join(missing)};"
            f" there may be: {', '.join(_COLUMNS)}."
        )
    for name in names:
        if name not in _COLUMNS:
            raise SettingsError(
                f"{path}:1: {name or 'a column without a name'} is not a known column; {nearest(name, _COLUMNS)}"
            )
        if names.count(name) > 1:
            raise SettingsError(f"{path}:1: names the column {name} twice.")


def _complaints(line: int, error: ValidationError) -> Iterator[Complaint]:
    for mistake in error.errors(include_url=False):
        said = _SAID.get(mistake["type"], mistake["msg"].removeprefix("Value error, "))
        yield Complaint(line, str(mistake["loc"][0]), said.format(**mistake.get("ctx", {})))


def _clashes(
    line: int,
    entry: Entry,
    places: dict[tuple[str | None, str, str], int],
    tenants: dict[tuple[str | None, str, str], tuple[int, object]],
) -> Iterator[Complaint]:
    """What *entry* says otherwise, or once more, than a row before it."""
    tenant = (entry.source, entry.tenant)
    first = places.setdefault((*tenant, entry.email), line)
    if first != line:
        yield Complaint(line, "email", f"{entry.email} stands in line {first} already")
    for column in ("time_zone", "labels"):
        own = getattr(entry, column)
        first, other = tenants.setdefault((*tenant, column), (line, own)) if own else (line, own)
        if other != own:
            yield Complaint(line, column, f"the tenant's is {_cell(other)} in line {first}")


def _cell(value: object) -> str:
    return " ".join(f"{name}={own}" for name, own in value.items()) if isinstance(value, dict) else str(value)


def _told(path: Path, found: Iterable[Complaint]) -> str:
    ordered = sorted(found)
    more = f"\n... and {len(ordered) - _MOST} more." if len(ordered) > _MOST else ""
    return f"{written(path, ordered[:_MOST])}{more}\nNothing was imported."
