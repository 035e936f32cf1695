"""Reading a source's feed of changes, where it has one, and recording app by app what it tells."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.orm import Session as OrmSession

from models import db_now
from models.failures import open_circuit
from models.feed import Taken, busiest, feed_read, go_on_from, no_feed, take_in, walk_soon
from models.leases import SourceLease
from models.listing import Heard
from tasks.lasting import lasting
from tasks.rules import rules
from tasks.stopping import is_stopping
from uptake.cadence import next_poll
from uptake.errors import EdgeError, Fault, TransientError
from uptake.facts import Change, FedPage
from uptake.sources import Capability, Source, unbothered

log = structlog.get_logger()

# Where a feed begins that was never read, before now: clocks differ, and what is told again changes nothing.
OVERLAP = timedelta(hours=1)
# How long before a source that has no feed, or whose feed is no good, is asked for one again.
NOT_OFFERED, BROKEN = timedelta(days=1), timedelta(hours=1)
MANY = 5_000  # changes kept in memory before they are recorded
# A feed that cannot be read is waited for while its source could have been read so often.
PATIENCE = 3


@dataclass(slots=True)
class Fed:
    """What came of one reading; *after* is where to go on, None when the same has to be told again."""

    after: str | None = None
    pages: int = 0
    rows: int = 0
    changed: int = 0
    error: EdgeError | None = None


def read_feed(
    source: Source,
    lease: SourceLease,
    *,
    gone: Collection[str],
    now: datetime | None = None,
    between: Callable[[], None] = unbothered,
) -> Fed | None:
    """Record what the feed tells of apps that are not *gone*; None when there is none to read now.

    *between* pages is called, for whatever keeps the lease alive.

    Raises LeaseLostError when another run took over. Nothing is lost by an end at any time: the feed is gone on from
    only where all was recorded before.
    """
    if not _is_wanted(source, lease):
        return None
    fed = Fed()
    is_whole, after = True, None
    try:
        for pages in _gathered(source.feed(lease.feed_from or lease.started_at - OVERLAP), between):
            after = pages[-1].after
            fed.pages += len(pages)
            fed.rows += sum(len(page.changes) for page in pages)
            is_whole &= _record(lease, pages, fed, gone=gone, now=now)
            if is_whole:
                # However this ends, the next reading need not be told so much again.
                lasting(partial(go_on_from, lease=lease, after=after))
    except EdgeError as error:
        fed.error = error
    except SoftTimeLimitExceeded:
        if is_stopping():
            raise
        fed.error = TransientError("no end of the feed while there was time", fault=Fault.DEADLINE)
    else:
        fed.after = after if is_whole else None
    return fed


def heard_of(fed: Fed | None) -> Heard:
    """What a run's own row says of it."""
    if fed is None:
        return Heard()
    reason = None if fed.error is None else f"no feed: {fed.error}"
    return Heard(fed.pages, fed.rows, fed.changed, reason)


def conclude(session: OrmSession, lease: SourceLease, fed: Fed | None, *, now: datetime) -> None:
    """Store what came of it, in the transaction that gives the lease back, and how often to look from now on.

    After `portal_answered`: a portal that gave its list of apps may ask to be left alone by the feed.
    """
    polling, every = rules().file.polling, rules().poll_every(lease.source)
    lost = partial(no_feed, session, lease, now=now, every=every, longest=polling.max * 1.1)
    if fed is None:
        is_later = _is_later(lease)
        lost(fault=lease.feed_fault if is_later else None, retry_at=lease.feed_retry_at if is_later else None)
    elif fed.error is not None:
        if fed.error.retry_after or fed.error.fault is Fault.RATE_LIMITED:
            open_circuit(session, lease, fed.error, now=now)
        if _may_recover(lease, fed.error, every=every):
            log.info("feed.delayed", source=lease.source, fault=fed.error.fault.value, error=str(fed.error))
            return
        wait = NOT_OFFERED if fed.error.fault is Fault.GONE else BROKEN
        if lease.feed_since is not None:
            log.warning("feed.lost", source=lease.source, fault=fed.error.fault.value, error=str(fed.error))
        lost(fault=str(fed.error), retry_at=now + wait)
    elif fed.after is None:
        feed_read(session, lease, after=None, every=polling.min)
    else:
        released_at, changed_at = busiest(session, lease)
        soon = next_poll(
            polling.min, every, every, newest_release_at=released_at, last_change_at=changed_at, now=lease.started_at
        )
        feed_read(session, lease, after=fed.after, every=soon)


def _is_wanted(source: Source, lease: SourceLease) -> bool:
    table = rules().sources.get(lease.source)
    if Capability.SUPPORTS_FEED not in source.capabilities or table is None or not table.feed:
        return False
    return not _is_later(lease)


def _is_later(lease: SourceLease) -> bool:
    return lease.feed_retry_at is not None and lease.feed_retry_at > lease.started_at


def _may_recover(lease: SourceLease, error: EdgeError, *, every: timedelta) -> bool:
    """Whether the apps may go on without being walked for a while: the next reading may tell what this one did not."""
    if lease.fed_at is None or not isinstance(error, TransientError):
        return False
    return lease.started_at - lease.fed_at <= every * PATIENCE


def _gathered(pages: Iterator[FedPage], between: Callable[[], None]) -> Iterator[list[FedPage]]:
    """The pages in groups of about MANY changes."""
    group: list[FedPage] = []
    for page in pages:
        between()
        group.append(page)
        if sum(len(each.changes) for each in group) >= MANY:
            yield group
            group = []
    if group:
        yield group


def _record(lease: SourceLease, pages: list[FedPage], fed: Fed, *, gone: Collection[str], now: datetime | None) -> bool:
    """Record the changes of each app in a transaction of its own; whether all of them could be."""
    by_app: dict[str, list[Change]] = defaultdict(list)
    doubtful = set().union(*(page.doubtful for page in pages))
    for page in pages:
        for change in page.changes:
            by_app[change.app].append(change)
    is_whole = True
    for app, changes in by_app.items():
        if app in gone:
            continue
        taken = lasting(partial(_taken, lease, app, changes, now=now))
        fed.changed += taken.changed
        is_whole &= not taken.is_busy
        if taken.is_doubtful:
            doubtful.add(app)
        if taken.changed:
            log.info("app.fed", app=f"{lease.source}:{app}", changed=taken.changed)
    for app in doubtful:
        lasting(partial(_walk_soon, lease, app, now=now))
    return is_whole


def _taken(lease: SourceLease, app: str, changes: list[Change], session: OrmSession, *, now: datetime | None) -> Taken:
    return take_in(
        session,
        lease,
        app,
        changes,
        now=now or db_now(session),
        implausible_share=rules().file.polling.implausible_share,
    )


def _walk_soon(lease: SourceLease, app: str, session: OrmSession, *, now: datetime | None) -> None:
    walk_soon(session, lease, app, now=now or db_now(session))
