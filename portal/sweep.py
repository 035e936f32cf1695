"""Removing what nobody can use any more, while the portal is served; two that sweep at once share the work."""

import asyncio
import contextlib

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

log = structlog.get_logger()

EVERY = 600.0  # seconds
BATCH = 1000

# What is removed, and when; few at a time, so that nobody waits for it.
OVER = {
    "delivery": "due_at IS NULL AND queued_at < now() - interval '7 days'",
    # A client id is there before its first secret, and never comes back.
    "client_secret": "NOT EXISTS (SELECT 1 FROM portal.connection c WHERE c.client_id = access_id)",
    "token": "expires_at < now()",
    "idempotency": "created_at < now() - interval '24 hours'",
}
SWEEPS = {
    table: text(
        f"DELETE FROM portal.{table} WHERE ctid IN"  # noqa: S608 - both are written above
        f" (SELECT ctid FROM portal.{table} WHERE {when} LIMIT {BATCH} FOR UPDATE SKIP LOCKED)"
    )
    for table, when in OVER.items()
}


async def sweep(engine: AsyncEngine) -> dict[str, int]:
    """Remove everything that is over; how many rows of which table."""
    gone = dict.fromkeys(SWEEPS, 0)
    for table, statement in SWEEPS.items():
        removed = BATCH
        while removed == BATCH:
            async with engine.begin() as connection:
                removed = (await connection.execute(statement)).rowcount
            gone[table] += removed
    return gone


async def _sweeping(engine: AsyncEngine, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        try:
            gone = await sweep(engine)
            if any(gone.values()):
                log.info("portal.swept", **gone)
        except Exception as away:  # noqa: BLE001 - what was not swept now is swept later, and nothing ends this
            log.warning("sweep.delayed", error=type(away).__name__)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), EVERY)


class Sweeping:
    """The sweeping, while the portal is served."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(_sweeping(engine, self._stopping))

    async def stop(self) -> None:
        """End with the statement that is under way."""
        self._stopping.set()
        await asyncio.wait([self._task])
