"""What the pages of a listing come to against those remembered, and what their new rows say."""

import heapq
from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec

from models.stage import Fresh
from uptake.facts import Rejected, Status
from uptake.pages import Mark, Page
from uptake.sources import Source

REMARKS = 6  # one more than a poll's row tells, so that it can tell that there were more


@dataclass(slots=True)
class Finds:
    """What has been found so far, page by page."""

    marks: dict[int, Mark] = field(default_factory=dict)  # of all pages, as they are now
    read: dict[int, Mark] = field(default_factory=dict)  # of those that hold other rows than remembered
    rewritten: dict[int, Mark] = field(default_factory=dict)  # of those that hold the same rows in other bytes
    retagged: dict[int, Mark] = field(default_factory=dict)  # of those that only have another entity tag
    new: dict[int, msgspec.Raw] = field(default_factory=dict)  # rows that were not on the same page before
    gone: set[int] = field(default_factory=set)  # rows that were, and are not
    is_conditional: bool = False  # pages with a tag were only asked about
    passed: dict[int, Page] = field(default_factory=dict)  # pages that are too old, as they came but for their rows
    hearsay: set[int] = field(default_factory=set)  # pages of which the source only said that they are unchanged
    is_mistagged: bool = False  # a page changed and kept its entity tag
    is_recounted: bool = False  # the listing grew or shrank while it was read
    portal_time: datetime | None = None  # by the source's clock
    stalest: timedelta | None = None  # the age of the oldest page that is from before the last complete walk

    @property
    def is_changed(self) -> bool:
        """Whether any page holds other rows than remembered."""
        return bool(self.read or self.gone)

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
class Facts:
    """What new rows say, as far as they can be trusted."""

    fresh: list[Fresh] = field(default_factory=list)
    exempt: set[str] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)  # rows that cannot be trusted
    nameless: int = 0  # of them, did not even tell whose they are
    remarks: list[str] = field(default_factory=list)
    highest: list[tuple[int, str]] = field(default_factory=list)  # versions told, and by whose row

    def reject(self, number: int, tenant: str | None, why: str) -> None:
        """Leave the tenant of the row as it was; if nobody knows whose row it was, that may be anybody."""
        self.refused.add(number)
        if tenant is None:
            self.nameless += 1
        else:
            self.exempt.add(tenant)
        self.remark(tenant, why)

    def remark(self, tenant: str | None, what: str) -> None:
        """Keep the first few of what is odd."""
        if len(self.remarks) < REMARKS:
            self.remarks.append(f"a row of nobody: {what}" if tenant is None else f"tenant {tenant}: {what}")


def find(
    pages: Iterable[Page],
    marks: Mapping[int, Mark],
    finds: Finds,
    *,
    walked: timedelta | None,
    between: Callable[[], None],
) -> None:
    """Note what all *pages* come to, against what is stored.

    *walked* is how long ago all was known to be as stored: a page that is older has no news, and proves nothing.
    *between* is called after each page, for who has to show that the walk is alive.
    """
    for page in pages:
        if finds.portal_time is None and not page.age:
            finds.portal_time = page.date
        if walked is not None and page.age is not None and page.age > walked:
            _pass_over(page, marks.get(page.number), finds)
        else:
            _compare(page, marks.get(page.number), finds)
        between()


def _pass_over(page: Page, before: Mark | None, finds: Finds) -> None:
    """Note a page that is older than what is stored: nobody was seen on it, and what it held before it holds still."""
    finds.marks[page.number] = passed_over(page.mark, before)
    finds.passed[page.number] = replace(page, items=None)
    finds.stalest = max(page.age or timedelta(), finds.stalest or timedelta())


def passed_over(mark: Mark, before: Mark | None) -> Mark:
    """What is remembered of a page that is too old."""
    return before or replace(mark, hashes=array("q"))


def _compare(page: Page, before: Mark | None, finds: Finds) -> None:
    """Note what the page has that it had not, and what it has no more."""
    now = page.mark
    finds.marks[page.number] = now
    if page.is_hearsay:
        finds.hearsay.add(page.number)
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


def decoded(source: Source, app: str, items: Mapping[int, msgspec.Raw]) -> Facts:
    """What the rows say, those that can be trusted."""
    facts = Facts()
    for number, item in items.items():
        try:
            seen = source.decode(app, item)
        except Rejected as rejected:
            facts.reject(number, rejected.tenant, rejected.reason)
            continue
        if seen.status is Status.UNKNOWN:
            # A word we do not know is no proof of anything: leave the tenant as it was.
            facts.reject(number, seen.tenant, f"its status {(seen.said_status or '')[:40]!a} is unknown")
            continue
        facts.fresh.append(Fresh(number, seen))
    told = ((row.seen.version, row.seen.tenant) for row in facts.fresh if row.seen.version is not None)
    facts.highest = heapq.nlargest(REMARKS, told)
    return facts
