"""The supervisor on real processes: order, restarts, hangs, kills and clean ends."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from tests.acceptance.embedded import ROOT, descendants, eventually
from worker.embedded import leash, running
from worker.embedded.directory import Directory
from worker.embedded.process import Identity, identify, started

QUICK = {"backoff": 0.05, "look": 0.05, "heartbeat": 1.0, "grace": 20.0}

# Each program writes its pid, so that the test can find it and see its successor.
BEGIN = """
import os, signal, subprocess, sys, time
from pathlib import Path
here = Path(os.environ["HERE"])
def note(name, text):
    (here / f"{name}.new").write_text(str(text))
    (here / f"{name}.new").rename(here / name)
"""
SLEEPER = BEGIN + "note('sleeper', os.getpid())\ntime.sleep(600)"
BEATER = BEGIN + "note('beater', os.getpid())\nwhile True:\n    note('beater.beat', time.monotonic()); time.sleep(0.05)"
STUBBORN = BEGIN + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nnote('stubborn', os.getpid())\ntime.sleep(600)"
LAST_WORD = "\n".join(
    (
        BEGIN,
        """
import psycopg, redis
def end(*_):
    with psycopg.connect(os.environ["DATABASE_URL"].replace("+psycopg", "")) as connection:
        connection.execute("INSERT INTO word VALUES (%s)", ["the last"])
    with redis.Redis.from_url(os.environ["REDIS_URL"].replace("redis+socket", "unix")) as client:
        client.rpush("words", "the last")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
