"""Reading one app from its source, before any transaction: versions, connections, versions again."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import chain

from models.stage import Walk
from models.walked import Memory
from tasks.found import Facts, Finds, decoded, find
from uptake.facts import SeenVersion
from uptake.pages import Mark
from uptake.sources import Source

LARGE = 50_000  # rows


class TooLargeError(Exception):
    """The listing of *app* has so many *rows*, so many of them on a *page*, that several workers should read it."""

    def __init__(self, app: str, rows: int, page: int) -> None:
        super().__init__(f"app {app} has {rows} connections, {page} on a page")
        self.rows = rows
        self.page = page


def read(
    source: Source,
    app: str,
    memory: Memory,
    *,
    conditional: bool = False,
    walked: timedelta | None = None,
    between: Callable[[], None] = lambda: None,
) -> tuple[Walk, list[SeenVersion]]:
    """One complete walk of *app* against what is stored of it, and its versions; raises an EdgeError or TooLargeError.

    *walked* is how long ago the last complete walk was: a page that is older has no news, and proves nothing.
    *between* is called after each page, for who has to show that the walk is alive. Only rows whose bytes are
    not known are decoded. Where anything has changed, the versions are those after the walk, so that one published
    meanwhile is known before anybody is judged by it.
    """
    started = time.monotonic()
    versions = source.versions(app)
    finds = Finds(gone=set(memory.loose), is_conditional=conditional)
    pages = source.pages(app, memory.marks, conditional=conditional)
    first = next(pages)
    if first.mark.total is not None and first.mark.total > LARGE and first.mark.hashes:
        raise TooLargeError(app, first.mark.total, len(first.mark.hashes))
    find(chain([first], pages), memory.marks, finds, walked=walked, between=between)
    if not is_same(finds, memory):
        versions = newer(versions, source.versions(app))
    unknown = _unknown(finds, memory)
    facts = decoded(source, app, {number: finds.new[number] for number in unknown})
    walk = walk_of(finds, facts, memory, versions)
    return replace(walk, fresh=facts.fresh, duration_seconds=time.monotonic() - started), versions


def is_same(finds: Finds, memory: Memory) -> bool:
    """Whether every page holds the rows remembered, and nothing else is stored."""
    return not finds.is_changed and len(finds.marks) == len(memory.marks)


def walk_of(finds: Finds, facts: Facts, memory: Memory, versions: Sequence[SeenVersion]) -> Walk:
    """What the pages and their new rows come to, without those rows."""
    _look_above(facts, versions)
    return Walk(
        stale=sorted(_stale(finds, memory)),
        exempt=frozenset(facts.exempt),
        refused=frozenset(facts.refused),
        is_same=is_same(finds, memory),
        remarks=facts.remarks,
        is_partial=facts.nameless > 0 or bool(finds.doubts()),
        doubts=finds.doubts(),
        is_full=not finds.hearsay,
        read=_to_remember(finds),
        rewritten=finds.rewritten,
        retagged=finds.retagged,
        portal_time=finds.portal_time,
        pages=len(finds.marks),
        rows=sum(len(mark.hashes) for mark in finds.marks.values()),
    )


def _to_remember(finds: Finds) -> dict[int, Mark]:
    """The pages read, without entity tags that do not change with them: those would hide the next change."""
    if not finds.is_mistagged:
        return finds.read
    return {number: replace(mark, etag=None) for number, mark in finds.read.items()}


def _unknown(finds: Finds, memory: Memory) -> set[int]:
    """The hashes that were not stored: rows move from page to page."""
    unknown = set(finds.new) - memory.loose
    if unknown:
        unknown.difference_update(*_hashes(memory.marks))
    return unknown


def _stale(finds: Finds, memory: Memory) -> set[int]:
    """The stored hashes that were not seen, on any page."""
    beyond = [mark for number, mark in memory.marks.items() if number not in finds.marks]
    stale = finds.gone.union(*(mark.hashes for mark in beyond))
    if stale:
        stale.difference_update(*_hashes(finds.marks))
    return stale


def _hashes(marks: Mapping[int, Mark]) -> Iterable[Iterable[int]]:
    return (mark.hashes for mark in marks.values())


def _look_above(facts: Facts, versions: Sequence[SeenVersion]) -> None:
    """Remark on versions that the list of versions does not have; they are recorded, and judged once it has."""
    latest = versions[-1].number if versions else 0
    for version, tenant in facts.highest:
        if version > latest:
            facts.remark(tenant, f"version {version} is above the latest, {latest}")


def newer(before: Sequence[SeenVersion], after: Sequence[SeenVersion]) -> list[SeenVersion]:
    """The longer of two readings of the versions, so that one published meanwhile is known before anybody is judged."""
    return list(after) if len(after) >= len(before) else list(before)
