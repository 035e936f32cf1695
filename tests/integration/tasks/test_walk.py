"""Reading one app: only unknown rows are decoded, and what cannot be trusted proves nothing."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from models.walked import Memory
from tasks.walk import read
from uptake.facts import FedPage, Rejected, SeenApp, SeenConnection, SeenVersion, Status
from uptake.pages import ALL, Mark, Page, Span, fingerprint, fingerprints
from uptake.sources import Capability, Kind, unbothered


class Listing:
    """A source that lists what it is given, and counts what is decoded."""

    kind = Kind.VERSIONED
    capabilities: frozenset[Capability] = frozenset()

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.raw = [msgspec.Raw(json.dumps(row).encode()) for row in rows]
        self.decoded = 0
        self.etags: dict[int, str] = {}
        self.around = b""
        self.released = 1

    def apps(self, *, between: Callable[[], None] = unbothered) -> list[SeenApp]:
        """No app list is asked for here."""
        between()
        return []

    def versions(self, app: str) -> list[SeenVersion]:
        """One version more each time, as if published during the walk."""
        self.released += 1
        at = datetime(2026, 3, 2, tzinfo=UTC)
        return [SeenVersion(number, frozenset({app}), at, None) for number in range(1, self.released)]

    def feed(self, since: str | datetime) -> Iterator[FedPage]:
        """No feed is asked for here."""
        raise AssertionError(since)

    def check_whole(self, app: str, pages: Iterable[tuple[int, Mark, bool]]) -> bool:
        """Nothing is read in parts here."""
        raise AssertionError(app, pages)

    def pages(self, app: str, marks: Mapping[int, Mark], *, conditional: bool, span: Span = ALL) -> Iterator[Page]:
        """A page per row, with the tag that `etags` gives."""
        assert (app, span) == ("4711", ALL)
        for number, raw in enumerate(self.raw, 1):
            before, etag = marks.get(number), self.etags.get(number)
            if conditional and before and etag and before.etag == etag:
                yield Page(number, before, None, is_hearsay=True)
                continue
            more = number < len(self.raw)
            mark = Mark(
                fingerprint(bytes(raw) + self.around + b"more" * more), etag, more, len(self.raw), fingerprints([raw])
            )
            yield Page(number, mark, None if before and before.digest == mark.digest else [raw])

    def decode(self, app: str, item: msgspec.Raw) -> SeenConnection:  # noqa: ARG002 - as above
        """The row's tenant and status; rows marked bad are rejected."""
        self.decoded += 1
        row = json.loads(bytes(item))
        if "bad" in row:
            raise Rejected(row["bad"], tenant=row.get("tenant"))
        status = Status(row.get("status", "connected"))
        return SeenConnection(None, row["tenant"], None, "production", status, 1, None, None, None, None, None)

    def close(self) -> None:
        """Nothing is open."""


def remembering(source: Listing, *, loose: set[int] | None = None) -> Memory:
    """What a walk that was recorded in full leaves."""
    pages = source.pages("4711", {}, conditional=False)
    return Memory({page.number: page.mark for page in pages}, frozenset(loose or ()))


def test_known_rows_are_not_decoded() -> None:
    """A row whose bytes are stored is present and unchanged; the rest is fresh, and what is missing is stale."""
    source = Listing({"tenant": "1"}, {"tenant": "2"})
    known = fingerprint(bytes(source.raw[0]))
    walk, _ = read(source, "4711", Memory(loose=frozenset({known, 99})))
    assert source.decoded == 1
    assert [fresh.seen.tenant for fresh in walk.fresh] == ["2"]
    assert list(walk.stale) == [99]
    assert (walk.pages, walk.rows, walk.is_partial) == (2, 2, False)
    assert set(walk.read) == {1, 2}


def test_page_is_known_by_its_bytes() -> None:
    """A listing that is byte for byte as remembered is the same one, and nothing of it is decoded."""
    source = Listing({"tenant": "1"}, {"tenant": "2"})
    walk, versions = read(source, "4711", remembering(source))
    assert (walk.is_same, walk.is_full, source.decoded, walk.rows) == (True, True, 0, 2)
    assert [version.number for version in versions] == [1]
    unsettled, _ = read(source, "4711", remembering(source, loose={99}))
    assert (unsettled.is_same, list(unsettled.stale)) == (False, [99])


