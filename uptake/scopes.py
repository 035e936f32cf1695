"""Grants and sets of grants: how they are spelled, compared and said in plain words."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

GRANT = re.compile(r"(?P<scope>[A-Za-z0-9_.\-]{1,200}):(?P<level>[rw])")
LEVELS = {"r": "View", "w": "Modify"}


class Grant(NamedTuple):
    """One scope at one access level; `r` and `w` are independent, neither implies the other."""

    scope: str
    level: str


def parse(text: str) -> Grant:
    """Split `tn.crm.customers:r`; anything else is a ValueError that shows what was read."""
    found = GRANT.fullmatch(text)
    if found is None:
        shown = ascii(text[:80])
        raise ValueError(f"{shown} is not a scope with an access level, such as tn.crm.customers:r")
    return Grant(found["scope"], found["level"])


def canonical(grants: Iterable[str]) -> tuple[str, ...]:
    """Every grant once, in one order, so that equal sets are equal tuples."""
    return tuple(sorted(set(grants)))


def fingerprint(grants: Iterable[str]) -> str:
    """The same 64 hex digits for the same set, in every process and release."""
    digest = hashlib.sha256()
    for grant in canonical(grants):
        raw = grant.encode("utf-8", "surrogatepass")
        # Length first: no spelling of two grants can pass for one.
        digest.update(b"%d:%b," % (len(raw), raw))
    return digest.hexdigest()


def words(grants: Iterable[str], names: Mapping[str, str]) -> list[str]:
    """Each grant as an admin reads it ("View Customers"), in one order; unknown ones as they are spelled."""
    return [_phrase(grant, names) for grant in canonical(grants)]


def _phrase(grant: str, names: Mapping[str, str]) -> str:
    scope, separator, level = grant.rpartition(":")
    if not separator or level not in LEVELS:
        return names.get(grant, grant)
    return f"{LEVELS[level]} {names.get(scope, scope)}"
