"""Polling: read the portal with no transaction open, then record it in one short one."""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session as OrmSession

from models import Session, db_now
from models.alerts import source_failing
from models.failures import app_poll_failed, portal_answered, source_poll_failed
from models.leases import (
    LEASE,
    AppLease,
    LeaseLostError,
    SourceLease,
    claim_app,
    claim_source,
    extend_app,
    extend_source,
    give_back,
    ring_apps,
)
from models.listing import Listed, record_listing
from models.parts import forget_parts
from models.record import Recorded, is_news, record, renew_statistics
from models.stage import Walk
from models.walked import Memory, remembered
from tasks.doorbell import ring
from tasks.edges import source_named
from tasks.evaluate import due_apps, evaluate_app
from tasks.feed import Fed, conclude, heard_of, read_feed
from tasks.lasting import lasting, now_and_then
from tasks.parts import LIMIT, SOFT_LIMIT, read_together
from tasks.rules import rules
from tasks.stopping import is_stopping
from tasks.walk import TooLargeError, read
from uptake.cadence import next_poll
from uptake.errors import EdgeError, Fault, TransientError
from uptake.facts import SeenApp, SeenVersion

log = structlog.get_logger()

NEW_APPS = 500  # at once; a tick finds the others
# We are shut out, or were given what is somebody else's: nothing gets better before somebody acts.
_ALARMING = {Fault.AUTH, Fault.SECURITY}
CLOCKS_APART = timedelta(days=1)
TURN_SECONDS = 5.0
MANY = 500  # changes in one poll, after which plans made before it are bad ones


@shared_task(name="uptake.poll_app", soft_time_limit=SOFT_LIMIT, time_limit=LIMIT)
def poll_app(app_id: int) -> None:
    """Poll one app if it is due, then others of its source for a short while, and ring for what follows from each."""
    ends_at = time.monotonic() + TURN_SECONDS
    while poll(app_id) is not None:
        ring(evaluate_app, app_id)
        with Session.begin() as session:
            following = ring_apps(session, now=db_now(session), most=1, beside=app_id)
        if not following:
            return
        (app_id,) = following
        if is_stopping() or time.monotonic() > ends_at:
            # Whatever else waits in the queue has its turn first.
            ring(poll_app, app_id)
            return


@shared_task(name="uptake.poll_source")
def poll_source(source_id: int) -> None:
    """Read one source if it is due: its list of apps, and what its feed tells; then ring for what follows from it."""
    if list_apps(source_id):
        with Session.begin() as session:
            due = ring_apps(session, now=db_now(session), most=NEW_APPS)
        for app_id in due:
            ring(poll_app, app_id)
        for app_id in due_apps():
            ring(evaluate_app, app_id)


def poll(
    app_id: int, *, now: datetime | None = None, forced: bool = False, believe_absence: bool = False
) -> Recorded | None:
    """Poll the app now; None when it is not due, is being polled, cannot be read, or was taken over meanwhile.

    *now* is Postgres's clock unless told otherwise; a failed read changes nothing but the poll's own row.
    """
    with Session.begin() as session:
        every, own = rules().file.polling.poll_every, rules().own_poll_every
        lease = claim_app(session, app_id, now=now, every=every, own=own, forced=forced)
        memory = remembered(session, app_id, settled=lease.settled) if lease else Memory()
    if lease is None:
        return None
    started = time.monotonic()
    try:
        walk, versions = _read(lease, memory)
        write = partial(_recorded, lease, walk, versions, now=now, believe_absence=believe_absence)
        recorded = lasting(write, is_last=True)
    except LeaseLostError:
        log.warning("poll.discarded", app=app_id, seq=lease.seq)
        return None
    except Exception as error:  # noqa: BLE001 -- raised again, after it was recorded
        _ended(lease, error, now=now, seconds=time.monotonic() - started)
        return None
    if recorded.changed >= MANY:
        lasting(renew_statistics)
    _tell(lease, walk, recorded)
    _compare_clocks(lease, walk.portal_time)
    return recorded


