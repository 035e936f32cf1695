"""Pages of a listing, and how one is recognised that has not changed since it was read last."""

import sys
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
import xxhash


@dataclass(frozen=True, slots=True)
class Mark:
    """What is remembered of a page: enough to know it again without looking into it.

    *digest* is of its bytes, *hashes* are of its rows, in their order; all are signed 64-bit numbers, as Postgres
    keeps them. No row's hash is 0, which stands for a row that is not listed any more.
    """

    digest: int
    etag: str | None
    more: bool  # whether another page follows
    total: int | None  # rows of the whole listing when the page was read, where the source counts them
    hashes: "array[int]"


@dataclass(frozen=True, slots=True)
class Page:
    """One page as read; *items* is None when it is byte for byte the page remembered, or the source says so."""

    number: int
    mark: Mark
    items: list[msgspec.Raw] | None
    is_hearsay: bool = False  # the source said that it is unchanged, and sent no bytes
    age: timedelta | None = None  # since it left the source, where a cache in between says so
    date: datetime | None = None  # when that was, by the source's clock
    is_recounted: bool = False  # the listing has not as many rows any more as it had on an earlier page


@dataclass(frozen=True, slots=True)
class Span:
    """Pages from the *first* to the *last* one; None: to the end of the listing."""

    first: int = 1
    last: int | None = None


ALL = Span()


def fingerprint(raw: bytes) -> int:
    """The hash of some bytes, as it is stored."""
    (number,) = fingerprints((raw,))
    return number


def fingerprints(items: "Iterable[bytes | msgspec.Raw]") -> "array[int]":
    """The hash of each item, in order."""
    hash_of = xxhash.xxh3_64_intdigest
    unsigned = array("Q", [hash_of(item) or 1 for item in items])
    return array("q", unsigned.tobytes())


def packed(hashes: "array[int]") -> bytes:
    """*hashes* as they are stored: eight bytes each, the lowest first."""
    return _in_order(hashes).tobytes()


def unpacked(raw: bytes) -> "array[int]":
    """The reverse of packed()."""
    return _in_order(array("q", raw))


def _in_order(hashes: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        hashes = array("q", hashes)
        hashes.byteswap()
    return hashes
