"""Processes that are kept running: started again when they end, killed and started again when they hang."""

import asyncio
import os
import signal
import time
from abc import ABC, abstractmethod
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from worker.embedded import Server, SetupError
from worker.embedded.process import end_group, leashed
from worker.embedded.server import SAY_EVERY, START_LIMIT
from worker.lines import Lines

Say = Callable[[str], None]
Ladder = Sequence[tuple[signal.Signals, float]]

# What our own commands end with when no second try can help.
SETUP_ERROR = 2
CERTAIN = 10.0
POLL = 0.03


@dataclass(frozen=True)
class Limits:
    """How patient the supervisor is, in seconds."""

    ready: float = 60.0
    grace: float = 30.0
    hurry: float = 3.0
    backoff: float = 0.5
    backoff_most: float = 30.0
    healthy: float = 60.0
    heartbeat: float = 90.0
    look: float = 5.0


@dataclass(frozen=True)
class Child:
    """One program to keep running. Lower *order* starts first, and is ready before the next; all stop together.

    *ready* and *heartbeat_age* are called in a thread and answer within seconds. *heartbeat_age* is the seconds
    since the child last proved that it works: None means that it cannot be told now, which is held against nobody;
    after *patience* seconds of silence, or the supervisor's own, the child is killed and started again.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] | None = None
    heartbeat_age: Callable[[], float | None] | None = None
    patience: float | None = None
    order: int = 0


class Kept(ABC):
    """One process, its next incarnations included."""

    def __init__(self, name: str, limits: Limits, say: Say, ladder: Ladder, last: Ladder = ()) -> None:
        self.name = name
        self.limits = limits
        self.say = say
        self._ladder = ladder
        # Before the certain end of one that hangs or is to go at once.
        self._last = last
        self.process: Process | None = None
        self._started = 0.0
        self._patience = limits.heartbeat
        self._watch: asyncio.Task[None] | None = None

    @abstractmethod
    async def _spawn(self) -> Process:
        """Start the process, in a session of its own: Ctrl-C is for the supervisor alone."""

    @abstractmethod
    async def _until_ready(self) -> None:
        """Wait until it does its work; SetupError when it will not."""

    @abstractmethod
    async def _heartbeat_age(self) -> float | None:
        """Seconds since it last proved that it works; None when that cannot be told."""

    async def start(self) -> None:
        """Start it and wait until it is ready; from then on it is kept."""
        await self._launch()
        await self._until_ready()
        self._watch = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    async def _launch(self) -> None:
        self.process = await self._spawn()
        self._started = time.monotonic()

    async def _again(self) -> None:
        await self._launch()

    async def _keep(self) -> None:
        delay = self.limits.backoff
        while True:
            trouble = await self._trouble()
            if self.process:
                end_group(self.process.pid)
            if time.monotonic() - self._started > self.limits.healthy:
                delay = self.limits.backoff
            self.say(f"{self.name} {trouble}; starting it again in {delay:g} s")
            await asyncio.sleep(delay)
            delay = min(delay * 2, self.limits.backoff_most)
            try:
                await self._again()
            except Exception as error:  # noqa: BLE001 - whatever is in the way now may be gone at the next try
                self.say(f"{self.name} does not start: {error}")

    async def _trouble(self) -> str:
        """Wait until the process ends or hangs, and say which; a hung one has been killed then."""
        if self.process is None:
            return "is not running"
        ended = asyncio.ensure_future(self.process.wait())
        try:
            while True:
                await asyncio.wait({ended}, timeout=self.limits.look)
                if ended.done():
                    return _ending(ended.result())
                if silent := await self._silence():
                    await self._end(())
                    return f"gave no sign of life for {silent:.0f} s and was killed"
        finally:
            ended.cancel()

    async def _silence(self) -> float | None:
        try:
            age = await self._heartbeat_age()
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in asking must not end the watch
            self.say(f"the heartbeat of {self.name} cannot be read: {error}")
            return None
        # The heartbeat of its predecessor says nothing about a process that has just begun.
        quiet = min(age, time.monotonic() - self._started) if age is not None else 0.0
        return quiet if quiet > self._patience else None

    async def stop(self, hurry: asyncio.Event) -> None:
        """End it by its ladder of signals, or at once when *hurry* is set; it is not kept any more."""
        if self._watch:
            self._watch.cancel()
            await asyncio.wait({self._watch})
        await self._end(self._ladder, hurry)

    async def _end(self, ladder: Ladder, hurry: asyncio.Event | None = None) -> None:
        process = self.process
        if process is None:
            return
        for number, patience in ladder:
            if process.returncode is None and not (hurry and hurry.is_set()):
                _signal(process, number)
                await _wait(process, patience, hurry)
        if process.returncode is None and ladder and not (hurry and hurry.is_set()):
            self.say(f"{self.name} does not stop and is killed")
        for number, patience in (*self._last, (signal.SIGKILL, CERTAIN)):
            if process.returncode is None:
                _signal(process, number)
                await _wait(process, patience)
        end_group(process.pid)
        self.process = None


class KeptChild(Kept):
    """A child of ours: its output is passed on, and it dies with us."""

    def __init__(self, child: Child, env: Mapping[str, str], lines: Lines, limits: Limits, say: Say) -> None:
        super().__init__(child.name, limits, say, ((signal.SIGTERM, limits.grace),))
        self.child = child
        self._patience = child.patience or limits.heartbeat
        self._env = {**os.environ, "PYTHONUNBUFFERED": "1", **env, **child.env}
        self._lines = lines
        self._output: asyncio.Task[None] | None = None

    async def _spawn(self) -> Process:
        end, self._output = await self._lines.pipe(self.name)
        try:
            return await asyncio.create_subprocess_exec(
                *leashed(self.child.argv),
                stdin=DEVNULL,
                stdout=end,
                stderr=STDOUT,
                env=self._env,
                start_new_session=True,
            )
        finally:
            os.close(end)

    async def _until_ready(self) -> None:
        ready, process = self.child.ready, self.process
        deadline = time.monotonic() + self.limits.ready
        while ready and process and not await asyncio.to_thread(ready):
            # One that ends for another reason than its set-up is kept trying, within the time.
            if process.returncode == SETUP_ERROR:
                await self._last_words()
                raise SetupError(f"{self.name} does not start; it says why above.")
            if process.returncode is not None:
                end_group(process.pid)
                await asyncio.sleep(self.limits.backoff)
                await self._launch()
                process = self.process
            if time.monotonic() > deadline:
                raise SetupError(f"{self.name} is not ready after {self.limits.ready:.0f} s; it may say why above.")
            await asyncio.sleep(POLL)

    async def _heartbeat_age(self) -> float | None:
        age = self.child.heartbeat_age
        return await asyncio.to_thread(age) if age else None

    async def _last_words(self) -> None:
        if self._output:
            await asyncio.wait({self._output}, timeout=1.0)
            self._output.cancel()

    async def _end(self, ladder: Ladder, hurry: asyncio.Event | None = None) -> None:
        await super()._end(ladder, hurry)
        await self._last_words()


class KeptServer(Kept):
    """An embedded server: always on the same socket, so that whoever uses it only has to connect again."""

    def __init__(self, server: Server, limits: Limits, say: Say) -> None:
        super().__init__(server.name, limits, say, server.stops, ((server.stops[-1][0], limits.hurry),))
        self.server = server
        self._answered = 0.0

    async def _spawn(self) -> Process:
        await asyncio.to_thread(self.server.prepare)
        with self.server.open_log() as log:
            process = await asyncio.create_subprocess_exec(
                *self.server.argv(),
                stdin=DEVNULL,
                stdout=log,
                stderr=STDOUT,
                env=self.server.environment,
                start_new_session=True,
            )
        self.server.spawned(process.pid)
        self._answered = time.monotonic()
        return process

    async def _again(self) -> None:
        await self._launch()
        await self._until_ready()

    async def _until_ready(self) -> None:
        begun = said = time.monotonic()
        while not await asyncio.to_thread(self.server.is_ready):
            now = time.monotonic()
            if self.process is None or self.process.returncode is not None or now - begun > START_LIMIT:
                if now - begun > START_LIMIT or not await asyncio.to_thread(self.server.heal):
                    raise self.server.failure()
                await self._launch()
            if now - said > SAY_EVERY:
                said = now
                self.say(f"{self.server.title} is still starting: {self.server.said().strip().rpartition(chr(10))[2]}")
            await asyncio.sleep(POLL)
        await asyncio.to_thread(self.server.settle)

    async def _heartbeat_age(self) -> float | None:
        if await asyncio.to_thread(self.server.answers):
            self._answered = time.monotonic()
        return time.monotonic() - self._answered


def _ending(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _signal(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)


async def _wait(process: Process, patience: float, hurry: asyncio.Event | None = None) -> None:
    """Wait for the end, for so long or until *hurry* is set."""
    waits = [asyncio.ensure_future(process.wait())]
    if hurry:
        waits.append(asyncio.ensure_future(_is_set(hurry)))
    await asyncio.wait(waits, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


async def _is_set(event: asyncio.Event) -> int:
    return int(await event.wait())