def _tell(lease: AppLease, walk: Walk, recorded: Recorded) -> None:
    # Nearly all polls find everything as it was; the poll's row remembers them.
    notable = recorded.outcome != "complete" or recorded.changed or recorded.vanished or recorded.rejected
    log.log(
        logging.INFO if notable else logging.DEBUG,
        "app.polled",
        app=f"{lease.source}:{lease.external_id}",
        outcome=recorded.outcome,
        pages=walk.pages,
        rows=walk.rows,
        changed=recorded.changed,
        vanished=recorded.vanished,
        rejected=recorded.rejected,
    )


def _compare_clocks(lease: AppLease, said: datetime | None) -> None:
    """Warn of a portal whose clock is far from Postgres's: the times it tells are as wrong, if they order nothing."""
    if said is not None and abs(said - lease.claimed_at) >= CLOCKS_APART:
        log.warning("clock.doubted", source=lease.source, app=lease.external_id, said=said.isoformat())


def list_apps(source_id: int, *, now: datetime | None = None, forced: bool = False) -> int | None:
    """Read the source's list of apps, and its feed if it has one; how many apps and connections are not as they were.

    None when the list was not read. Without a feed, or while it is no good, each app is walked instead.
    """
    with Session.begin() as session:
        at = now or db_now(session)
        every, own = rules().file.polling.poll_every, rules().own_poll_every
        lease = claim_source(session, source_id, now=at, every=every, own=own, forced=forced)
    if lease is None:
        return None
    started = time.monotonic()
    try:
        source = source_named(lease.source)
        between = now_and_then(partial(extend_source, lease=lease), every=LEASE.total_seconds() / 4)
        apps = source.apps(between=between)
        gone = {app.external_id for app in apps if app.deleted}
        fed = read_feed(source, lease, gone=gone, now=now, between=between)
        write = partial(_listed, lease, apps, fed, now=now, seconds=time.monotonic() - started)
        listed = lasting(write, is_last=True)
    except LeaseLostError:
        log.warning("listing.discarded", source=lease.source, seq=lease.seq)
        return None
    except Exception as error:  # noqa: BLE001 -- raised again, after it was recorded
        _ended(lease, error, now=now, seconds=time.monotonic() - started)
        return None
    for app in listed.again:
        log.warning("app.refused", app=f"{lease.source}:{app}", reason="listed again although it was deleted for good")
    log.log(
        logging.INFO if listed.changed else logging.DEBUG,
        "source.listed",
        source=lease.source,
        apps=len(apps),
        changed=listed.changed,
    )
    return listed.changed


def _recorded(
    lease: AppLease,
    walk: Walk,
    versions: Sequence[SeenVersion],
    session: OrmSession,
    *,
    now: datetime | None,
    believe_absence: bool,
) -> Recorded:
    # An unchanged poll has nothing to date, and no question to ask for it.
    at = now or (lease.started_at if walk.is_same and not is_news(lease, versions) else db_now(session))
    if lease.is_troubled:
        # The source's row before the app's, as everywhere.
        portal_answered(session, lease.source_id, since=lease.started_at, now=at)
    recorded = record(
        session,
        lease,
        walk,
        versions,
        now=at,
        cadence=partial(_cadence, lease),
        believe_absence=believe_absence,
        implausible_share=rules().file.polling.implausible_share,
    )
    if walk.is_together:
        forget_parts(session, lease.app_id)
    return recorded


def _listed(
    lease: SourceLease,
    apps: Sequence[SeenApp],
    fed: Fed | None,
    session: OrmSession,
    *,
    now: datetime | None,
    seconds: float,
) -> Listed:
    at = now or db_now(session)
    heard = heard_of(fed)
    listed = record_listing(session, lease, apps, now=at, duration_seconds=seconds, heard=heard)
    portal_answered(session, lease.source_id, since=lease.started_at, now=at)
    conclude(session, lease, fed, now=at)
    source_failing(session, lease.source_id, now=at)
    return replace(listed, changed=listed.changed + heard.changed)


