"""A large app's listing in parts, each for whichever worker is free; what is found stands here until it is recorded.

Both tables are unlogged: a crash of the database empties them alike, and the walk they belong to begins anew.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, big
from models.leases import LEASE, AppLease
from models.stage import COLUMNS, TYPES, Fresh, copy, intern, staged_rows
from uptake.pages import Span

# Filled by one walk and emptied by the next; nothing is ever updated in place for long.
_UNLOGGED = {"prefixes": ["UNLOGGED"]}


class PartLostError(Exception):
    """The part is done, or its walk is over or has failed: what was read of it is of no use."""


class WalkPart(Base):
    """A range of pages of the walk that holds the app's lease *token*, and what was found on them."""

    __tablename__ = "walk_part"
    __table_args__ = (_UNLOGGED,)

    app_id: Mapped[big] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    token: Mapped[uuid.UUID]
    first_page: Mapped[int]
    last_page: Mapped[int | None]  # None: to the end of the listing
    conditional: Mapped[bool]
    walked: Mapped[timedelta | None]  # how long ago all was as stored, when the walk began
    lease_until: Mapped[datetime | None]
    found: Mapped[bytes | None]  # as tasks.parts has it; None: nobody was done with it
    # What was found is why it cannot be read: the walk has failed.
    failed: Mapped[bool] = mapped_column(server_default=text("false"))
    helped: Mapped[bool] = mapped_column(
        server_default=text("false")
    )  # it is read by somebody else than the walk's owner


class WalkRow(Base):
    """A row that was new on the pages of its part, decoded, in the form of the temporary table `staged`."""

    __tablename__ = "walk_row"
    __table_args__ = (_UNLOGGED,)

    app_id: Mapped[big] = mapped_column(primary_key=True, autoincrement=False)
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[big] = mapped_column(primary_key=True, autoincrement=False)
    tenant: Mapped[str]
    tenant_name: Mapped[str | None]
    environment: Mapped[str]
    external_id: Mapped[str | None]
    status: Mapped[str]
    version: Mapped[int | None]
    fingerprint: Mapped[str | None]
    client_id: Mapped[str | None]
    allowed_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    accepted_by: Mapped[str | None]


@dataclass(frozen=True, slots=True)
class Part:
    """The right to read a range of pages, until its lease runs out."""

    app_id: int
    number: int
    token: uuid.UUID
    source: str
    external_id: str
    span: Span
    conditional: bool
    walked: timedelta | None


# One after the other: the first waits for whoever is just leaving something, the second sees what that was.
_CLEAR = (text("DELETE FROM walk_part WHERE app_id = :app"), text("DELETE FROM walk_row WHERE app_id = :app"))
_PLAN = text("""
INSERT INTO walk_part (app_id, number, token, first_page, last_page, conditional, walked)
SELECT :app, p.number, :token, p.first_page, p.last_page, :conditional, :walked
FROM unnest(cast(:firsts AS int[]), cast(:lasts AS int[])) WITH ORDINALITY AS p (first_page, last_page, number)
""")
# Of the walk that holds the app's lease now, and of no other; a portal that failed one of its parts is left in peace.
# Helpers count among those who may read a source at once: whoever has an app's lease reads it, or one of its parts.
_CLAIM = text("""
UPDATE walk_part p SET lease_until = clock_timestamp() + :lease, helped = :helps FROM app a, source s
WHERE (p.app_id, p.number) = (
    SELECT f.app_id, f.number FROM walk_part f JOIN app b ON b.id = f.app_id AND b.lease_token = f.token
    WHERE f.app_id = :app AND f.found IS NULL AND (f.lease_until IS NULL OR f.lease_until < clock_timestamp())
      AND NOT EXISTS (SELECT FROM walk_part g WHERE g.app_id = f.app_id AND g.token = f.token AND g.failed)
      AND (NOT :helps OR (SELECT at_once FROM source WHERE id = b.source_id) > (
          SELECT count(*) FROM app c WHERE c.source_id = b.source_id AND c.lease_until >= clock_timestamp()
      ) + (
          SELECT count(*) FROM walk_part h JOIN app c ON c.id = h.app_id AND c.lease_token = h.token
          WHERE c.source_id = b.source_id AND h.helped AND h.found IS NULL AND h.lease_until >= clock_timestamp()))
    ORDER BY f.number LIMIT 1 FOR UPDATE OF f SKIP LOCKED
) AND a.id = p.app_id AND s.id = a.source_id
RETURNING p.number, p.token, s.name AS source, a.external_id, p.first_page, p.last_page, p.conditional, p.walked
""")
_EXTEND = text("""
UPDATE walk_part p SET lease_until = clock_timestamp() + :lease FROM app a
WHERE p.app_id = :app AND p.number = :number AND p.token = :token AND p.found IS NULL
  AND a.id = p.app_id AND a.lease_token = p.token
  AND NOT EXISTS (SELECT FROM walk_part g WHERE g.app_id = p.app_id AND g.token = p.token AND g.failed)
RETURNING p.number
""")
_DONE = text("""
UPDATE walk_part p SET found = :found, failed = :failed FROM app a
WHERE p.app_id = :app AND p.number = :number AND p.token = :token AND p.found IS NULL
  AND a.id = p.app_id AND a.lease_token = p.token
RETURNING p.number
""")
_READ = text("""
SELECT count(*) AS parts, count(found) AS read, coalesce(bool_or(failed), false) AS failed FROM walk_part
WHERE app_id = :app AND token = :token
""")
_FOUND = text("""
SELECT found FROM walk_part WHERE app_id = :app AND token = :token ORDER BY number
""")
_LEFT_BEHIND = text("""
WITH gone AS (
    DELETE FROM walk_part p WHERE NOT EXISTS (SELECT FROM app a WHERE a.id = p.app_id AND a.lease_token = p.token)
)
DELETE FROM walk_row r WHERE NOT EXISTS (
    SELECT FROM walk_part p JOIN app a ON a.id = p.app_id AND a.lease_token = p.token
    WHERE p.app_id = r.app_id AND p.number = r.part)
""")


