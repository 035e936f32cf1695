"""Sending what `events` queued: claimed by one process at a time, signed, retried, given up after the fifth attempt.

Each delivery goes its own way: none waits for another's receiver, and what is under way for one subscription or one
organization is limited, so that slow receivers hold up nobody's events but their own.
"""

import asyncio
import contextlib
import ssl
from collections import Counter
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlsplit

import httpcore
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks import Webhook

from portal.receivers import Network, RefusedAddressError

log = structlog.get_logger()

WAITS = (10, 30, 60, 300)  # seconds after each attempt that failed
TIMEOUT = 10.0
AT_ONCE, PER_ORGANIZATION, PER_SUBSCRIPTION = 100, 10, 4
# Of the pool that serves the calls.
SETTLING = 4
PAUSE = 1.0

# The lease is longer than an attempt: what a killed process held is sent again, after it.
# Organizations take turns: the first due of each, then the second of each.
CLAIM = text("""
WITH busy AS (
    SELECT * FROM unnest(cast(:subscriptions AS bigint[]), cast(:held AS integer[])) AS busy (id, held)
), crowded AS (
    SELECT organization_id, sum(held) AS held FROM busy JOIN portal.subscription USING (id) GROUP BY organization_id
), due AS (
    SELECT one.id, one.due_at, coalesce(crowded.held, 0)
        + row_number() OVER (PARTITION BY s.organization_id ORDER BY one.due_at, one.id) AS place
    FROM portal.subscription s
    LEFT JOIN busy ON busy.id = s.id
    LEFT JOIN crowded ON crowded.organization_id = s.organization_id
    CROSS JOIN LATERAL (
        SELECT id, due_at FROM portal.delivery WHERE subscription_id = s.id AND due_at <= now()
        ORDER BY due_at LIMIT greatest(:per_subscription - coalesce(busy.held, 0), 0)
    ) one
), taken AS (
    SELECT d.id FROM portal.delivery d JOIN due ON due.id = d.id
    WHERE due.place <= :per_organization AND d.due_at <= now()
    ORDER BY due.place, due.due_at LIMIT :most FOR UPDATE OF d SKIP LOCKED
)
UPDATE portal.delivery d SET attempts = d.attempts + 1, due_at = now() + interval '60 seconds'
FROM taken, portal.subscription s WHERE d.id = taken.id AND s.id = d.subscription_id
RETURNING d.id, d.event_id, d.body, d.attempts, s.id, s.url, s.secret
""")
SETTLE = text("""
UPDATE portal.delivery SET answer = :answer, accepted_at = CASE WHEN :accepted THEN now() END,
    due_at = now() + make_interval(secs => cast(:wait AS double precision))
WHERE id = :id AND attempts = :attempts
""")


class Claimed(NamedTuple):
    """One attempt at one event for one subscriber."""

    id: int
    event_id: str
    body: bytes
    attempts: int
    subscription: int
    url: str
    secret: str


class _Sending:
    """What is under way, and the limits on it."""

    def __init__(self, engine: AsyncEngine, pool: httpcore.AsyncConnectionPool, wake: asyncio.Event) -> None:
        self._engine = engine
        self._pool = pool
        self._wake = wake
        self._busy: Counter[int] = Counter()
        self._settling = asyncio.Semaphore(SETTLING)

    async def claim(self) -> list[Claimed]:
        """What is due and within the limits; it is ours until its lease ends."""
        named = {"subscriptions": list(self._busy.keys()), "held": list(self._busy.values())}
        limits = {"per_subscription": PER_SUBSCRIPTION, "per_organization": PER_ORGANIZATION}
        most = AT_ONCE - self._busy.total()
        if not most:
            return []
        async with self._engine.begin() as connection:
            claimed = [Claimed(*row) for row in await connection.execute(CLAIM, {**named, **limits, "most": most})]
        self._busy.update(one.subscription for one in claimed)
        return claimed

    async def deliver(self, one: Claimed) -> None:
        """Send it and write down what came of it; what cannot be written down is sent again after its lease."""
        try:
            settled = _settled(one, await _send(self._pool, one))
            async with self._settling, self._engine.begin() as connection:
                await connection.execute(SETTLE, settled)
        except Exception as failed:  # noqa: BLE001 - one delivery must not stop the others
            log.warning("event.unsettled", event_id=one.event_id, error=type(failed).__name__)
        finally:
            self._busy[one.subscription] -= 1
            self._busy += Counter()  # forgets those with nothing under way
            self._wake.set()


async def push(engine: AsyncEngine, stopping: asyncio.Event, wake: asyncio.Event, *, private: bool) -> None:
    """Send what is due until *stopping*, whatever goes wrong; what is under way then is ended first.

    *wake* is set when there may be something to do, or to stop.
    """
    pool = httpcore.AsyncConnectionPool(
        ssl_context=ssl.create_default_context(),
        max_connections=AT_ONCE,
        network_backend=Network(private=private, lookups=AT_ONCE),
    )
    async with pool, asyncio.TaskGroup() as attempts:
        sending = _Sending(engine, pool, wake)
        while not stopping.is_set():
            wake.clear()
            try:
                for one in await sending.claim():
                    attempts.create_task(sending.deliver(one))
            except Exception as away:  # noqa: BLE001 - a database that is away or busy is waited for, and nothing ends this
                log.warning("events.delayed", error=type(away).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), PAUSE)


def _settled(one: Claimed, answer: str) -> dict[str, object]:
    accepted = answer.startswith("2")
    wait = None if accepted or one.attempts > len(WAITS) else WAITS[one.attempts - 1]
    if not accepted:
        log.info("event.refused", event_id=one.event_id, attempt=one.attempts, answer=answer, again_in=wait)
    named = {"id": one.id, "attempts": one.attempts}
    return {**named, "answer": answer[:200], "accepted": accepted, "wait": wait}


async def _send(pool: httpcore.AsyncConnectionPool, one: Claimed) -> str:
    """What the receiver said: its status, or in words why there is none. Nothing of what it wrote is kept."""
    try:
        headers = _headers(one)
        async with asyncio.timeout(TIMEOUT), pool.stream("POST", one.url, headers=headers, content=one.body) as answer:
            return str(answer.status)
    except RefusedAddressError:
        return "refused: the receiver's address is not public"
    except TimeoutError:
        return "no answer in time"
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError):
        return "no answer"
    except Exception as wrong:  # noqa: BLE001 - whatever is wrong with one receiver, it is told and given up in the end
        log.warning("event.unsendable", event_id=one.event_id, error=type(wrong).__name__)
        return "not sent: the receiver's address cannot be used"


def _headers(one: Claimed) -> dict[bytes | str, bytes | str]:
    at = datetime.now(UTC)  # noqa: TID251 - the receiver holds it against its own clock
    return {
        "Host": urlsplit(one.url).netloc.rpartition("@")[2],
        "Content-Type": "application/json",
        "User-Agent": "developer-portal",
        "webhook-id": one.event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(one.secret).sign(one.event_id, at, one.body.decode()),
    }


class Pushing:
    """The sending, while the portal is served."""

    def __init__(self, engine: AsyncEngine, *, private: bool) -> None:
        self._stopping, self._wake = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(push(engine, self._stopping, self._wake, private=private))

    @property
    def is_alive(self) -> bool:
        """Whether events are sent."""
        return not self._task.done()

    async def stop(self) -> None:
        """End with what is under way, which takes no longer than an attempt may; if it ended before, so be it."""
        self._stopping.set()
        self._wake.set()
        await asyncio.wait([self._task])
