"""What apps are called, for whoever chooses one, and which is meant by a name."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

# To be put in brackets; the app by its key, as source:id, among the deleted ones, too.
APP_ID = """
SELECT app.id FROM app JOIN source src ON src.id = app.source_id WHERE src.name || ':' || app.external_id = :app
"""
_NAMES = text("""
SELECT s.name || ':' || a.external_id AS app, a.name FROM app a JOIN source s ON s.id = a.source_id
WHERE a.deleted_at IS NULL AND (cast(:sources AS text[]) IS NULL OR s.name = ANY(cast(:sources AS text[])))
ORDER BY lower(a.name), s.name, a.external_id LIMIT :most
""")


@dataclass(frozen=True, slots=True)
class AppName:
    """An app and its name."""

    app: str  # source:external id
    name: str


def app_names(session: Session, *, sources: Collection[str] | None = None, most: int = 500) -> list[AppName]:
    """The apps (of *sources*) that were not deleted, by name; nobody finds one among more than *most* of them."""
    bound = {"sources": None if sources is None else sorted(sources), "most": most}
    return [AppName(**row) for row in session.execute(_NAMES, bound).mappings()]
