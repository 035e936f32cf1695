"""Which tenant is meant by a name."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Named:
    """A tenant that a name may mean."""

    tenant_id: int
    key: str  # source:tenant


_NAMED = text("""
SELECT t.id AS tenant_id, s.name || ':' || t.external_id AS key
FROM source s JOIN tenant t ON t.source_id = s.id AND t.external_id = ANY(ARRAY[cast(:name AS text),
    CASE WHEN starts_with(:name, s.name || ':') THEN substr(:name, length(s.name) + 2) END])
WHERE cast(:sources AS text[]) IS NULL OR s.name = ANY(cast(:sources AS text[]))
ORDER BY s.name || ':' || t.external_id = :name DESC, s.name LIMIT :most
""")


def tenants_named(
    session: Session, name: str, *, sources: Collection[str] | None = None, most: int = 10
) -> Sequence[Named]:
    """Which tenants (of *sources*) *name* may mean: the one that it is the key of, else all with that id."""
    bound = {"name": name, "sources": None if sources is None else sorted(sources), "most": most}
    found = [Named(**row) for row in session.execute(_NAMED, bound).mappings()]
    return found[:1] if found and found[0].key == name else found
