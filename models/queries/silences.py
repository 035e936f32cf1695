"""Silences: which there are, of whom, and whether each holds now."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import text
from sqlalchemy.orm import Session

SilenceState = Literal["pending", "active", "expired"]


@dataclass(frozen=True, slots=True)
class SilenceLine:
    """One silence; each pattern is a text in which * stands for anything."""

    id: int
    state: str  # pending | active | expired
    source: str
    app: str
    tenant: str
    environment: str
    kind: str
    labels: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    author: str
    comment: str
    created_at: datetime

    @property
    def of(self) -> str:
        """Which alerts, in a few words."""
        named = [(name, getattr(self, name)) for name in ("source", "app", "tenant", "environment", "kind")]
        told = [f"{name} {value}" for name, value in named if value != "*"]
        return ", ".join(told + [f"label {name}={value}" for name, value in self.labels.items()]) or "all alerts"


_LINE = """
SELECT id, CASE WHEN ends_at <= :now THEN 'expired' WHEN starts_at > :now THEN 'pending' ELSE 'active' END AS state,
    source, app, tenant, environment, kind, labels, starts_at, ends_at, author, comment, created_at
FROM silence
"""
# Who is limited to some sources sees what can be about these alone.
_SILENCES = text(f"""
SELECT * FROM ({_LINE}) x
WHERE (cast(:id AS int8) IS NULL OR id = :id) AND (cast(:state AS text) IS NULL OR state = :state)
  AND (cast(:sources AS text[]) IS NULL OR source = ANY(cast(:sources AS text[]))
      OR strpos(app, ':') > 0 AND split_part(app, ':', 1) = ANY(cast(:sources AS text[])))
  AND (cast(:after AS int8) IS NULL OR id < :after)
ORDER BY id DESC LIMIT :most
""")  # noqa: S608 - constants only
_AHEAD = text(f"{_LINE} WHERE ends_at > :now ORDER BY ends_at, id LIMIT :most")


def silences_after(
    session: Session,
    *,
    now: datetime,
    state: SilenceState | None = None,
    silence_id: int | None = None,
    sources: Collection[str] | None = None,
    after: int | None = None,
    most: int = 100,
) -> list[SilenceLine]:
    """The next silences in *state* (or the one with this id, or of *sources*), the newest first, *after* that id."""
    bound = {
        "now": now,
        "state": state,
        "id": silence_id,
        "sources": None if sources is None else sorted(sources),
        "after": after,
        "most": most,
    }
    return [SilenceLine(**row) for row in session.execute(_SILENCES, bound).mappings()]


def silences_ahead(session: Session, *, now: datetime, most: int = 1000) -> list[SilenceLine]:
    """The silences that hold now or will, the one that ends first before the others."""
    return [SilenceLine(**row) for row in session.execute(_AHEAD, {"now": now, "most": most}).mappings()]