def _read(lease: AppLease, memory: Memory) -> tuple[Walk, list[SeenVersion]]:
    """Read the app, by this worker alone or, if it is a large one, by all that are free."""
    source = source_named(lease.source)
    conditional = _may_ask_whether(lease)
    # A page from before what is stored was recorded, be it by a walk that was not whole, has no news either.
    known_at = max((at for at in (lease.exact_at, lease.changed_at) if at is not None), default=None)
    walked = lease.started_at - known_at if known_at else None
    # A long walk extends its lease now and then.
    between = now_and_then(partial(extend_app, lease=lease), every=LEASE.total_seconds() / 4)
    try:
        return read(source, lease.external_id, memory, conditional=conditional, walked=walked, between=between)
    except TooLargeError as size:
        return read_together(source, lease, memory, size, conditional=conditional, walked=walked, between=between)


def _ended(lease: AppLease | SourceLease, error: Exception, *, now: datetime | None, seconds: float) -> None:
    """Record why a run came to nothing; what is a fault of ours is raised again after that."""
    if isinstance(error, EdgeError):
        _failed(lease, error, now=now, seconds=seconds)
    elif isinstance(error, SoftTimeLimitExceeded):
        _interrupted(lease, now=now, seconds=seconds)
    else:
        with suppress(DBAPIError, LeaseLostError):
            _failed(lease, _ours(error), now=now, seconds=seconds)
        raise error


def _ours(error: Exception) -> EdgeError:
    """A fault of Uptake's own, without its text, which may quote anything."""
    return TransientError(
        f"Uptake broke off ({type(error).__name__}): please report it, with the worker's log", fault=Fault.INTERNAL
    )


def _interrupted(lease: AppLease | SourceLease, *, now: datetime | None, seconds: float) -> None:
    """Leave the rest to the next worker if this one has to stop; else the portal is too slow, which is a failure."""
    if is_stopping():
        log.info("poll.given_back", source=lease.source, seq=lease.seq)
        lasting(lambda session: give_back(session, lease), is_last=True)
        return
    _failed(lease, TransientError(f"no end after {seconds:.0f} s", fault=Fault.DEADLINE), now=now, seconds=seconds)


def _failed(lease: AppLease | SourceLease, error: EdgeError, *, now: datetime | None, seconds: float) -> None:
    level = logging.ERROR if error.fault in _ALARMING else logging.WARNING
    log.log(level, "poll.failed", source=lease.source, fault=error.fault.value, error=str(error))

    def write(session: OrmSession) -> None:
        at = now or db_now(session)
        if isinstance(lease, AppLease):
            app_poll_failed(session, lease, error, now=at, duration_seconds=seconds)
        else:
            source_poll_failed(session, lease, error, now=at, duration_seconds=seconds)
            source_failing(session, lease.source_id, now=at)

    try:
        lasting(write, is_last=True)
    except LeaseLostError:
        log.warning("poll.discarded", source=lease.source, seq=lease.seq)


def _cadence(
    lease: AppLease, newest_release_at: datetime | None, last_change_at: datetime | None, is_settled: bool
) -> timedelta:
    polling = rules().file.polling
    if is_settled and lease.feed_since is not None and lease.feed_since <= lease.started_at:
        # What changes from here on is told by the feed; a walk only looks whether it told all.
        return polling.full_walk_every
    return next_poll(
        polling.min,
        polling.max,
        rules().poll_every(lease.source),
        newest_release_at=newest_release_at,
        last_change_at=last_change_at,
        now=lease.started_at,
    )


def _may_ask_whether(lease: AppLease) -> bool:
    """Whether the source's word that a page is unchanged will do, or it is time to look at all bytes again."""
    if not lease.settled or lease.full_walk_at is None:
        return False
    # The walk that is a day after another by the cadence must not fall short of the day by its jitter.
    return lease.started_at - lease.full_walk_at < rules().file.polling.full_walk_every * 0.9
