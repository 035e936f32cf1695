"""Everything on one machine: starts the servers and our processes in order, keeps them running, stops them in order."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from worker.embedded import Directory, Postgres, Server, Servers, Valkey
from worker.kept import Child, KeptChild, KeptServer, Limits, Say
from worker.lines import Lines

__all__ = ["Child", "Limits", "Supervisor"]

PATIENT = Limits()
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _nothing(_servers: Servers) -> None:
    pass


@dataclass
class Supervisor:
    """Runs *children*, made once the servers' addresses are known, on one data directory, for this process alone.

    *before* runs when the servers answer and no child has started (migrations); *up* when all children are ready
    (a banner). A server whose address is given is somebody else's: it is neither started nor stopped.
    """

    data_dir: Path
    children: Callable[[Servers], Sequence[Child]]
    _: KW_ONLY
    before: Callable[[Servers], None] = _nothing
    up: Callable[[Servers], None] = _nothing
    database_url: str | None = None
    redis_url: str | None = None
    say: Say | None = None
    limits: Limits = PATIENT

    def __post_init__(self) -> None:
        self._directory = Directory(self.data_dir)
        self._lines = Lines(sys.stdout)
        self._say = self.say or (lambda message: self._lines.write("up", message))
        self._servers: list[KeptServer] = []
        self._kept: list[KeptChild] = []
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()

    def run(self) -> None:
        """Run until Ctrl-C or SIGTERM, then stop everything cleanly; a second one kills. Needs the main thread.

        SetupError says what is in the way of the start; whatever had been started is stopped by then.
        """
        self._directory.make()
        with self._directory.lock("up", "Uptake"):
            self._directory.own()
            try:
                asyncio.run(self._run())
            finally:
                self._directory.disown()

    async def _run(self) -> None:
        self._obey_signals()
        starting = asyncio.create_task(self._start())
        told = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({starting, told}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
                await told
        finally:
            told.cancel()
            starting.cancel()
            await asyncio.wait({starting})
            await self._stop()

    def _obey_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in STOPS:
            # Under nohup the end of the terminal means nothing.
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._told_to_stop)

    def _told_to_stop(self) -> None:
        if self._stopping.is_set():
            self._say("killing what still runs")
            self._hurry.set()
        else:
            self._say("stopping; Ctrl-C again kills")
            self._stopping.set()

    async def _start(self) -> None:
        found = await self._start_servers()
        await asyncio.to_thread(self.before, found)
        children = sorted(self.children(found), key=attrgetter("order"))
        environment = self._environment(found)
        for _, group in groupby(children, key=attrgetter("order")):
            fresh = [KeptChild(child, environment, self._lines, self.limits, self._say) for child in group]
            self._kept += fresh
            await _together([kept.start() for kept in fresh])
        self.up(found)

    async def _start_servers(self) -> Servers:
        database_url, redis_url, broker_url = self.database_url, self.redis_url, self.redis_url
        if not database_url:
            postgres = Postgres(self._directory.path)
            await self._serve(postgres)
            database_url = postgres.dsn
        if not redis_url:
            valkey = Valkey(self._directory.path)
            await self._serve(valkey)
            redis_url, broker_url = valkey.url, valkey.broker_url
        return Servers(os.getpid(), database_url, redis_url, broker_url)

    async def _serve(self, server: Server) -> None:
        kept = KeptServer(server, self.limits, self._say)
        server.hold()
        self._servers.append(kept)
        await kept.start()

    def _environment(self, found: Servers) -> dict[str, str]:
        """What the children must know of servers of ours; of somebody else's they know from where we do."""
        ours = {
            "DATABASE_URL": None if self.database_url else found.database_url,
            "REDIS_URL": None if self.redis_url else found.broker_url,
        }
        return {name: url for name, url in ours.items() if url}

    async def _stop(self) -> None:
        """Our processes together, then the broker, then the database that all of them need to finish."""
        await asyncio.gather(*(kept.stop(self._hurry) for kept in self._kept))
        for server in reversed(self._servers):
            await server.stop(self._hurry)
            server.server.release()


async def _together(starts: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run them all; when one fails the others are given up, and its error is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for start in starts:
                group.create_task(start)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
