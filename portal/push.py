"""Sending what `events` queued: claimed by one process at a time, signed, retried, given up after the fifth attempt."""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlsplit

import httpcore
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks import Webhook

log = structlog.get_logger()

WAITS = (10, 30, 60, 300)  # seconds after each attempt that failed
TIMEOUT = 10.0
AT_ONCE = 20
PAUSE = 1.0

# The lease is longer than an attempt: what a killed process held is sent again, after it.
CLAIM = text("""
WITH due AS (
    SELECT id FROM portal.delivery WHERE due_at <= now() ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED
)
UPDATE portal.delivery d SET attempts = d.attempts + 1, due_at = now() + interval '60 seconds'
FROM due, portal.subscription s WHERE d.id = due.id AND s.id = d.subscription_id
RETURNING d.id, d.event_id, d.body, d.attempts, s.url, s.secret
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
    url: str
    secret: str


class RefusedAddressError(Exception):
    """The receiver's address is none that the portal may reach."""


class Network(httpcore.AnyIOBackend):
    """Connections to receivers: to public addresses only, unless *private* ones are allowed too.

    What is checked is the address that is connected to, so that a name cannot mean one thing when it is looked at
    and another when it is used.
    """

    def __init__(self, *, private: bool) -> None:
        super().__init__()
        self._private = private

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address of *host*; raises RefusedAddressError where that is not allowed."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(info[4][0]) for info in found]
        if not (self._private or all(is_public(one) for one in addresses)):
            raise RefusedAddressError
        return await super().connect_tcp(addresses[0], port, timeout, local_address, socket_options)


def is_public(address: str) -> bool:
    """Whether *address* is one of the world's, and no other written in its form."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo or (None, None))[1]
        if inner is not None or parsed in ipaddress.ip_network("64:ff9b::/96"):
            return False
    return parsed.is_global and not parsed.is_multicast


async def push(engine: AsyncEngine, stopping: asyncio.Event, *, private: bool) -> None:
    """Send what is due until *stopping*; a database that is away is waited for."""
    trust = ssl.create_default_context()
    async with httpcore.AsyncConnectionPool(ssl_context=trust, network_backend=Network(private=private)) as pool:
        while not stopping.is_set():
            sent = 0
            try:
                sent = await _round(engine, pool)
            except (DBAPIError, OSError) as away:
                log.warning("events.delayed", error=type(away).__name__)
            if sent < AT_ONCE:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), PAUSE)


async def _round(engine: AsyncEngine, pool: httpcore.AsyncConnectionPool) -> int:
    """Claim and send a handful at once; how many."""
    async with engine.begin() as connection:
        claimed = [Claimed(*row) for row in await connection.execute(CLAIM, {"most": AT_ONCE})]
    answers = await asyncio.gather(*(_send(pool, one) for one in claimed))
    settled = [_settled(one, answer) for one, answer in zip(claimed, answers, strict=True)]
    if settled:
        async with engine.begin() as connection:
            await connection.execute(SETTLE, settled)
    return len(claimed)


def _settled(one: Claimed, answer: str) -> dict[str, object]:
    accepted = answer.startswith("2")
    wait = None if accepted or one.attempts > len(WAITS) else WAITS[one.attempts - 1]
    if not accepted:
        log.info("event.refused", event_id=one.event_id, attempt=one.attempts, answer=answer, again_in=wait)
    named = {"id": one.id, "attempts": one.attempts}
    return {**named, "answer": answer[:200], "accepted": accepted, "wait": wait}


async def _send(pool: httpcore.AsyncConnectionPool, one: Claimed) -> str:
    """What the receiver said: its status, or in words why there is none. Nothing of what it wrote is kept."""
    at = datetime.now(UTC)  # noqa: TID251 - the receiver holds it against its own clock
    headers: dict[bytes | str, bytes | str] = {
        "Host": urlsplit(one.url).netloc.rpartition("@")[2],
        "Content-Type": "application/json",
        "User-Agent": "developer-portal",
        "webhook-id": one.event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(one.secret).sign(one.event_id, at, one.body.decode()),
    }
    try:
        async with asyncio.timeout(TIMEOUT), pool.stream("POST", one.url, headers=headers, content=one.body) as answer:
            return str(answer.status)
    except RefusedAddressError:
        return "refused: the receiver's address is not public"
    except TimeoutError:
        return "no answer in time"
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError, ValueError):
        return "no answer"


class Pushing:
    """The sending, while the portal is served."""

    def __init__(self, engine: AsyncEngine, *, private: bool) -> None:
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(push(engine, self._stopping, private=private))

    async def stop(self) -> None:
        """End with what is under way, which takes no longer than an attempt may."""
        self._stopping.set()
        await self._task