def plan_parts(
    session: Session, lease: AppLease, spans: Sequence[Span], *, conditional: bool, walked: timedelta | None
) -> None:
    """Offer these spans to all workers, and forget what an earlier walk of the app left."""
    forget_parts(session, lease.app_id)
    session.execute(
        _PLAN,
        {
            "app": lease.app_id,
            "token": lease.token,
            "firsts": [span.first for span in spans],
            "lasts": [span.last for span in spans],
            "conditional": conditional,
            "walked": walked,
        },
    )


def claim_part(session: Session, app_id: int, *, helps: bool = False) -> Part | None:
    """The first part of the app's walk that nobody reads; None when there is none (any more).

    Nor for who *helps*, while as many read the source as may. The walk's owner always goes on.
    """
    row = session.execute(_CLAIM, {"app": app_id, "lease": LEASE, "helps": helps}).one_or_none()
    if row is None:
        return None
    return Part(
        app_id,
        row.number,
        row.token,
        row.source,
        row.external_id,
        Span(row.first_page, row.last_page),
        row.conditional,
        row.walked,
    )


def extend_part(session: Session, part: Part) -> None:
    """Hold the part for another lease's length; raises PartLostError when it is done, or its walk is over."""
    _own(session, part, _EXTEND, {"lease": LEASE})


def give_part_back(session: Session, part: Part) -> None:
    """Let another worker read it at once."""
    session.execute(
        text("""UPDATE walk_part SET lease_until = NULL
                WHERE app_id = :app AND number = :number AND token = :token AND found IS NULL"""),
        {"app": part.app_id, "number": part.number, "token": part.token},
    )


def part_failed(session: Session, part: Part, found: bytes) -> None:
    """Leave why the part cannot be read, and end its walk; raises PartLostError for who is too late."""
    _own(session, part, _DONE, {"found": found, "failed": True})


def finish_part(session: Session, part: Part, found: bytes, fresh: Iterable[Fresh], *, now: datetime) -> None:
    """Leave what was *found* and the *fresh* rows; raises PartLostError, and leaves nothing, for who is too late."""
    _own(session, part, _DONE, {"found": found, "failed": False})
    rows = list(fresh)
    intern(session, {row.seen.grants for row in rows if row.seen.grants is not None})
    copy(
        session,
        "walk_row",
        ("app_id", "part", *COLUMNS),
        ("int8", "int4", *TYPES),
        ((part.app_id, part.number, *row) for row in staged_rows(rows, now=now)),
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a walk in parts is: how many there are, how many were read, and whether one could not be."""

    parts: int
    read: int
    failed: bool


def progress(session: Session, lease: AppLease) -> Progress:
    """How far the walk is, without what was found, which may be much."""
    return Progress(**session.execute(_READ, {"app": lease.app_id, "token": lease.token}).mappings().one())


def found_in_parts(session: Session, lease: AppLease) -> list[bytes | None]:
    """What was found in each part, in the order of the pages; None where nobody is done yet."""
    return list(session.scalars(_FOUND, {"app": lease.app_id, "token": lease.token}))


def forget_parts(session: Session, app_id: int) -> None:
    """Forget the app's parts and their rows."""
    for statement in _CLEAR:
        session.execute(statement, {"app": app_id})


def forget_parts_left_behind(session: Session) -> None:
    """Forget parts of walks that are over."""
    session.execute(_LEFT_BEHIND)


def _own(session: Session, part: Part, statement: TextClause, bound: dict[str, object]) -> None:
    held = {"app": part.app_id, "number": part.number, "token": part.token, **bound}
    if session.execute(statement, held).one_or_none() is None:
        raise PartLostError
