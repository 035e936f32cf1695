"""What takes long to say about a rollout, worked out ahead and kept until it is said anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import ForeignKey, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, big

Said = TypeVar("Said")

ANYHOW = timedelta(hours=1)  # who waits does so for longer every hour, whatever else happens
AGAIN = timedelta(minutes=5)  # after a change, but no sooner after the last time


class Study(Base):
    """One answer about an app in one environment, as it was worked out last."""

    __tablename__ = "study"

    app_id: Mapped[big] = mapped_column(ForeignKey("app.id"), primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 0: it is about none of them
    question: Mapped[str] = mapped_column(primary_key=True)
    made_at: Mapped[datetime]
    as_of: Mapped[datetime | None]  # until when our picture of the app was exact
    rests_on: Mapped[datetime | None]  # the last change of the app that it knows of
    answer: Mapped[Any] = mapped_column(JSONB)


@dataclass(frozen=True, slots=True)
class Question(Generic[Said]):
    """What is asked of an app, by a name that never changes, and the shape of its answer."""

    name: str
    shape: TypeAdapter[Said]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, as JSON."""

    question: str
    version: int
    answer: bytes


_DUE = """
deleted_at IS NULL AND walked_at IS NOT NULL
AND (studied_at IS NULL OR studied_at <= cast(:now AS timestamptz) - cast(:anyhow AS interval)
    -- What was recorded while it was studied may have come too late for it.
    OR studied_at <= cast(:now AS timestamptz) - cast(:again AS interval)
        AND changed_at > studied_at - cast(:again AS interval))
"""
_CLAIM = text(f"""
UPDATE app SET studied_at = :now WHERE id = (
    SELECT id FROM app WHERE {_DUE} ORDER BY studied_at NULLS FIRST, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
) RETURNING id
""")  # noqa: S608 - constants only
_COUNT = text(f"SELECT count(*) FROM (SELECT FROM app WHERE {_DUE} LIMIT :most) x")  # noqa: S608 - constants only
_KEEP = text("""
INSERT INTO study (app_id, environment, version, question, made_at, as_of, rests_on, answer)
SELECT :app, :environment, s.version, s.question, :now, :as_of, :rests_on, s.answer::jsonb
FROM unnest(cast(:versions AS int4[]), cast(:questions AS text[]), cast(:answers AS text[]))
    AS s (version, question, answer)
ON CONFLICT (app_id, environment, version, question) DO UPDATE SET made_at = excluded.made_at,
    as_of = excluded.as_of, rests_on = excluded.rests_on, answer = excluded.answer
WHERE study.made_at <= excluded.made_at
""")
_FORGET = text("DELETE FROM study WHERE app_id = :app AND environment = :environment AND made_at < :now")
_STORED = text("""
SELECT answer::text FROM study
WHERE app_id = :app AND environment = :environment AND version = :version AND question = :question
""")
_STORED_OF = text("""
SELECT app_id, answer::text FROM study
WHERE app_id = ANY(cast(:apps AS int8[])) AND environment = :environment AND version = 0 AND question = :question
""")


def claim_study(session: Session, *, now: datetime) -> int | None:
    """The app whose answers are the oldest of those that are due, for this caller alone; None: none is."""
    found: int | None = session.scalar(_CLAIM, _when(now))
    return found


def due_studies(session: Session, *, now: datetime, most: int) -> int:
    """Of how many apps the answers are due; *most* where it is more."""
    found: int = session.scalars(_COUNT, _when(now) | {"most": most}).one()
    return found


def _when(now: datetime) -> dict[str, Any]:
    return {"now": now, "anyhow": ANYHOW, "again": AGAIN}


def keep_studies(
    session: Session,
    app_id: int,
    answers: Sequence[Answer],
    *,
    environment: str,
    as_of: datetime | None,
    rests_on: datetime | None,
    now: datetime,
) -> None:
    """Keep these *answers* instead of all that there were; none that was worked out later is replaced."""
    bound = {"app": app_id, "environment": environment, "as_of": as_of, "rests_on": rests_on, "now": now}
    columns = {
        "versions": [one.version for one in answers],
        "questions": [one.question for one in answers],
        "answers": [one.answer.decode() for one in answers],
    }
    session.execute(_KEEP, bound | columns)
    session.execute(_FORGET, bound)


def stored(session: Session, question: Question[Said], app_id: int, *, environment: str, version: int) -> Said | None:
    """What was said last; None: nothing, or it was said by another release in another shape."""
    bound = {"app": app_id, "environment": environment, "version": version, "question": question.name}
    return _said(question, session.scalar(_STORED, bound))


def stored_of(session: Session, question: Question[Said], apps: Sequence[int], *, environment: str) -> dict[int, Said]:
    """What was said last about each of these *apps* as a whole, where something was that we still understand."""
    bound = {"apps": list(apps), "environment": environment, "question": question.name}
    rows = ((row.app_id, _said(question, row.answer)) for row in session.execute(_STORED_OF, bound))
    return {app_id: said for app_id, said in rows if said is not None}


def _said(question: Question[Said], answer: str | None) -> Said | None:
    if answer is None:
        return None
    try:
        return question.shape.validate_json(answer)
    except ValidationError:
        return None
