"""Reading one app: only unknown rows are decoded, and what cannot be trusted proves nothing."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from tasks.walk import fingerprint, read
from uptake.facts import Rejected, SeenApp, SeenConnection, SeenVersion, Status
from uptake.sources import Capability, Kind, Page


class Listing:
    """A source that lists what it is given, and counts what is decoded."""

    kind = Kind.VERSIONED
    capabilities: frozenset[Capability] = frozenset()

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.raw = [msgspec.Raw(json.dumps(row).encode()) for row in rows]
        self.decoded = 0
        self.released = 1

    def apps(self) -> list[SeenApp]:
        """No app list is asked for here."""
        return []

    def versions(self, app: str) -> list[SeenVersion]:
        """One version more each time, as if published during the walk."""
        self.released += 1
        at = datetime(2026, 3, 2, tzinfo=UTC)
        return [SeenVersion(number, frozenset({app}), at, None) for number in range(1, self.released)]

    def pages(self, app: str) -> Iterator[Page]:  # noqa: ARG002 - the protocol has it
        """A page per row."""
        for index, raw in enumerate(self.raw, 1):
            yield Page([raw], more=index < len(self.raw), total=len(self.raw))

    def decode(self, item: msgspec.Raw) -> SeenConnection:
        """The row's tenant and status; rows marked bad are rejected."""
        self.decoded += 1
        row = json.loads(bytes(item))
        if "bad" in row:
            raise Rejected(row["bad"], tenant=row.get("tenant"))
        status = Status(row.get("status", "connected"))
        return SeenConnection(None, row["tenant"], None, "production", status, 1, None, None, None, None, None)

    def close(self) -> None:
        """Nothing is open."""


def test_known_rows_are_not_decoded() -> None:
    """A row whose bytes are stored is present and unchanged; the rest is fresh, and what is missing is stale."""
    source = Listing({"tenant": "1"}, {"tenant": "2"})
    known = fingerprint(bytes(source.raw[0]))
    walk, _ = read(source, "4711", {known, 99})
    assert source.decoded == 1
    assert [fresh.seen.tenant for fresh in walk.fresh] == ["2"]
    assert list(walk.stale) == [99]
    assert (walk.pages, walk.rows, walk.is_partial) == (2, 2, False)


def test_versions_are_those_after_the_walk() -> None:
    """A version published while the pages were read is known before anybody is judged."""
    _, versions = read(Listing({"tenant": "1"}), "4711", set())
    assert [version.number for version in versions] == [1, 2]


def test_untrusted_rows_exempt_their_tenant() -> None:
    """A bad row or an unknown status leaves its tenant as it was; a nameless one makes the walk partial."""
    walk, _ = read(Listing({"tenant": "1", "bad": "version"}, {"tenant": "2", "status": "unknown"}), "4711", set())
    assert (walk.exempt, walk.rejected, walk.is_partial) == (frozenset({"1", "2"}), 2, False)
    walk, _ = read(Listing({"bad": "tenant"}), "4711", set())
    assert walk.is_partial
