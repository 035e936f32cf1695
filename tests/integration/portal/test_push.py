"""Sending goes on, whatever one receiver, one name server or the database does."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from werkzeug import Request, Response

from portal import push
from portal.app import create_app
from portal.push import Pushing
from portal.receivers import Network
from tests.integration.portal.test_events import subscribed
from tests.integration.portal.world import Caller, World, app_body, eventually


@pytest.fixture
def world(pushing: tuple[Engine, str]) -> Iterator[World]:
    """The people of that portal, with nothing left to send by earlier tests."""
    world = World(*pushing, [])
    with world.engine.begin() as connection:
        connection.execute(text("DELETE FROM portal.subscription"))
    yield world
    for caller in world.callers:
        caller.close()


class Hanging:
    """A receiver that takes every connection and never answers; it knows how many wait at once."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.waiting: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                self.waiting.append(self._socket.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        """Hang up on everybody."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for one in self.waiting:
            one.close()


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    """One of them."""
    receiver = Hanging()
    yield receiver
    receiver.close()


def heard_by(httpserver: HTTPServer, path: str) -> list[float]:
    """When the receiver at *path* heard something."""
    heard: list[float] = []

    def take(_request: Request) -> Response:
        heard.append(time.monotonic())
        return Response(status=204)

    httpserver.expect_request(path).respond_with_handler(take)
    return heard


def answers(world: World, subscription: int) -> list[str | None]:
    """What came of the deliveries of a subscription."""
    with world.engine.connect() as connection:
        query = text("SELECT answer FROM portal.delivery WHERE subscription_id = :s ORDER BY id")
        return list(connection.scalars(query, {"s": subscription}))


def test_slow_receivers_delay_nobody_else(world: World, httpserver: HTTPServer, hanging: Hanging) -> None:
    """While one organization's receivers hang, another's event is sent at once, and ten at most are tried."""
    slow, quick = world.developer(), world.developer()
    for number in range(20):
        subscribed(slow, f"{hanging.url}/{number}", "app.version.created")
    for _ in range(4):
        slow.ok("POST", "/apps", app_body())
    eventually(lambda: len(hanging.waiting) >= push.PER_ORGANIZATION, "nothing is sent")
    heard = heard_by(httpserver, "/quick")
    subscribed(quick, httpserver.url_for("/quick"))
    quick.ok("POST", "/apps", app_body())
    began = time.monotonic()
    (at,) = eventually(lambda: heard, "the other organization waits")
    assert at - began < 5
    assert len(hanging.waiting) == push.PER_ORGANIZATION


def test_few_at_a_time_for_one_subscription(world: World, httpserver: HTTPServer, hanging: Hanging) -> None:
    """A subscription that hangs leaves room for the others of its organization."""
    developer = world.developer()
    subscribed(developer, hanging.url, "app.version.created")
    for _ in range(30):
        developer.ok("POST", "/apps", app_body())
    eventually(lambda: len(hanging.waiting) >= push.PER_SUBSCRIPTION, "nothing is sent")
    heard = heard_by(httpserver, "/other")
    subscribed(developer, httpserver.url_for("/other"))
    developer.ok("POST", "/apps", app_body())
    eventually(lambda: heard, "the other subscription waits")
    assert len(hanging.waiting) == push.PER_SUBSCRIPTION


def test_address_that_cannot_be_used(world: World, developer: Caller, httpserver: HTTPServer) -> None:
    """What an address is does not end the sending, though it was let in before it was looked at so closely."""
    bad = subscribed(developer, httpserver.url_for("/bad"))["id"]
    with world.engine.begin() as connection:
        connection.execute(text(r"UPDATE portal.subscription SET url = 'https://a.com\[' WHERE id = :s"), {"s": bad})
    developer.ok("POST", "/apps", app_body())
    eventually(lambda: any(answers(world, bad)), "nothing came of it")
    assert answers(world, bad) == ["not sent: the receiver's address cannot be used"]
    heard = heard_by(httpserver, "/good")
    subscribed(world.developer(), httpserver.url_for("/good"))
    world.callers[-1].ok("POST", "/apps", app_body())
    eventually(lambda: heard, "the sending ended")


def test_full_pool_is_waited_for(pushing: tuple[Engine, str]) -> None:
    """While no connection is to be had nothing is sent; afterwards it is."""

    async def run() -> None:
        url = make_url(pushing[0].url).set(drivername="postgresql+psycopg")
        engine = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.2)
        sending = Pushing(engine, private=True)
        async with engine.connect():
            await asyncio.sleep(1.5)
        assert sending.is_alive
        await sending.stop()
        await engine.dispose()

    asyncio.run(run())


def test_name_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look-ups that hang take none of the threads in which passwords are verified."""
    hung = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: hung.wait(30))
    network = Network(private=True, lookups=100)

    async def run() -> int:
        lookups = [asyncio.create_task(network.connect_tcp("receiver.example", 443)) for _ in range(60)]
        await asyncio.sleep(0.5)
        try:
            return await asyncio.wait_for(asyncio.to_thread(lambda: 1), 5)
        finally:
            for one in lookups:
                one.cancel()
            await asyncio.gather(*lookups, return_exceptions=True)
            hung.set()

    assert asyncio.run(run()) == 1


@asynccontextmanager
async def inside(url: str) -> AsyncIterator[tuple[Any, httpx.AsyncClient]]:
    """The application itself, and somebody who calls it."""
    app = create_app(make_url(url))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://portal") as client,
    ):
        yield app, client


def test_health_tells_when_nothing_is_sent(pushing: tuple[Engine, str]) -> None:
    """Whoever looks after the process learns that the sending has ended."""

    async def run() -> list[int]:
        url = pushing[0].url.render_as_string(hide_password=False)
        async with inside(url) as (app, client):
            before = (await client.get("/healthz")).status_code
            app.state.pushing._task.cancel()
            await asyncio.sleep(0.1)
            return [before, (await client.get("/healthz")).status_code]

    assert asyncio.run(run()) == [200, 503]
