"""Following a change feed from where it was left to its end, page by page."""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from uptake.errors import Fault, PermanentError, TransientError
from uptake.facts import Change, FedPage, Rejected, Status
from uptake.sources import portal_rows as rows

MOST_PAGES = 2_000
# Seconds, with the recording of what it tells; half the time a task has. What was told until then is not asked again.
LONGEST = 120.0
_LONGEST_TOKEN = 2_000


class _Envelope(msgspec.Struct, rename="camel", frozen=True):
    has_more: bool
    continue_from: str
    data: list[msgspec.Raw]


_envelope = msgspec.json.Decoder(_Envelope).decode


def follow(fetch: Callable[[str], bytes], start: str, *, what: str, clock: Callable[[], float]) -> Iterator[FedPage]:
    """Every page of *what* from *start* on, as *fetch* answers; raises an EdgeError where it cannot be a feed."""
    began = clock()
    seen = {start}
    for _ in range(MOST_PAGES):
        envelope = _read(fetch(start), what)
        start = envelope.continue_from
        if not 0 < len(start) <= _LONGEST_TOKEN:
            raise PermanentError(f"{what} does not say where it goes on", fault=Fault.SCHEMA)
        yield _page(envelope.data, start, what)
        if not envelope.has_more:
            return
        if start in seen:
            raise TransientError(f"{what} goes round in a circle", fault=Fault.PAGING)
        seen.add(start)
        if clock() - began > LONGEST:
            raise TransientError(f"{what} took longer than {LONGEST:.0f} s to read", fault=Fault.DEADLINE)
    raise TransientError(f"{what} has more than {MOST_PAGES} pages", fault=Fault.PAGING)


def _read(body: bytes, what: str) -> _Envelope:
    try:
        return _envelope(rows.mended(body))
    except msgspec.ValidationError as error:
        raise PermanentError(f"{what} is not a feed: {str(error)[:200]}", fault=Fault.SCHEMA) from None
    except rows.UNREADABLE:
        raise TransientError(f"{what} is not readable as JSON in UTF-8", fault=Fault.SCHEMA) from None


def _page(items: Sequence[msgspec.Raw], after: str, what: str) -> FedPage:
    changes: list[Change] = []
    doubtful: set[str] = set()
    for item in items:
        try:
            change = rows.change(item)
        except Rejected as rejected:
            app = rows.app_of(item)
            if app is None:
                # Nobody can tell what was not told of: only walks will find it.
                raise PermanentError(f"{what} has a row of no app: {rejected.reason}", fault=Fault.SCHEMA) from None
            doubtful.add(app)
        else:
            if change.seen.status is Status.UNKNOWN:
                doubtful.add(change.app)
            else:
                changes.append(change)
    return FedPage(tuple(changes), frozenset(doubtful), after)
