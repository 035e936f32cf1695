"""The kinds of value that uptake.toml holds: durations, secrets by reference, addresses, hours."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, SecretStr, ValidationInfo

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=3650)
_MOST = 1000  # messages of a rate: each is remembered while it counts
_WORD, _LABEL = r"[^\s()<>\[\]:;@\\,.\"]+", r"[^\W_](?:[\w-]*[^\W_])?"
_SPEC = rf"{_WORD}(?:\.{_WORD})*@{_LABEL}(?:\.{_LABEL})*"
_MAILBOX = re.compile(rf'{_SPEC}|(?:"[^"\\]*"\s*|[^"<>@,:;\\]*)<{_SPEC}>')

PAGE_PLACE = re.compile(r"\{(app|tenant|environment)\}")  # what a page's address may leave open


class Table(BaseModel):
    """What all tables of the file share: no unknown keys, no guessing of types, no change afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where references of the file lead: the environment, and the folder that relative paths start from."""

    environment: Mapping[str, str]
    folder: Path


def parse_duration(value: Any) -> timedelta:
    """The span that a text such as "14d" means; no sign, no fraction, one unit, ten years at most."""
    found = re.fullmatch(r"([0-9]{1,9})([smhdw])", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'{value!r} is not a duration; write a number and s, m, h, d or w, such as "14d"')
    span = timedelta(**{_UNITS[found[2]]: int(found[1])}) if len(found[1]) < 9 else timedelta.max
    if span > _LONGEST:
        raise ValueError(f"{value!r} is longer than ten years")
    return span


def positive_duration(value: Any) -> timedelta:
    """The same, of a span that is longer than none."""
    span = parse_duration(value)
    if not span:
        raise ValueError(f'{value!r} is too short; write at least "1s"')
    return span


class Rate(NamedTuple):
    """At most so many in any such span."""

    most: int
    span: timedelta


def parse_rate(value: Any) -> Rate:
    """The rate that a text such as "30/m" means: in any second, minute or hour so many, a thousand at most."""
    found = re.fullmatch(r"([0-9]{1,9})/([smh])", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'{value!r} is not a rate; write a number of messages, a slash and s, m or h, such as "30/m"')
    most = int(found[1])
    if not 1 <= most <= _MOST:
        mend = "leave it out to send all at once" if most else 'write at least "1/h"'
        raise ValueError(f"{value!r} is not between 1 and {_MOST}; {mend}")
    return Rate(most, timedelta(**{_UNITS[found[2]]: 1}))


def read_secret(reference: Any, around: Surroundings) -> SecretStr:
    """The secret behind env:NAME or file:PATH; a literal is refused and never repeated."""
    kind, separator, place = reference.partition(":") if isinstance(reference, str) else ("", "", "")
    if kind == "env" and separator and place:
        return _printable(around.environment.get(place, ""), f"the environment variable {place}")
    if kind == "file" and separator and place:
        return _printable(_file_text(around.folder / place), f"the file {around.folder / place}")
    raise ValueError("holds a secret in plain text; write env:NAME or file:PATH")


def _file_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"the file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"the file {path} is not UTF-8 text") from None


def _printable(secret: str, where: str) -> SecretStr:
    if not secret:
        raise ValueError(f"{where} is not set or empty; put the secret there")
    # Secrets travel in headers: a line break would end one, a stray space would never be found.
    if not re.fullmatch(r"[!-~]+", secret):
        raise ValueError(f"the secret in {where} has spaces, line breaks or letters outside ASCII")
    return SecretStr(secret)


def _secret(value: Any, info: ValidationInfo) -> SecretStr:
    return read_secret(value, cast("Surroundings", info.context))


def _secret_url(value: Any, info: ValidationInfo) -> SecretStr:
    secret = _secret(value, info)
    try:
        _http_url(secret.get_secret_value())
    except ValueError:
        raise ValueError(f"{value} holds no address; put one such as https://host/path there") from None
    return secret


def _folder(value: Any, info: ValidationInfo) -> Path:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError("is not a folder; write a path, which starts from this file's folder")
    return cast("Surroundings", info.context).folder / value


def _address(value: Any, schemes: tuple[str, ...], mend: str) -> str:
    text = value if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(f"is not an address; {mend}") from None
    if parts.password is not None:
        raise ValueError("holds a password; take it out of the address")
    if not usable or not re.fullmatch(r"[!-~]+", text):
        raise ValueError(f"is not an address; {mend}")
    return text


def _http_url(value: Any) -> str:
    text = _address(value, ("http", "https"), 'write something like "https://host/path"')
    if urlsplit(text).username is not None:
        raise ValueError("holds a user name; take it out of the address")
    return text.rstrip("/")


def _page(value: Any) -> str:
    text = value if isinstance(value, str) else ""
    _http_url(PAGE_PLACE.sub("x", text))
    if re.search(r"[{}]", PAGE_PLACE.sub("", text)):
        raise ValueError("may have {app}, {tenant} and {environment} in it, and no other braces")
    if "{" in urlsplit(text).netloc:
        raise ValueError("must name its host; {app}, {tenant} and {environment} may follow it")
    return text


def _smtp_url(value: Any) -> str:
    mend = 'write something like "smtp://host:587" or "smtps://user@host:465"'
    return _address(value, ("smtp", "smtps"), mend)


def mailbox(value: Any) -> str:
    """*value* as it is, when it is one address such as "Acme Apps <apps@acme.example>"."""
    # Not by the standard parser: it takes "a@b, c@d" for one address and stumbles over "a@[".
    if not isinstance(value, str) or not value.isprintable() or not _MAILBOX.fullmatch(value):
        raise ValueError(f'{value!r} is not a mail address; write "name@host" or "Name <name@host>"')
    return value


def _line(value: Any) -> Any:
    if isinstance(value, str) and not (value.strip() and value.isprintable()):
        raise ValueError("must be words on one line")
    return value


class Hours(NamedTuple):
    """The part of a day from *opens* to *closes*."""

    opens: time
    closes: time


def parse_hours(value: Any) -> Hours:
    """The hours that a text such as "08:00-18:00" means, within one day."""
    pattern = r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])"
    found = re.fullmatch(pattern, value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'{value!r} are no hours; write them as "08:00-18:00"')
    a, b, c, d = map(int, found.groups())
    hours = Hours(time(a, b), time(c, d))
    if hours.opens >= hours.closes:
        raise ValueError(f"{value!r} end before they begin")
    return hours


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(lambda d: d.total_seconds())]
PositiveDuration = Annotated[
    timedelta, BeforeValidator(positive_duration), PlainSerializer(lambda d: d.total_seconds())
]
MessageRate = Annotated[Rate, BeforeValidator(parse_rate)]
Secret = Annotated[SecretStr, BeforeValidator(_secret)]
SecretUrl = Annotated[SecretStr, BeforeValidator(_secret_url)]
Folder = Annotated[Path, BeforeValidator(_folder)]
PageUrl = Annotated[str, BeforeValidator(_page)]
HttpUrl = Annotated[str, BeforeValidator(_http_url)]
SmtpUrl = Annotated[str, BeforeValidator(_smtp_url)]
Mailbox = Annotated[str, BeforeValidator(mailbox)]
WorkingHours = Annotated[Hours, BeforeValidator(parse_hours)]
Line = Annotated[str, Field(max_length=100), BeforeValidator(_line)]
Sentence = Annotated[str, Field(max_length=500), BeforeValidator(_line)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
LabelName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,62}$")]
Label = Annotated[str, Field(pattern=r"^[!-~]{1,100}$")]  # no spaces: several stand in one cell of a contact book
