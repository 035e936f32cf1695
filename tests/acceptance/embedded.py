"""What the tests of the embedded servers share: a person who runs them, in a process of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import redis

from worker.embedded.directory import Directory
from worker.embedded.footing import NAMESPACE, NOBODY
from worker.embedded.process import Identity

ROOT = Path(__file__).parents[2]
GONE_LIMIT = 10.0


def eventually(claim: Callable[[], bool], what: str, limit: float = GONE_LIMIT) -> None:
    """Wait until *claim* holds; fail with *what* when it never does."""
    deadline = time.monotonic() + limit
    while not claim():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def descendants(pid: int) -> list[int]:
    """The processes that *pid* started, and those that they started."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found = [child for child, parent in pairs if parent == pid]
    return found + [deeper for child in found for deeper in descendants(child)]


class Kept:
    """A process that keeps both servers in *directory*, running as *uid*."""

    def __init__(self, directory: Path, uid: int, prefix: tuple[str, ...] = ()) -> None:
        self.directory = directory
        become = os.geteuid() != uid
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "tests.acceptance.keep", str(directory)],
            cwd=ROOT,
            user=uid if become else None,
            group=uid if become else None,
            extra_groups=[] if become else None,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            text=True,
        )
        self.database = self.valkey = ""

    def ready(self) -> "Kept":
        """Wait until both answer."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        answer = json.loads(line)
        self.database = answer["database"].replace("+psycopg", "")
        self.valkey = answer["valkey"]
        return self

    def servers(self) -> list[Identity]:
        """The processes of both servers."""
        known = Directory(self.directory)
        return [found for name in ("postgres", "valkey") if (found := known.process(name))]

    def refusal(self) -> list[str]:
        """The lines it ends with when it does not start."""
        _, said = self.process.communicate(timeout=60)
        assert self.process.returncode == 2, said
        return said.splitlines()

    def end(self) -> None:
        """Let it stop the servers, and see that it did."""
        servers = self.servers()
        _, said = self.process.communicate(timeout=60)
        assert (self.process.returncode, said) == (0, "")
        assert not any(server.is_alive for server in servers)

    def kill(self) -> None:
        """End it as a power cut would, and see that it takes the servers along."""
        servers = self.servers()
        assert len(servers) == 2
        self.process.kill()
        self.process.communicate()
        eventually(lambda: not any(server.is_alive for server in servers), "a server outlives its keeper")

    def note(self, word: str) -> None:
        """Write a word into both servers."""
        with psycopg.connect(self.database) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS word (word text)")
            connection.execute("INSERT INTO word VALUES (%s)", [word])
        with redis.Redis.from_url(self.valkey) as client:
            client.rpush("words", word)

    def words(self) -> list[str]:
        """The words that PostgreSQL has."""
        with psycopg.connect(self.database) as connection:
            return [row[0] for row in connection.execute("SELECT word FROM word ORDER BY word")]

    def letters(self) -> list[str]:
        """The words that Valkey has."""
        with redis.Redis.from_url(self.valkey, decode_responses=True) as client:
            return [str(word) for word in client.lrange("words", 0, -1)]


@dataclass(frozen=True)
class Person:
    """Somebody who runs servers as *uid*, behind *prefix*, with a directory of their own."""

    uid: int
    home: Path
    prefix: tuple[str, ...] = ()

    def keeps(self, directory: Path | None = None) -> Kept:
        """Start keeping the servers, as this person."""
        return Kept(directory or self.home / "data", self.uid, self.prefix)


def root(home: Path) -> Person:
    """Root, who PostgreSQL does not run for."""
    return Person(0, home)


def user(home: Path) -> Person:
    """Somebody who is not root: who we are, else nobody, else root made nobody in a user namespace.

    The last is for machines where only root may enter the directory that Python is in.
    """
    if os.geteuid() != 0:
        return Person(os.geteuid(), home)
    if _runs_python(user=NOBODY):
        os.chown(home, NOBODY, NOBODY)
        return Person(NOBODY, home)
    if _runs_python(*NAMESPACE):
        return Person(0, home, NAMESPACE)
    pytest.skip(f"nobody else may run {sys.executable}")


def _runs_python(*prefix: str, user: int | None = None) -> bool:
    try:
        return subprocess.run([*prefix, sys.executable, "-c", ""], user=user, check=False).returncode == 0
    except OSError:
        return False
