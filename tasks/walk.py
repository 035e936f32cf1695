"""Reading one app from its source, before any transaction: versions, connections, versions again."""

import time
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec

from models.stage import Fresh, Walk
from models.walked import Memory
from uptake.facts import Rejected, SeenVersion, Status
from uptake.pages import Mark, Page
from uptake.sources import Source

REMARKS = 6  # one more than a poll's row tells, so that it can tell that there were more


@dataclass(slots=True)
class _Finds:
    marks: dict[int, Mark] = field(default_factory=dict)  # of all pages, as they are now
    read: dict[int, Mark] = field(default_factory=dict)  # of those that hold other rows than remembered
    rewritten: dict[int, Mark] = field(default_factory=dict)  # of those that hold the same rows in other bytes
    retagged: dict[int, Mark] = field(default_factory=dict)  # of those that only have another entity tag
    new: dict[int, msgspec.Raw] = field(default_factory=dict)  # rows that were not on the same page before
    gone: set[int] = field(default_factory=set)  # rows that were, and are not
    is_conditional: bool = False  # pages with a tag were only asked about
    is_hearsay: bool = False
    is_mistagged: bool = False  # a page changed and kept its entity tag
    is_recounted: bool = False  # the listing grew or shrank while it was read
    portal_time: datetime | None = None  # by the source's clock
    stalest: timedelta | None = None  # the age of the oldest page that is from before the last complete walk

    def doubts(self) -> list[str]:
        """Why somebody who is listed may have been overlooked."""
        doubts = []
        if self.stalest is not None:
            seconds = self.stalest.total_seconds()
            doubts.append(f"stale: a page came from a cache, {seconds:.0f} s old, from before the last complete walk")
        if self.is_recounted:
            doubts.append("the list grew or shrank while it was read")
        return doubts


@dataclass(slots=True)
class _Facts:
    fresh: list[Fresh] = field(default_factory=list)
    exempt: set[str] = field(default_factory=set)
    rejected: int = 0
    nameless: int = 0  # rejected rows that did not even tell whose they are
    remarks: list[str] = field(default_factory=list)

    def reject(self, tenant: str | None, why: str) -> None:
        """Leave the tenant as it was; if nobody knows whose row it was, that may be anybody."""
        self.rejected += 1
        if tenant is None:
            self.nameless += 1
        else:
            self.exempt.add(tenant)
        self.remark(tenant, why)

    def remark(self, tenant: str | None, what: str) -> None:
        """Keep the first few of what is odd."""
        if len(self.remarks) < REMARKS:
            self.remarks.append(f"a row of nobody: {what}" if tenant is None else f"tenant {tenant}: {what}")


def read(
    source: Source,
    app: str,
    memory: Memory,
    *,
    conditional: bool = False,
    walked: timedelta | None = None,
    between: Callable[[], None] = lambda: None,
) -> tuple[Walk, list[SeenVersion]]:
    """One complete walk of *app* against what is stored of it, and its versions; raises an EdgeError.

    *walked* is how long ago the last complete walk was: a page that is older has no news, and proves nothing.
    *between* is called after each page, for who has to show that the walk is alive. Only rows whose bytes are
    not known are decoded. Where anything has changed, the versions are those after the walk, so that one published
    meanwhile is known before anybody is judged by it.
    """
    started = time.monotonic()
    versions = source.versions(app)
    finds = _Finds(gone=set(memory.loose), is_conditional=conditional)
    _find(source.pages(app, memory.marks, conditional=conditional), memory, finds, walked=walked, between=between)
    is_same = not (finds.read or finds.gone) and len(finds.marks) == len(memory.marks)
    if not is_same:
        versions = _newer(versions, source.versions(app))
    unknown, stale = _differences(finds, memory)
    facts = _decoded(source, app, {number: finds.new[number] for number in unknown})
    _look_above(facts, versions)
    walk = replace(
        _walk(finds, facts),
        stale=sorted(stale),
        unknown=frozenset(unknown),
        is_same=is_same,
        duration_seconds=time.monotonic() - started,
    )
    return walk, versions


