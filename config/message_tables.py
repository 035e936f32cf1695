"""The tables of uptake.toml about what messages say: [templates], and the features of apps."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from config.file_values import Folder, Line, Sentence, Table
from config.policy_tables import AppTable

# As uptake.scopes has it, which the file's tables do not know.
GRANT = re.compile(r"[A-Za-z0-9_.\-]{1,200}:[rw]")


def _grant(value: Any) -> str:
    if not isinstance(value, str) or not GRANT.fullmatch(value):
        raise ValueError(f"{value!r} is not a scope with an access level, such as tn.crm.customers:r")
    return value


class TemplatesTable(Table):
    """Where templates of messages are that replace the built-in ones."""

    folder: Folder


class FeatureTable(AppTable):
    """Something that an app, or each of them, can do for a tenant that grants these scopes, in the tenant's words."""

    name: Line
    scopes: Annotated[tuple[Annotated[str, BeforeValidator(_grant)], ...], Field(min_length=1, strict=False)]
    why: Sentence | None = None

    def is_double(self, other: "FeatureTable") -> bool:
        """Whether an app may have both, by one name."""
        sides = zip(self.named_app, other.named_app, strict=True)
        return self.name == other.name and all(None in pair or pair[0] == pair[1] for pair in sides)
