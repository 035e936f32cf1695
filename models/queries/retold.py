"""Which message is which once more, and who had it sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

SHOWN = 20

# By whole keys: of the one index on them, no part of a key is asked for.
_RETOLD = text("""
WITH this AS (SELECT id, key, payload ->> 'replay_of' AS replay_of FROM notice WHERE id = :notice)
SELECT (SELECT o.id FROM notice o, this WHERE o.key = this.replay_of) AS original,
    ARRAY(SELECT c.id FROM this, generate_series(1, :shown) AS n (number) JOIN notice c
        ON c.key = (SELECT key FROM this) || ':replay:' || n.number ORDER BY c.id) AS copies
FROM this
""")
_BY = text("""
SELECT who, at FROM audit
WHERE what = 'notice.replayed' AND about = 'message ' || :original AND cast(data ->> 'as_message' AS int8) = :notice
ORDER BY id DESC LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class Retold:
    """Of which message one is a repetition, who asked for that and when, and which are repetitions of it."""

    original: int | None
    by: str | None
    at: datetime | None
    copies: Sequence[int]


def retold(session: Session, notice_id: int) -> Retold:
    """How the message belongs to others; the first SHOWN repetitions."""
    bound = {"notice": notice_id, "shown": SHOWN}
    original, copies = session.execute(_RETOLD, bound).one_or_none() or (None, ())
    row = session.execute(_BY, {"original": str(original), "notice": notice_id}).one_or_none() if original else None
    return Retold(original, row.who if row else None, row.at if row else None, tuple(copies))