def _walk(finds: _Finds, facts: _Facts) -> Walk:
    """What the pages and their new rows come to."""
    return Walk(
        fresh=facts.fresh,
        exempt=frozenset(facts.exempt),
        rejected=facts.rejected,
        remarks=facts.remarks,
        is_partial=facts.nameless > 0 or bool(finds.doubts()),
        doubts=finds.doubts(),
        is_full=not finds.is_hearsay,
        read=_to_remember(finds),
        rewritten=finds.rewritten,
        retagged=finds.retagged,
        portal_time=finds.portal_time,
        pages=len(finds.marks),
        rows=sum(len(mark.hashes) for mark in finds.marks.values()),
    )


def _find(
    pages: Iterable[Page], memory: Memory, finds: _Finds, *, walked: timedelta | None, between: Callable[[], None]
) -> None:
    """Note what all *pages* come to, against what is stored."""
    for page in pages:
        if finds.portal_time is None and not page.age:
            finds.portal_time = page.date
        if walked is not None and page.age is not None and page.age > walked:
            _pass_over(page, memory.marks.get(page.number), finds)
        else:
            _compare(page, memory.marks.get(page.number), finds)
        between()


def _pass_over(page: Page, before: Mark | None, finds: _Finds) -> None:
    """Note a page that is older than what is stored: nobody was seen on it, and what it held before it holds still."""
    finds.marks[page.number] = before or replace(page.mark, hashes=array("q"))
    finds.stalest = max(page.age or timedelta(), finds.stalest or timedelta())


def _compare(page: Page, before: Mark | None, finds: _Finds) -> None:
    """Note what the page has that it had not, and what it has no more."""
    now = page.mark
    finds.marks[page.number] = now
    finds.is_hearsay = finds.is_hearsay or page.is_hearsay
    finds.is_recounted = finds.is_recounted or page.is_recounted
    if page.items is None:
        # A first tag is kept at once; one that changes without the page only by full walks, for some change each time.
        if before is not None and before.etag != now.etag and not (finds.is_conditional and before.etag):
            finds.retagged[page.number] = now
        return
    if before is not None and now.hashes == before.hashes:
        finds.rewritten[page.number] = now
        return
    finds.read[page.number] = now
    new = set(now.hashes)
    if before is not None:
        finds.gone.update(set(before.hashes) - new)
        new.difference_update(before.hashes)
        finds.is_mistagged = finds.is_mistagged or now.etag == before.etag
    if new:
        finds.new.update(pair for pair in zip(now.hashes, page.items, strict=True) if pair[0] in new)


def _to_remember(finds: _Finds) -> dict[int, Mark]:
    """The pages read, without entity tags that do not change with them: those would hide the next change."""
    if not finds.is_mistagged:
        return finds.read
    return {number: replace(mark, etag=None) for number, mark in finds.read.items()}


def _differences(finds: _Finds, memory: Memory) -> tuple[set[int], set[int]]:
    """The hashes that were not stored, and the stored ones that were not seen: rows move from page to page."""
    beyond = [mark for number, mark in memory.marks.items() if number not in finds.marks]
    stale = finds.gone.union(*(mark.hashes for mark in beyond))
    unknown = set(finds.new) - memory.loose
    if unknown:
        unknown.difference_update(*_hashes(memory.marks))
    if stale:
        stale.difference_update(*_hashes(finds.marks))
    return unknown, stale


def _hashes(marks: Mapping[int, Mark]) -> Iterable[Iterable[int]]:
    return (mark.hashes for mark in marks.values())


def _decoded(source: Source, app: str, items: Mapping[int, msgspec.Raw]) -> _Facts:
    """What the rows say, those that can be trusted."""
    facts = _Facts()
    for number, item in items.items():
        try:
            seen = source.decode(app, item)
        except Rejected as rejected:
            facts.reject(rejected.tenant, rejected.reason)
            continue
        if seen.status is Status.UNKNOWN:
            # A word we do not know is no proof of anything: leave the tenant as it was.
            facts.reject(seen.tenant, f"its status {(seen.said_status or '')[:40]!a} is unknown")
            continue
        facts.fresh.append(Fresh(number, seen))
    return facts


def _look_above(facts: _Facts, versions: Sequence[SeenVersion]) -> None:
    """Remark on versions that the list of versions does not have; they are recorded, and judged once it has."""
    latest = versions[-1].number if versions else 0
    for row in facts.fresh:
        if (version := row.seen.version) is not None and version > latest:
            facts.remark(row.seen.tenant, f"version {version} is above the latest, {latest}")


def _newer(before: Sequence[SeenVersion], after: Sequence[SeenVersion]) -> list[SeenVersion]:
    return list(after) if len(after) >= len(before) else list(before)
