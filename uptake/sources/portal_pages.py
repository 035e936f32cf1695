"""Walking a paged listing: it is whole, or the walk ends in an error."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple

import msgspec
import xxhash

from uptake.errors import Fault, PermanentError, TransientError
from uptake.pages import ALL, Mark, Page, Span, fingerprint, fingerprints
from uptake.sources.portal_rows import UNREADABLE, mended

MOST_PAGES = 2_000
MOST_ROWS = 200_000
MOST_IN_PARTS = 5_000_000  # rows of a listing that several workers read
LONGEST_WALK = 600.0  # seconds


class Body(NamedTuple):
    """What a source answered for a page; None for *content*: it is as the entity tag asked about says."""

    content: bytes | None
    etag: str | None
    age: timedelta | None = None
    date: datetime | None = None


class _Envelope(msgspec.Struct, rename="camel", frozen=True):
    page: int
    has_more: bool
    data: list[msgspec.Raw]
    total_count: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None


_envelope = msgspec.json.Decoder(_Envelope).decode


def walk(
    fetch: Callable[[int, Mark | None], Body],
    marks: Mapping[int, Mark],
    *,
    what: str,
    clock: Callable[[], float],
    span: Span = ALL,
) -> Iterator[Page]:
    """Every page of *what* in the *span*, as *fetch* answers for its number; without an error only when it was whole.

    Pages that are as their mark remembers come without items. Rows may still come twice, or be skipped, when the
    listing changed under way; a page that counts the rows anew says so. Of a part of the pages nobody knows whether
    they are a whole: `check_whole` tells of all parts together.
    """
    started = clock()
    whole = _Whole(what, MOST_ROWS)
    asked_about: int | None = None  # the last page that was only said to be unchanged
    for number in range(span.first, (span.last or span.first + MOST_PAGES - 1) + 1):
        page = _page(fetch(number, marks.get(number)), marks.get(number), number, what)
        whole.add(page.number, page.mark, is_hearsay=page.is_hearsay)
        if not page.mark.more and span == ALL:
            whole.end()
        if page.is_hearsay:
            asked_about = number
        if not page.mark.more and asked_about is not None and whole.is_contradicted:
            # Somebody came or went before it was asked about, or after: whoever goes moves all rows behind.
            whole.is_moved = fetch(asked_about, marks[asked_about]).content is not None
        yield replace(page, is_recounted=True) if whole.is_recounted else page
        if not page.mark.more or number == span.last:
            return
        if clock() - started > LONGEST_WALK:
            raise TransientError(f"{what} took longer than {LONGEST_WALK:.0f} s to read", fault=Fault.DEADLINE)
    raise _odd(what, f"has more than {MOST_PAGES} pages; set a higher page_size for its [[source]], such as 500")


def check_whole(pages: Iterable[tuple[int, Mark, bool]], *, what: str) -> bool:
    """Whether these pages of *what*, read in parts, tell different counts; raises unless they are one whole listing.

    Where they do, nobody asks whether a page that was not sent again told of another day. Each page
    comes with its number, and whether it was only said to be unchanged.
    """
    whole = _Whole(what, MOST_IN_PARTS)
    more = True
    for expected, (number, mark, is_hearsay) in enumerate(pages, 1):
        if not more or number != expected:
            raise _odd(what, f"ends before page {number}, which has rows")
        whole.add(number, mark, is_hearsay=is_hearsay)
        more = mark.more
    if more:
        raise _odd(what, "has no end")
    whole.end()
    return whole.is_recounted or whole.is_contradicted


class _Whole:
    """What tells whether pages are a whole listing."""

    def __init__(self, what: str, most: int) -> None:
        self._what = what
        self._most = most
        self._rows = 0
        self._counts: set[int] = set()
        self._remembered: set[int] = set()  # what pages told that were not sent again
        self._seen: set[bytes] = set()
        self.is_moved = False

    @property
    def is_recounted(self) -> bool:
        return self.is_moved or len(self._counts) > 1

    @property
    def is_contradicted(self) -> bool:
        """Whether a page that was not sent again told another count, now or when it was sent."""
        return bool(self._counts) and not self._remembered <= self._counts

    def add(self, number: int, mark: Mark, *, is_hearsay: bool) -> None:
        """The next page; raises for one that came before, and for too many rows."""
        self._rows += len(mark.hashes)
        if mark.total is not None:
            # The mark of a page that was not sent again tells how many there were when it was.
            (self._remembered if is_hearsay else self._counts).add(mark.total)
        self._check(number, mark)
        if self._rows > self._most:
            raise _odd(self._what, f"has more than {self._most} rows")

    def _check(self, number: int, mark: Mark) -> None:
        """Refuse what comes twice; of empty pages before the end, that is the second one."""
        if not mark.hashes and not mark.more:
            return
        # Eight bytes a row would be as much again as the marks themselves.
        rows = xxhash.xxh3_128_digest(mark.hashes)
        if rows in self._seen:
            if not mark.hashes:
                raise _odd(self._what, f"has another empty page, {number}, and says there is more")
            raise _odd(self._what, f"repeats itself on page {number}")
        self._seen.add(rows)

    def end(self) -> None:
        """The last page was added: refuse fewer rows than were counted at any time, and more."""
        counts, rows = self._counts, self._rows
        if counts and not min(counts) <= rows <= max(counts):
            counted = " or ".join(map(str, sorted({min(counts), max(counts)})))
            raise _odd(self._what, f"counts {counted} rows and lists {rows}")


def _page(body: Body, known: Mark | None, number: int, what: str) -> Page:
    if body.content is None:
        if known is None:
            raise _odd(what, f"is said to be unchanged on page {number}, which was never read")
        return Page(number, known, None, is_hearsay=True, age=body.age, date=body.date)
    digest = fingerprint(body.content)
    if known is not None and known.digest == digest:
        mark = Mark(digest, body.etag, known.more, known.total, known.hashes)
        return Page(number, mark, None, age=body.age, date=body.date)
    envelope = _read(body.content, what)
    if envelope.page != number:
        raise _odd(what, f"gave page {envelope.page} for page {number}")
    mark = Mark(digest, body.etag, envelope.has_more, envelope.total_count, fingerprints(envelope.data))
    return Page(number, mark, envelope.data, age=body.age, date=body.date)


def _read(body: bytes, what: str) -> _Envelope:
    try:
        text = mended(body)
        envelope = _envelope(text)
        # Of a field given twice the decoder takes the last one without a word.
        names = [name for name, _ in json.loads(_bare(text, envelope.data), object_pairs_hook=list, parse_int=str)]
    except msgspec.ValidationError as error:
        raise PermanentError(f"{what} is not a page: {str(error)[:200]}", fault=Fault.SCHEMA) from None
    except UNREADABLE:
        # Such as a body cut where HTTP could not notice: the next one may be whole.
        raise TransientError(f"{what} is not readable as JSON in UTF-8", fault=Fault.SCHEMA) from None
    if len(set(names)) != len(names):
        raise PermanentError(f"{what} is not a page: it gives a field twice", fault=Fault.SCHEMA)
    return envelope


def _bare(body: bytes, rows: Sequence[msgspec.Raw]) -> bytes:
    """*body* without its *rows*, which are nearly all of it; with them where they do not stand in a row, evenly spaced.

    Looking for the first and the last one is all it costs; to look for a name in all of *body* would cost more than
    reading it did.
    """
    if not rows:
        return body
    first, last = bytes(rows[0]), bytes(rows[-1])
    start, end = body.find(first), body.rfind(last) + len(last)
    behind = start + len(first)
    gap = body[behind : body.find(bytes(rows[1]), behind)] if len(rows) > 1 else b","
    is_even = end - start == sum(map(len, rows)) + len(gap) * (len(rows) - 1)
    return body[:start] + body[end:] if is_even and gap.strip() == b"," else body


def _odd(what: str, how: str) -> TransientError:
    return TransientError(f"{what} {how}", fault=Fault.PAGING)
