"""Which role somebody has by what their identity provider says of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROLES = ("viewer", "operator", "admin")
_SHAPE = re.compile(r"(?P<claim>[^\s:=]+(?::[^\s:=]+)*):\s+(?P<pairs>\S.*)")
_EVERYBODY = "*"


@dataclass(frozen=True, slots=True)
class ClaimRoles:
    """The claim that is looked at, and the role for each of its values; `*` stands for everybody else."""

    claim: str
    roles: tuple[tuple[str, str], ...]

    def role(self, claims: Mapping[str, Any]) -> str | None:
        """The highest role that *claims* give; None: they give none, and nobody is let in by them."""
        said = claims.get(self.claim)
        values = said if isinstance(said, list) else [said]
        given = [role for value, role in self.roles if value in values]
        given = given or [role for value, role in self.roles if value == _EVERYBODY]
        return max(given, key=ROLES.index, default=None)


def claim_roles(text: Any) -> Any:
    """Read `groups: ops=operator platform=admin *=viewer`; raises ValueError with the words for whoever wrote it."""
    if not isinstance(text, str):
        return text
    found = _SHAPE.fullmatch(text.strip())
    pairs = [pair.rpartition("=") for pair in found["pairs"].split()] if found else []
    if found is None or not all(value and role in ROLES for value, _, role in pairs):
        raise ValueError(
            "names no roles; write the claim, a colon and VALUE=ROLE for each value, such as"
            f" 'groups: uptake-ops=operator uptake-admins=admin *=viewer' (roles are {', '.join(ROLES)})"
        )
    return ClaimRoles(found["claim"], tuple((value, role) for value, _, role in pairs))
