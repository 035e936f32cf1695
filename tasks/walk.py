"""Reading one app from its source, before any transaction: versions, connections, versions again."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import xxhash

from models.stage import Fresh, Walk
from uptake.facts import Rejected, SeenVersion, Status
from uptake.sources import Source

_SIGN = 1 << 63


@dataclass(slots=True)
class _Finds:
    seen: set[int] = field(default_factory=set)
    fresh: list[Fresh] = field(default_factory=list)
    exempt: set[str] = field(default_factory=set)
    rejected: int = 0
    pages: int = 0
    rows: int = 0
    nameless: int = 0  # rejected rows that did not even tell whose they are


def read(
    source: Source, app: str, stored: set[int], between: Callable[[], None] = lambda: None
) -> tuple[Walk, list[SeenVersion]]:
    """One complete walk of *app* against the *stored* hashes, and its versions; raises an EdgeError.

    *between* is called after each page, for who has to show that the walk is alive. Only rows whose bytes are
    not known are decoded. The versions are those after the walk, so that one published meanwhile is known
    before anybody is judged by it.
    """
    started = time.monotonic()
    versions = source.versions(app)
    finds = _Finds()
    for page in source.pages(app):
        finds.pages += 1
        finds.rows += len(page.items)
        for item in page.items:
            number = fingerprint(bytes(item))
            if number in stored:
                finds.seen.add(number)
            else:
                _decode(source, item, number, finds)
        between()
    versions = _newer(versions, source.versions(app))
    walk = Walk(
        fresh=finds.fresh,
        stale=sorted(stored - finds.seen),
        exempt=frozenset(finds.exempt),
        rejected=finds.rejected,
        is_partial=finds.nameless > 0,
        pages=finds.pages,
        rows=finds.rows,
        duration_seconds=time.monotonic() - started,
    )
    return walk, versions


def fingerprint(raw: bytes) -> int:
    """A signed 64-bit hash of a raw item, never 0 (which means: not listed any more)."""
    number = xxhash.xxh3_64_intdigest(raw) or 1
    return number - 2 * _SIGN if number >= _SIGN else number


def _decode(source: Source, item: object, number: int, finds: _Finds) -> None:
    try:
        seen = source.decode(item)  # type: ignore[arg-type]  # a msgspec.Raw, by the protocol of pages()
    except Rejected as rejected:
        finds.rejected += 1
        if rejected.tenant is None:
            finds.nameless += 1
        else:
            finds.exempt.add(rejected.tenant)
        return
    if seen.status is Status.UNKNOWN:
        # A word we do not know is no proof of anything: leave the tenant as it was.
        finds.rejected += 1
        finds.exempt.add(seen.tenant)
        return
    finds.fresh.append(Fresh(number, seen))


def _newer(before: Sequence[SeenVersion], after: Sequence[SeenVersion]) -> list[SeenVersion]:
    return list(after) if len(after) >= len(before) else list(before)
