"""What a language is to us: its sentences, which hold placeholders, and how it writes a date."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from string import Template
from typing import NamedTuple

_TAG = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8})*")


class Plural(NamedTuple):
    """A sentence about one thing, and the same about none or several: the two forms of English and German."""

    one: str
    other: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """The words of the language that *tag* names."""

    tag: str
    months: tuple[str, ...]
    date: str
    sentences: Mapping[str, str | Plural]

    def say(self, key: str, /, **values: object) -> str:
        """The sentence called *key*, in the form for a *count* of one or another; values are not looked at again."""
        said = self.sentences[key]
        if isinstance(said, Plural):
            said = said.one if values["count"] == 1 else said.other
        return Template(said).substitute(values)

    def day(self, at: datetime) -> str:
        """A date without a riddle, in the zone it comes with."""
        return Template(self.date).substitute(day=at.day, month=self.months[at.month - 1], year=at.year)


def tags(locale: str | None) -> tuple[str, ...]:
    """What a locale such as "de-AT" or "pt_BR" asks for, the nearest first; nothing for what is no locale."""
    tag = (locale or "").lower().replace("_", "-")
    if not _TAG.fullmatch(tag):
        return ()
    parts = tag.split("-")
    return tuple("-".join(parts[:end]) for end in range(len(parts), 0, -1))
