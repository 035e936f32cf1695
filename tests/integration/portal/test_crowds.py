"""A crowd at the sign-in: nobody else waits for it."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from typing import TypeVar

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from portal import people
from portal.database import pool

T = TypeVar("T")


def over(portal_database: str, work: Callable[[AsyncEngine], Awaitable[T]]) -> T:
    """What *work* finds with a pool of the portal's kind, in a loop of its own."""

    async def whole() -> T:
        engine = pool(make_url(portal_database).set(drivername="postgresql+psycopg"))
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    return asyncio.run(whole())


def test_verifying_holds_no_connection(portal_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a password is verified, or waits for its turn, every connection of the pool is free for calls."""
    held: list[str] = []

    async def work(engine: AsyncEngine) -> None:
        def fits(_stored: str, _password: str) -> bool:
            held.append(engine.pool.status())
            return False

        monkeypatch.setattr(people, "_fits", fits)
        await asyncio.gather(*(people.signed_in(engine, token_hex(4), "x") for _ in range(4)))
        # The last to have its turn came when all the others had read what they verify.
        assert "Current Checked out connections: 0" in held[-1]

    over(portal_database, work)

    assert len(held) == 4


def test_verifying_has_threads_of_its_own(portal_database: str) -> None:
    """Passwords are verified while every thread of the event loop is taken, and take none of them."""

    async def work(engine: AsyncEngine) -> None:
        release = threading.Event()
        only = ThreadPoolExecutor(1)
        asyncio.get_running_loop().set_default_executor(only)
        only.submit(release.wait)
        try:
            async with asyncio.timeout(10):
                assert await people.signed_in(engine, token_hex(4), "x") is None
        finally:
            release.set()

    over(portal_database, work)
