"""What the last walks of an app read, page by page: so that a page is known again, and what has gone from it."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ForeignKey, LargeBinary, Row, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, big
from uptake.pages import Mark, Span, packed, unpacked


class WalkedPage(Base):
    """One page of an app's listing as it was read last, if every row of it was understood and stored.

    A shortcut and no truth: each hash on it is that of a listed connection of the app, and all of it may be
    forgotten at any time, after which the next walk compares with the connections themselves.
    """

    __tablename__ = "walked_page"
    # Up to 500 hashes fit into the row itself, so that all pages of an app are read from one place.
    __table_args__ = ({"postgresql_with": {"toast_tuple_target": "8160"}},)

    app_id: Mapped[big] = mapped_column(ForeignKey("app.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[big]
    etag: Mapped[str | None]
    more: Mapped[bool]
    total: Mapped[int | None]
    hashes: Mapped[bytes] = mapped_column(LargeBinary)


@dataclass(frozen=True, slots=True)
class Memory:
    """What is stored of an app's listing; *loose* are the hashes of listed connections that are on no page."""

    marks: Mapping[int, Mark] = field(default_factory=dict)
    loose: frozenset[int] = frozenset()


_PAGES = text("SELECT number, digest, etag, more, total, hashes FROM walked_page WHERE app_id = :app ORDER BY number")
_SPAN = text("""
SELECT number, digest, etag, more, total, hashes FROM walked_page
WHERE app_id = :app AND number BETWEEN :first AND :last ORDER BY number
""")
_HASHES = text("SELECT string_agg(int8send(hash), '') FROM connection WHERE app_id = :app AND hash <> 0")
_KEEP = text("""
INSERT INTO walked_page AS p (app_id, number, digest, etag, more, total, hashes)
SELECT :app, t.* FROM unnest(
    cast(:numbers AS int[]), cast(:digests AS int8[]), cast(:etags AS text[]), cast(:more AS bool[]),
    cast(:totals AS int[]), cast(:hashes AS bytea[])) AS t
ON CONFLICT (app_id, number) DO UPDATE SET digest = excluded.digest, etag = excluded.etag, more = excluded.more,
    total = excluded.total, hashes = excluded.hashes
""")
_NO_LAST = 2**31 - 1  # the highest number a page can have
_FORGET = text("""
DELETE FROM walked_page WHERE app_id = :app AND (number > :last OR number = ANY(cast(:doubtful AS int[])))
""")


def remembered(session: Session, app_id: int, *, settled: bool) -> Memory:
    """What the app's last walks left; *settled*: they accounted for every listed connection, so none is loose.

    Unless the pages were forgotten since: even an empty listing has one.
    """
    marks = _marks(session.execute(_PAGES, {"app": app_id}))
    if settled and marks:
        return Memory(marks)
    return Memory(marks, frozenset(stored_hashes(session, app_id).difference(*(m.hashes for m in marks.values()))))


def remembered_pages(session: Session, app_id: int, span: Span) -> dict[int, Mark]:
    """The pages of the *span* as they were read last."""
    bound = {"app": app_id, "first": span.first, "last": span.last or _NO_LAST}
    return _marks(session.execute(_SPAN, bound))


def _marks(rows: Iterable[Row[Any]]) -> dict[int, Mark]:
    return {row.number: Mark(row.digest, row.etag, row.more, row.total, unpacked(row.hashes)) for row in rows}


def stored_hashes(session: Session, app_id: int) -> set[int]:
    """The hashes of all listed connections of the app, read as one value."""
    raw: bytes | None = session.scalar(_HASHES, {"app": app_id})
    # Sent in network order, the highest byte first.
    return set(unpacked((raw or b"")[::-1]))


def keep_pages(session: Session, app_id: int, pages: Mapping[int, Mark], *, last: int, doubtful: Sequence[int]) -> None:
    """Remember these *pages*, and forget *doubtful* ones and whatever came after the *last*."""
    if pages:
        columns = {
            "numbers": list(pages),
            "digests": [mark.digest for mark in pages.values()],
            "etags": [mark.etag for mark in pages.values()],
            "more": [mark.more for mark in pages.values()],
            "totals": [mark.total for mark in pages.values()],
            "hashes": [packed(mark.hashes) for mark in pages.values()],
        }
        session.execute(_KEEP, columns | {"app": app_id})
    session.execute(_FORGET, {"app": app_id, "last": last, "doubtful": list(doubtful)})


def forget_pages(session: Session, app_id: int, hashes: AbstractSet[int]) -> None:
    """Forget each page with one of *hashes* on it: their connections are not as they were read."""
    rows = session.execute(_PAGES, {"app": app_id})
    holding = [row.number for row in rows if not hashes.isdisjoint(unpacked(row.hashes))]
    session.execute(_FORGET, {"app": app_id, "last": _NO_LAST, "doubtful": holding})