def test_same_rows_in_other_bytes_are_the_same_page() -> None:
    """A page that says something else around its rows is read, and found to hold what it held."""
    source = Listing({"tenant": "1"}, {"tenant": "2"})
    memory = remembering(source)
    source.around = b"as of noon"
    walk, _ = read(source, "4711", memory)
    assert (walk.is_same, set(walk.rewritten), walk.read, source.decoded) == (True, {1, 2}, {}, 0)


def test_only_what_differs_from_the_page_is_looked_at() -> None:
    """A changed row is fresh and its old bytes are stale; the page beside it is known."""
    source = Listing({"tenant": "1"}, {"tenant": "2"})
    memory = remembering(source)
    old = fingerprint(bytes(source.raw[0]))
    source.raw[0] = msgspec.Raw(b'{"tenant": "1", "n": 2}')
    walk, _ = read(source, "4711", memory)
    assert ([fresh.seen.tenant for fresh in walk.fresh], list(walk.stale)) == (["1"], [old])
    assert set(walk.read) == {1}


def test_rows_that_moved_to_another_page_are_known() -> None:
    """Whoever is removed shifts all that follow: one row is stale and none is fresh."""
    source = Listing({"tenant": "1"}, {"tenant": "2"}, {"tenant": "3"})
    memory = remembering(source)
    gone = fingerprint(bytes(source.raw.pop(0)))
    walk, _ = read(source, "4711", memory)
    assert (walk.fresh, list(walk.stale), source.decoded) == ([], [gone], 0)


def test_row_that_is_still_on_another_page_is_not_stale() -> None:
    """A row may come twice when pages shift: gone from one page, it is still there on the other."""
    source = Listing({"tenant": "1"}, {"tenant": "1"}, {"tenant": "2"})
    memory = remembering(source)
    source.raw[0] = msgspec.Raw(b'{"tenant": "3"}')
    walk, _ = read(source, "4711", memory)
    assert list(walk.stale) == []
    source.raw[0] = source.raw[2]
    assert read(source, "4711", remembering(source))[0].fresh == []


def test_entity_tags_are_believed_only_when_asked() -> None:
    """A conditional walk takes the source's word; a full one looks at the bytes, and keeps no tag that misled."""
    source = Listing({"tenant": "1"}, {"tenant": "2"})
    source.etags = {1: '"a"', 2: '"b"'}
    memory = remembering(source)
    source.raw[0] = msgspec.Raw(b'{"tenant": "1", "n": 2}')
    believed, _ = read(source, "4711", memory, conditional=True)
    assert (believed.is_same, believed.is_full) == (True, False)
    walk, _ = read(source, "4711", memory)
    assert (walk.is_same, walk.is_full) == (False, True)
    assert [mark.etag for mark in walk.read.values()] == [None]


def test_new_entity_tags_are_learned_by_full_walks() -> None:
    """The same bytes under another tag are the same page; the tag is kept for the next question."""
    source = Listing({"tenant": "1"})
    source.etags = {1: '"a"'}
    memory = remembering(source)
    source.etags = {1: '"b"'}
    walk, _ = read(source, "4711", memory)
    assert (walk.is_same, [mark.etag for mark in walk.retagged.values()]) == (True, ['"b"'])
    assert read(source, "4711", memory, conditional=True)[0].retagged == {}
    untagged = Memory({number: replace(mark, etag=None) for number, mark in memory.marks.items()})
    assert len(read(source, "4711", untagged, conditional=True)[0].retagged) == 1


def test_versions_are_those_after_the_walk() -> None:
    """A version published while the pages were read is known before anybody is judged by it."""
    _, versions = read(Listing({"tenant": "1"}), "4711", Memory())
    assert [version.number for version in versions] == [1, 2]


def test_untrusted_rows_exempt_their_tenant() -> None:
    """A bad row or an unknown status leaves its tenant as it was; a nameless one makes the walk partial."""
    source = Listing({"tenant": "1", "bad": "version"}, {"tenant": "2", "status": "unknown"})
    walk, _ = read(source, "4711", Memory())
    assert (walk.exempt, len(walk.refused), walk.is_partial) == (frozenset({"1", "2"}), 2, False)
    walk, _ = read(Listing({"bad": "tenant"}), "4711", Memory())
    assert walk.is_partial
