"""Walking a paged listing: it is whole, or the walk ends in an error."""

from collections.abc import Callable, Iterator

import msgspec
import xxhash

from uptake.errors import Fault, PermanentError, TransientError
from uptake.sources import Page
from uptake.sources.portal_rows import UNREADABLE, mended

MOST_PAGES = 2_000
MOST_ROWS = 200_000
LONGEST_WALK = 600.0  # seconds


class _Envelope(msgspec.Struct, rename="camel", frozen=True):
    page: int
    has_more: bool
    data: list[msgspec.Raw]
    total_count: int | None = None


_envelope = msgspec.json.Decoder(_Envelope).decode


def walk(fetch: Callable[[int], bytes], *, what: str, clock: Callable[[], float]) -> Iterator[Page]:
    """Every page of *what*, as *fetch* answers for its number; it ends without an error only when it was whole.

    Rows may still come twice, or be skipped, when the listing changed under way without changing its count.
    """
    started, rows, total = clock(), 0, None
    known: set[int] = set()
    for number in range(1, MOST_PAGES + 1):
        envelope = _read(fetch(number), what)
        rows += len(envelope.data)
        total = _one_total(total, envelope, what)
        _check(envelope, number, known, what)
        if rows > MOST_ROWS:
            raise _odd(what, f"has more than {MOST_ROWS} rows")
        if not envelope.has_more and total not in {None, rows}:
            raise _odd(what, f"counts {total} rows and lists {rows}")
        yield Page(items=envelope.data, more=envelope.has_more, total=total)
        if not envelope.has_more:
            return
        if clock() - started > LONGEST_WALK:
            raise TransientError(f"{what} took longer than {LONGEST_WALK:.0f} s to read", fault=Fault.DEADLINE)
    raise _odd(what, f"has more than {MOST_PAGES} pages")


def _read(body: bytes, what: str) -> _Envelope:
    try:
        return _envelope(mended(body))
    except msgspec.ValidationError as error:
        raise PermanentError(f"{what} is not a page: {str(error)[:200]}", fault=Fault.SCHEMA) from None
    except UNREADABLE:
        # Such as a body cut where HTTP could not notice: the next one may be whole.
        raise TransientError(f"{what} is not readable as JSON in UTF-8", fault=Fault.SCHEMA) from None


def _one_total(total: int | None, envelope: _Envelope, what: str) -> int | None:
    now = envelope.total_count
    if total is not None and now not in {None, total}:
        raise _odd(what, f"counted {total} rows, and then {now}")
    return total if now is None else now


def _check(envelope: _Envelope, number: int, known: set[int], what: str) -> None:
    if envelope.page != number:
        raise _odd(what, f"gave page {envelope.page} for page {number}")
    if envelope.has_more and not envelope.data:
        raise _odd(what, f"has an empty page {number} and says there is more")
    if envelope.data:
        digest = xxhash.xxh3_64()
        for item in envelope.data:
            digest.update(bytes(item))
        if digest.intdigest() in known:
            raise _odd(what, f"repeats itself on page {number}")
        known.add(digest.intdigest())


def _odd(what: str, how: str) -> TransientError:
    return TransientError(f"{what} {how}", fault=Fault.PAGING)
