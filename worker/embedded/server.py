"""What PostgreSQL and Valkey have in common: how one server is prepared, started, watched and stopped."""

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar

from worker.embedded.directory import Directory
from worker.embedded.errors import SetupError
from worker.embedded.process import Identity, identify, stop

Progress = Callable[[str], None]

LOG_LIMIT = 4_000_000
# Replaying a long log after a crash is honest work: wait for it, say so, but not for ever.
START_LIMIT = 600.0
SAY_EVERY = 5.0


def silent(_message: str) -> None:
    """Tell nobody."""


class Server(ABC):
    """One embedded server on one data directory; the steps are for the supervisor, start and stop for all others.

    start() must be called from a thread that lives as long as the server shall: it dies with that thread.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    stops: ClassVar[tuple[tuple[signal.Signals, float], ...]]
    forgets: ClassVar[tuple[str, ...]] = ()

    def __init__(self, data_dir: Path) -> None:
        self.directory = Directory(data_dir)
        self.log = self.directory.path / "logs" / f"{self.name}.log"
        self.sockets = self.directory.path / "run"
        self._log_start = 0
        self._held = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Make the place ready for a start, clearing whatever an earlier one left; SetupError says what is wrong."""

    @abstractmethod
    def argv(self) -> list[str]:
        """The command that runs the server in the foreground, under the leash of the calling thread."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Say whether the server answers a real question."""

    def answers(self) -> bool:
        """Say whether the server is alive, though it may have no time for us now."""
        return self.is_ready()

    @abstractmethod
    def settle(self) -> str:
        """Finish the start of a server that is ready, remember its addresses, and return the one for clients."""

    def heal(self) -> bool:
        """Mend what kept the server from starting; False when it is beyond us."""
        return False

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the server: ours, without what would configure it behind our back."""
        return {k: v for k, v in os.environ.items() if not k.startswith("PG")}

    def hold(self) -> None:
        """Take the server's place for this process alone; taken twice by the same object it stays taken once."""
        self.directory.make()
        lock = self.directory.lock(self.name, self.title)
        self._held.close()
        self._held.enter_context(lock)

    def open_log(self) -> IO[bytes]:
        """The file for the output of the next start; an old one that grew large moves aside."""
        self.log.parent.mkdir(mode=0o700, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        file = self.log.open("ab")
        self._log_start = file.tell()
        return file

    def said(self) -> str:
        """What the server wrote since its latest start."""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read(64_000).decode(errors="replace")

    def spawned(self, pid: int) -> None:
        """Remember the process, so that a later start can tell an orphan of ours from a stranger."""
        found = identify(pid)
        self.directory.remember(**{self.name: found._asdict() if found else None})

    def clear_orphan(self) -> None:
        """Stop the server that an earlier owner left running; a stranger with its pid is left alone."""
        orphan = self.directory.process(self.name)
        if orphan:
            stop(orphan, self.stops)

    def failure(self) -> SetupError:
        """Say in one sentence why the server did not start."""
        said = self.said()
        if "No space left on device" in said:
            return SetupError(
                f"{self.title} does not start: no space is left on the disk of {self.directory.path}; free some or "
                "set UPTAKE_DATA_DIR elsewhere."
            )
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        fatal = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "Fatal", "ERROR"))]
        last = (fatal or lines or ["it said nothing"])[-1]
        return SetupError(f"{self.title} does not start: {last} (its log: {self.log})")

    def release(self) -> None:
        """Forget the server and leave its place to others."""
        if self.directory.path.exists():
            self.directory.remember(**dict.fromkeys((self.name, *self.forgets)))
            if self.directory.state().keys() <= {"owner"}:
                self.directory.disown()
        # Only when it is empty: it may be shared, and outside of the data directory it would be litter.
        with suppress(OSError):
            self.sockets.rmdir()
        self._held.close()

    def start(self, progress: Progress = silent, limit: float = START_LIMIT) -> str:
        """Start the server and wait until it answers; return its address for clients."""
        self.hold()
        self.directory.own()
        try:
            deadline = time.monotonic() + limit
            self._launch()
            while not self._answers(progress, deadline):
                if not self.heal() or time.monotonic() > deadline:
                    raise self.failure()  # noqa: TRY301 - what was started must be stopped below
                self._launch()
            return self.settle()
        except BaseException:
            self.stop()
            raise

    def _launch(self) -> None:
        self.prepare()
        with self.open_log() as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                self.argv(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,
            )
        self.spawned(self._process.pid)

    def _answers(self, progress: Progress, deadline: float) -> bool:
        say_at = time.monotonic() + SAY_EVERY
        while self._process and self._process.poll() is None:
            if self.is_ready():
                return True
            now = time.monotonic()
            if now > deadline:
                return False
            if now > say_at:
                progress(f"{self.title} is still starting: {self.said().strip().rpartition(chr(10))[2]}")
                say_at = now + SAY_EVERY
            time.sleep(0.02)
        return False

    @property
    def process(self) -> Identity | None:
        """The running server's process; None when start() has not been called or it has ended."""
        return identify(self._process.pid) if self._process else None

    def stop(self) -> None:
        """Stop the server cleanly, or for certain after its patience; stopping twice does nothing more."""
        if self._process:
            running = identify(self._process.pid)
            if running:
                stop(running, self.stops)
            self._process.wait()
            self._process = None
        self.release()

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
