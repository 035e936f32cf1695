"""Our own dashboard in a process of its own, asked over HTTP: how long an answer takes, what a long one holds."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from models import Scope, Session, db_now
from models.audit import Actor
from models.tokens import make_token
from worker.embedded.process import leashed

_PATIENCE = 30.0
_BLOCK = 64 * 1024
_FIRST = 0.1  # of the rows, after which memory is looked at first


@dataclass(frozen=True, slots=True)
class Streamed:
    """What came: how many rows, in which time, and what the process held after a tenth and after all, in bytes."""

    rows: int
    seconds: float
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A running one, and a token that it knows."""

    port: int
    pid: int
    token: str

    def seconds(self, path: str) -> float:
        """How long it takes to answer *path* whole."""
        began = time.perf_counter()
        for _ in self._blocks(path):
            pass
        return time.perf_counter() - began

    def stream(self, paths: Sequence[str], *, rows: int) -> Streamed:
        """Read these one after another, of which about so many *rows* are expected in all."""
        began, lines, first = time.perf_counter(), 0, 0
        for path in paths:
            lines -= 1  # the names of the columns
            for block in self._blocks(path):
                lines += block.count(b"\r\n")
                if not first and lines >= rows * _FIRST:
                    first = self._resident()
        return Streamed(lines, time.perf_counter() - began, first, self._resident())

    def _blocks(self, path: str) -> Iterator[bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)) as connection:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
            answer = connection.getresponse()
            if answer.status != http.client.OK:
                raise RuntimeError(f"{path} was answered with {answer.status}: {answer.read(500)!r}")
            while block := answer.read1(_BLOCK):
                yield block

    def _resident(self) -> int:
        found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)
        return int(found[1]) * 1024 if found else 0


@contextmanager
def dashboard(environment: Mapping[str, str]) -> Iterator[Dashboard]:
    """One over the database that the environment leads to, while the block runs; Session is bound to the same."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Session.begin() as session:
        now = db_now(session)
        name = f"bench {now.isoformat()}"
        token = make_token(
            session, name, Scope.READ, expires_at=None, sources=None, actor=Actor("bench", "cli"), now=now
        )
    more = {"UPTAKE_DASHBOARD_PORT": str(port), "UPTAKE_API_RATE": "0"}
    process = subprocess.Popen(
        leashed([sys.executable, "-m", "dashboard"], death=signal.SIGTERM),
        env=os.environ | environment | more,
        cwd=Path(__file__).parents[1],
        stdin=subprocess.DEVNULL,
    )
    try:
        _await(process, port)
        yield Dashboard(port, process.pid, str(token))
    finally:
        process.terminate()
        process.wait()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the dashboard does not start")
