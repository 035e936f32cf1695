"""[[mute]] of uptake.toml: hours that come again every week, in which nobody is told of some alerts."""

import re
import zoneinfo
from datetime import time
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from config.file_values import Hours, Label, LabelName, Name, Table
from config.policy_tables import AlertKindName

_Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[_Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_Pattern = Annotated[str, Field(min_length=1, max_length=200)]


def _hours(value: Any) -> Hours:
    """The hours that a text such as "22:00-06:00" means, which may go past midnight."""
    pattern = r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])"
    found = re.fullmatch(pattern, value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'{value!r} are no hours; write them as "22:00-06:00"')
    a, b, c, d = map(int, found.groups())
    if (a, b) == (c, d):
        raise ValueError(f"{value!r} are a whole day; leave them out")
    return Hours(time(a, b), time(c, d))


def _zone(value: Any) -> str:
    if not isinstance(value, str) or value not in zoneinfo.available_timezones():
        raise ValueError(f'{value!r} is no time zone; write one such as "Europe/Berlin"')
    return value


class MuteTable(Table):
    """When it is quiet, and about what; in each pattern, * stands for anything."""

    name: Name
    days: Annotated[tuple[_Day, ...], Field(min_length=1, strict=False)] = DAYS
    hours: Annotated[Hours, BeforeValidator(_hours)] | None = None
    time_zone: Annotated[str, BeforeValidator(_zone)] | None = None
    source: _Pattern = "*"
    app: _Pattern = "*"
    tenant: _Pattern = "*"
    environment: _Pattern = "*"
    kind: AlertKindName | Literal["*"] = "*"
    labels: dict[LabelName, Label] = {}  # noqa: RUF012 - pydantic copies it

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if len(set(self.days)) == len(DAYS) and self.hours is None:
            raise ValueError("never ends; say on which days or in which hours, or use [[exemption]]")
        return self
