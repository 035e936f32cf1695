"""Walking a large app in parts: its owner and whoever is free read ranges of pages, and the owner records them all."""

import time
from array import array
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain

import msgspec
import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from models import db_now
from models.leases import LEASE, AppLease, LeaseLostError
from models.parts import (
    Part,
    PartLostError,
    claim_part,
    extend_part,
    finish_part,
    found_in_parts,
    give_part_back,
    part_failed,
    plan_parts,
    progress,
)
from models.stage import Walk
from models.walked import Memory, remembered_pages
from tasks.doorbell import ring
from tasks.edges import source_named
from tasks.found import REMARKS, Facts, Finds, decoded, find, passed_over
from tasks.lasting import lasting, now_and_then
from tasks.walk import TooLargeError, is_same, newer, walk_of
from uptake.errors import EdgeError, Fault, PermanentError, TransientError
from uptake.facts import SeenVersion
from uptake.pages import Mark, Span, packed, unpacked
from uptake.sources import Source, unbothered

log = structlog.get_logger()

ROWS = 20_000  # of a part: a few seconds of reading, and as much memory as an app of that size takes
MOST = 5_000_000  # rows of an app
HELPERS = 16  # rung for at most
# Seconds for a million rows to be read and recorded, before a task is asked to stop, and stopped.
SOFT_LIMIT, LIMIT = 1800, 1860
_LOOK_AGAIN = 0.2  # seconds, while others are still reading


class _Page(msgspec.Struct, array_like=True):
    """A page as it was found, too old or not; *hashes* is None where they are those remembered."""

    number: int
    digest: int
    etag: str | None
    more: bool
    total: int | None
    is_hearsay: bool
    kind: str  # read | rewritten | retagged | same | passed
    rows: int
    hashes: bytes | None


class _Failure(msgspec.Struct, array_like=True):
    fault: Fault
    said: str
    is_transient: bool
    retry_after: timedelta | None


class _Found(msgspec.Struct, array_like=True):
    """What a part comes to, besides its new rows, in a form to be stored."""

    pages: list[_Page] = []
    fresh: int = 0
    gone: bytes = b""
    is_mistagged: bool = False
    is_recounted: bool = False
    portal_time: datetime | None = None
    stalest: timedelta | None = None
    exempt: list[str] = []
    refused: bytes = b""
    nameless: int = 0
    remarks: list[str] = []
    highest: list[tuple[int, str]] = []
    failure: _Failure | None = None


_encode, _decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(_Found).decode


@shared_task(name="uptake.walk_part", soft_time_limit=SOFT_LIMIT, time_limit=LIMIT)
def walk_part(app_id: int) -> None:
    """Help with the walk of a large app: read parts of it until nobody needs help any more."""
    read_parts(app_id, helps=True)


def read_parts(app_id: int, between: Callable[[], None] = unbothered, *, helps: bool = False) -> int:
    """Read one part after the other until all are read or being read, or one cannot be; how many were.

    *between* is called between two pages; what it raises ends this, and leaves the part to others. Who *helps* does so
    only while fewer read the source than may.
    """
    read = 0
    while True:
        part = lasting(partial(claim_part, app_id=app_id, helps=helps))
        if part is None:
            return read
        try:
            source = source_named(part.source)
        except EdgeError as error:
            # Another worker may know it.
            log.warning("part.given_back", source=part.source, error=str(error))
            lasting(partial(give_part_back, part=part))
            return read
        try:
            _read_part(source, part, between)
        except PartLostError:
            log.info("part.discarded", app=f"{part.source}:{part.external_id}", part=part.number)
        except (LeaseLostError, SoftTimeLimitExceeded):
            lasting(partial(give_part_back, part=part))
            raise
        read += 1


def read_together(
    source: Source,
    lease: AppLease,
    memory: Memory,
    size: TooLargeError,
    *,
    conditional: bool,
    walked: timedelta | None,
    between: Callable[[], None],
) -> tuple[Walk, list[SeenVersion]]:
    """As walk.read, by all workers that are free; raises LeaseLostError too. The fresh rows stand in walk_row.

    Another worker's death, or a bell that nobody hears, costs time only: what it does not read is read here.
    """
    started = time.monotonic()
    versions = source.versions(lease.external_id)
    spans = _spans(size)
    lasting(lambda session: plan_parts(session, lease, spans, conditional=conditional, walked=walked))
    for _ in range(min(len(spans) - 1, HELPERS)):
        if not ring(walk_part, lease.app_id):
            break
    found = _all_found(lease, len(spans), between)
    finds, facts = _merged(source, lease.external_id, found, memory)
    finds.is_conditional = conditional
    if not is_same(finds, memory):
        versions = newer(versions, source.versions(lease.external_id))
    walk = walk_of(finds, facts, memory, versions)
    is_apart, seconds = any(part.fresh for part in found), time.monotonic() - started
    return replace(walk, is_together=True, is_apart=is_apart, duration_seconds=seconds), versions


