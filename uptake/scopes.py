"""Grants and sets of grants: how they are spelled and compared, and what they are about."""

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

GRANT = re.compile(r"(?P<scope>[A-Za-z0-9_.\-]{1,200}):(?P<level>[rw])")


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


def about(scope: str) -> str:
    """What a scope is about, as far as its spelling tells: customers (tn.crm.customers)."""
    thing = re.sub(r"[-_]+", " ", scope.rpartition(".")[2]).strip()
    return f"{thing} ({scope})" if thing not in {"", scope} else scope
