"""Features: what an app does for a tenant's people, in their words, and which grants it takes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from uptake.policies import Match


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """Something that an app can do as long as it has all of these grants."""

    name: str
    scopes: tuple[str, ...]
    match: Match = field(default_factory=Match)
    why: str = ""


class Blocked(NamedTuple):
    """What a tenant cannot do, by name, and why the app asks for what that takes."""

    names: tuple[str, ...]
    why: str


def blocked(features: Iterable[Feature], *, source: str, app: str, missing: Iterable[str]) -> Blocked:
    """What of this app is blocked while these grants are missing, in the order of the file, each reason once."""
    lacking = set(missing)
    found = [one for one in features if one.match.may_be_of(source, app) and lacking.intersection(one.scopes)]
    return Blocked(
        tuple(dict.fromkeys(one.name for one in found)), " ".join(dict.fromkeys(one.why for one in found if one.why))
    )