def _spans(size: TooLargeError) -> list[Span]:
    if size.rows > MOST:
        raise TransientError(f"{size}; more than {MOST} are not read", fault=Fault.TOO_LARGE)
    pages = -(-size.rows // size.page)
    step = max(1, ROWS // size.page)
    firsts = range(1, pages + 1, step)
    return [Span(first, first + step - 1 if first + step <= pages else None) for first in firsts]


def _all_found(lease: AppLease, parts: int, between: Callable[[], None]) -> list[_Found]:
    """What was found in all parts, read by this worker and by others; raises what any of them met."""
    while True:
        read_parts(lease.app_id, between)
        so_far = lasting(partial(progress, lease=lease))
        if so_far.parts < parts:
            # A crash of the database has emptied the tables, or another owner has.
            raise LeaseLostError
        if so_far.failed or so_far.read == parts:
            return _loaded(lease, parts)
        between()
        time.sleep(_LOOK_AGAIN)


def _loaded(lease: AppLease, parts: int) -> list[_Found]:
    """What was found in all parts; raises what any of them met."""
    found = [_decode(part) for part in lasting(partial(found_in_parts, lease=lease)) if part is not None]
    for part in found:
        if (failure := part.failure) is not None:
            kind = TransientError if failure.is_transient else PermanentError
            raise kind(failure.said, fault=failure.fault, retry_after=failure.retry_after)
    if len(found) < parts:
        raise LeaseLostError
    return found


def _read_part(source: Source, part: Part, between: Callable[[], None]) -> None:
    """Read one part and leave what was found, or why nothing was."""
    marks = lasting(partial(remembered_pages, app_id=part.app_id, span=part.span))
    finds = Finds(is_conditional=part.conditional)
    extend = now_and_then(partial(extend_part, part=part), every=LEASE.total_seconds() / 4)

    def alive() -> None:
        extend()
        between()

    pages = source.pages(part.external_id, marks, conditional=part.conditional, span=part.span)
    try:
        find(pages, marks, finds, walked=part.walked, between=alive)
        known = {number for mark in marks.values() for number in mark.hashes}
        new = {number: item for number, item in finds.new.items() if number not in known}
        facts = decoded(source, part.external_id, new)
    except EdgeError as error:
        failure = _Failure(error.fault, str(error), isinstance(error, TransientError), error.retry_after)
        lasting(lambda session: part_failed(session, part, _encode(_Found(failure=failure))))
        return
    found = _encode(_found(finds, facts, marks))
    lasting(lambda session: finish_part(session, part, found, facts.fresh, now=db_now(session)))


def _found(finds: Finds, facts: Facts, marks: dict[int, Mark]) -> _Found:
    pages = []
    kinds: dict[str, Collection[int]] = {
        "read": finds.read,
        "rewritten": finds.rewritten,
        "retagged": finds.retagged,
        "passed": finds.passed,
    }
    for number, kept in finds.marks.items():
        kind = next((kind for kind, those in kinds.items() if number in those), "same")
        passed = finds.passed.get(number)
        mark = kept if passed is None else passed.mark
        is_kept = number in marks and marks[number].hashes == mark.hashes
        pages.append(
            _Page(
                number,
                mark.digest,
                mark.etag,
                mark.more,
                mark.total,
                number in finds.hearsay if passed is None else passed.is_hearsay,
                kind,
                len(mark.hashes),
                None if is_kept else packed(mark.hashes),
            )
        )
    return _Found(
        pages=pages,
        fresh=len(facts.fresh),
        gone=packed(array("q", finds.gone)),
        is_mistagged=finds.is_mistagged,
        is_recounted=finds.is_recounted,
        portal_time=finds.portal_time,
        stalest=finds.stalest,
        exempt=sorted(facts.exempt),
        refused=packed(array("q", facts.refused)),
        nameless=facts.nameless,
        remarks=facts.remarks,
        highest=facts.highest,
    )


def _merged(source: Source, app: str, found: Sequence[_Found], memory: Memory) -> tuple[Finds, Facts]:
    """What the parts come to as one walk; raises an EdgeError when they are not one listing."""
    finds, facts = Finds(gone=set(memory.loose)), Facts()
    pages = _listed(list(chain.from_iterable(part.pages for part in found)))
    marks = {page.number: _mark(page, memory) for page in pages}
    recounted = source.check_whole(app, ((page.number, marks[page.number], page.is_hearsay) for page in pages))
    finds.marks = marks
    for page in pages:
        mark = marks[page.number]
        if page.kind == "passed":
            marks[page.number] = passed_over(mark, memory.marks.get(page.number))
        elif page.kind != "same":
            getattr(finds, page.kind)[page.number] = mark
    finds.hearsay = {page.number for page in pages if page.is_hearsay and page.kind != "passed"}
    finds.is_recounted = recounted or any(part.is_recounted for part in found)
    finds.is_mistagged = any(part.is_mistagged for part in found)
    finds.portal_time = next((part.portal_time for part in found if part.portal_time is not None), None)
    finds.stalest = max((part.stalest for part in found if part.stalest is not None), default=None)
    for part in found:
        finds.gone.update(unpacked(part.gone))
        facts.exempt.update(part.exempt)
        facts.refused.update(unpacked(part.refused))
        facts.nameless += part.nameless
        facts.remarks += part.remarks[: REMARKS - len(facts.remarks)]
        facts.highest += part.highest
    facts.highest = sorted(facts.highest, reverse=True)[:REMARKS]
    return finds, facts


def _listed(pages: list[_Page]) -> list[_Page]:
    """The pages up to the end of the listing; where it has shrunk, those asked for beyond it are empty."""
    end = next((place for place, page in enumerate(pages, 1) if not page.more), len(pages))
    beyond = pages[end:]
    return pages if any(page.rows or page.more for page in beyond) else pages[:end]


def _mark(page: _Page, memory: Memory) -> Mark:
    hashes = memory.marks[page.number].hashes if page.hashes is None else unpacked(page.hashes)
    return Mark(page.digest, page.etag, page.more, page.total, hashes)