note('worker', os.getpid())
print('{"event":"worker.started"}')
time.sleep(600)
""",
    )
)


class Up:
    """A supervisor in *directory*, in a process of its own."""

    def __init__(self, directory: Path, children: dict[str, dict[str, Any]], *, given: bool, **limits: float) -> None:
        self.directory = directory
        self.data = directory / "data"
        (directory / "up").unlink(missing_ok=True)
        told = {"directory": str(directory), "children": children, "given": given, "limits": QUICK | limits}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.supervise", json.dumps(told)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> "Up":
        """Wait until everything is up."""
        eventually(lambda: self._is_up() or self.process.poll() is not None, "it never comes up", limit=60)
        assert self.process.poll() is None, self.process.communicate()
        return self

    def _is_up(self) -> bool:
        return (self.directory / "up").exists()

    def pid(self, name: str) -> int:
        """The pid that a program wrote down, once it has."""
        file = self.directory / name
        eventually(file.exists, f"{name} never starts")
        return int(file.read_text())

    def successor(self, name: str, of: int) -> int:
        """The pid of the process that took the place of another."""
        eventually(lambda: self.pid(name) != of, f"{name} is not started again", limit=20)
        return self.pid(name)

    def server(self, name: str) -> Identity:
        """The process of a server, once it runs."""
        eventually(lambda: Directory(self.data).process(name) is not None, f"{name} never starts")
        found = Directory(self.data).process(name)
        assert found
        return found

    def stop(self, number: signal.Signals = signal.SIGINT) -> str:
        """End it by a signal, cleanly, and return what it said."""
        self.process.send_signal(number)
        said, errors = self.process.communicate(timeout=60)
        assert (self.process.returncode, errors) == (0, ""), said
        return said


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory for one machine's worth of everything."""
    path = Path(tempfile.mkdtemp(prefix="uptake-up-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def up(directory: Path) -> Iterator[Callable[..., Up]]:
    """Start supervisors that do not outlive the test."""
    begun: list[Up] = []

    def up(children: dict[str, dict[str, Any]], *, given: bool = True, **limits: float) -> Up:
        begun.append(Up(directory, children, given=given, **limits))
        return begun[-1]

    yield up
    for one in begun:
        one.process.kill()
        one.process.communicate()


def _is_gone(pid: int) -> bool:
    return started(pid) is None


def _words(data: Path) -> list[str]:
    found = running(data)
    assert found
    assert found.database_url
    with psycopg.connect(found.database_url.replace("+psycopg", "")) as connection:
        return [row[0] for row in connection.execute("SELECT word FROM word")]


def test_one_signal_stops_all_in_order(up: Callable[..., Up]) -> None:
    """A worker told to stop still has its database and its broker; then these stop, and what it wrote is kept."""
    children = {"worker": {"code": LAST_WORD, "ready": "worker"}}
    first = up(children, given=False).ready()
    worker, servers = first.pid("worker"), [first.server("postgres"), first.server("valkey")]
    assert '{"event":"worker.started"}' in first.stop().splitlines()
    assert _is_gone(worker)
    assert not any(server.is_alive for server in servers)
    assert running(first.data) is None

    second = up(children, given=False).ready()
    assert _words(second.data) == ["the last"]
    found = running(second.data)
    assert found
    assert found.redis_url
    with redis.Redis.from_url(found.redis_url) as client:
        assert client.lrange("words", 0, -1) == [b"the last"]
    second.stop(signal.SIGTERM)


def test_killed_ones_are_started_again(up: Callable[..., Up]) -> None:
    """Children and servers that die come back by themselves, the servers at the same address with what they had."""
    one = up({"sleeper": {"code": SLEEPER}}, given=False).ready()
    before = running(one.data)
    sleeper, postgres, valkey = one.pid("sleeper"), one.server("postgres"), one.server("valkey")
    for pid in (sleeper, postgres.pid, valkey.pid):
        os.kill(pid, signal.SIGKILL)

    assert one.successor("sleeper", of=sleeper) != sleeper
    eventually(lambda: one.server("postgres") != postgres, "postgres stays away")
    eventually(lambda: one.server("valkey") != valkey, "valkey stays away")
    assert running(one.data) == before
    eventually(lambda: _answers(one.data), "postgres does not answer again")
    said = one.stop()
    assert "postgres was killed by SIGKILL; starting it again in 0.05 s" in said
    assert "sleeper was killed by SIGKILL; starting it again in 0.05 s" in said


def _answers(data: Path) -> bool:
    try:
        return _words(data) == []
    except psycopg.OperationalError:
        return False


def test_hung_child_is_replaced(up: Callable[..., Up]) -> None:
    """One that runs but gives no sign of life is killed and started again; one that does is left alone."""
    one = up({"beater": {"code": BEATER, "beats": True}, "sleeper": {"code": SLEEPER}}).ready()
    beater, sleeper = one.pid("beater"), one.pid("sleeper")
    os.kill(beater, signal.SIGSTOP)
    successor = one.successor("beater", of=beater)
    assert _is_gone(beater)
    assert (one.pid("beater"), one.pid("sleeper")) == (successor, sleeper)
    assert "beater gave no sign of life for" in one.stop()


def test_hung_server_is_replaced(up: Callable[..., Up]) -> None:
    """A server that does not answer, though it runs, is killed and started again."""
    one = up({}, given=False, hurry=0.2).ready()
    valkey = one.server("valkey")
    os.kill(valkey.pid, signal.SIGSTOP)
    eventually(lambda: not valkey.is_alive and one.server("valkey") != valkey, "valkey stays hung", limit=30)
    assert "valkey gave no sign of life for" in one.stop()


def test_kill_of_the_supervisor_leaves_nothing(up: Callable[..., Up]) -> None:
    """After kill -9 everything ends by itself, and the next start is clean."""
    one = up({"sleeper": {"code": SLEEPER}, "stubborn": {"code": STUBBORN}}, given=False).ready()
    pids = [one.pid("sleeper"), one.pid("stubborn"), one.server("postgres").pid, one.server("valkey").pid]
    one.process.kill()
    one.process.communicate()
    eventually(lambda: all(map(_is_gone, pids)), "something outlives the supervisor")
    assert running(one.data) is None
    again = up({"sleeper": {"code": SLEEPER}}, given=False).ready()
    assert again.successor("sleeper", of=pids[0])
    again.stop()


def test_second_one_is_refused(up: Callable[..., Up]) -> None:
    """One line names the process that has the directory, which goes on untouched."""
    first = up({"sleeper": {"code": SLEEPER}}).ready()
    sleeper = first.pid("sleeper")
    second = up({"sleeper": {"code": SLEEPER}})
    said, errors = second.process.communicate(timeout=30)
    assert (second.process.returncode, said) == (2, "")
    [line] = errors.splitlines()
    assert f"already runs on {first.data} (pid {first.process.pid})" in line
    assert first.pid("sleeper") == sleeper
    first.stop()


def test_stubborn_child_is_killed_after_its_grace(up: Callable[..., Up]) -> None:
    """A child that ignores SIGTERM has its time and no more."""
    one = up({"stubborn": {"code": STUBBORN, "ready": "stubborn"}}, grace=0.2).ready()
    stubborn = one.pid("stubborn")
    assert "stubborn does not stop and is killed" in one.stop()
    assert _is_gone(stubborn)


def test_second_signal_kills(up: Callable[..., Up]) -> None:
    """Whoever asks twice does not wait for the grace."""
    one = up({"stubborn": {"code": STUBBORN, "ready": "stubborn"}}, grace=600).ready()
    one.process.send_signal(signal.SIGINT)
    assert one.process.stdout
    assert "Ctrl-C again kills" in one.process.stdout.readline()
    one.stop()
    assert _is_gone(one.pid("stubborn"))


def test_children_of_a_child_go_with_it(up: Callable[..., Up]) -> None:
    """A pool whose parent is gone must not work on beside its successor's."""
    code = BEGIN + (
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "note('pool', child.pid)\nnote('parent', os.getpid())\ntime.sleep(600)"
    )
    one = up({"parent": {"code": code}}).ready()
    parent, pool = one.pid("parent"), one.pid("pool")
    os.kill(parent, signal.SIGKILL)
    one.successor("parent", of=parent)
    assert _is_gone(pool)
    one.stop()


def test_later_children_wait_for_earlier_ones(up: Callable[..., Up]) -> None:
    """One of a higher order starts when those of a lower one are ready."""
    early = BEGIN + "time.sleep(0.3)\nnote('early', 1)\ntime.sleep(600)"
    late = BEGIN + "note('late', (here / 'early').exists())\ntime.sleep(600)"
    children = {
        "a_late": {"code": late, "order": 1, "ready": "late"},
        "b_early": {"code": early, "ready": "early"},
    }
    one = up(children).ready()
    assert (one.directory / "late").read_text() == "True"
    one.stop()


def test_setup_error_of_a_child_ends_the_start(up: Callable[..., Up]) -> None:
    """A child that says by exit code 2 that no second try can help is not tried again; nothing stays running."""
    wrong = {"code": BEGIN + "print('the file is missing')\nsys.exit(2)", "ready": "never", "order": 1}
    one = up({"sleeper": {"code": SLEEPER, "ready": "sleeper"}, "wrong": wrong})
    said, errors = one.process.communicate(timeout=30)
    assert one.process.returncode == 2
    assert said.splitlines() == ["the file is missing"]
    assert errors == "wrong does not start; it says why above.\n"
    assert _is_gone(one.pid("sleeper"))


def test_servers_of_somebody_else_are_left_alone(up: Callable[..., Up]) -> None:
    """With both addresses given no server is started, and the children's environment is as it was."""
    code = BEGIN + "note('told', os.environ.get('DATABASE_URL', 'nothing'))\ntime.sleep(600)"
    one = up({"child": {"code": code, "ready": "told"}}).ready()
    assert (one.directory / "told").read_text() == "nothing"
    assert sorted(path.name for path in one.data.iterdir()) == ["servers.json", "up.lock"]
    one.stop()


def test_leash_of_other_kernels() -> None:
    """Where the kernel does not tell a child that its parent died, the leash watches, and ends the program."""
    follow = f"""
import os, subprocess, sys
sys.path.insert(0, {str(ROOT)!r})
code = "import sys; from worker.embedded.leash import follow; follow(int(sys.argv[1]), 15, ['sleep', '600'])"
subprocess.Popen([sys.executable, "-c", code, str(os.getpid())], cwd={str(ROOT)!r})
sys.stdin.read()
"""
    assert leash.POLL < 1
    parent = subprocess.Popen([sys.executable, "-c", follow], stdin=subprocess.PIPE)
    eventually(lambda: len(descendants(parent.pid)) == 2, "the program is never started")
    family = [found for pid in descendants(parent.pid) if (found := identify(pid))]
    parent.kill()
    parent.communicate()
    eventually(lambda: not any(one.is_alive for one in family), "the program outlives its parent")
