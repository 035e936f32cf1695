"""PostgreSQL and Valkey of our own: as root and as anybody, through kills, leftovers and obstacles."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.embedded import Kept, Person, eventually, root, user
from worker.embedded import Postgres, footing, running
from worker.embedded.postgres import buffers

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become others")


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory that does not lie below one that is closed to others, as pytest's does."""
    path = Path(tempfile.mkdtemp(prefix="uptake-home-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(params=[pytest.param(root, marks=as_root), user], ids=["root", "user"])
def person(request: pytest.FixtureRequest, home: Path) -> Person:
    """Root, and somebody who is not."""
    who: Callable[[Path], Person] = request.param
    return who(home)


@pytest.fixture
def keep(person: Person) -> Iterator[Callable[..., Kept]]:
    """Start keepers that do not outlive the test."""
    started: list[Kept] = []

    def keep(directory: Path | None = None) -> Kept:
        started.append(person.keeps(directory))
        return started[-1]

    yield keep
    for kept in started:
        kept.process.kill()
        kept.process.communicate()


def test_data_are_kept(keep: Callable[..., Kept]) -> None:
    """The first start makes everything, a later one finds it, and nothing runs in between."""
    first = keep().ready()
    first.note("one")
    first.end()
    second = keep().ready()
    assert (second.words(), second.letters()) == (["one"], ["one"])
    second.end()
    assert running(second.directory) is None


@pytest.mark.parametrize("limit", ["memory.max", "memory/memory.limit_in_bytes"])
def test_an_eighth_of_the_memory(tmp_path: Path, limit: str) -> None:
    """Of the machine's, or of the container's where that is less; neither very little nor very much."""
    assert [buffers(size * 2**30, cgroups=tmp_path) for size in (1, 4, 64)] == [128, 512, 1024]
    (tmp_path / "memory").mkdir()
    for said, size in ((f"{4 * 2**30}\n", 512), ("100000000", 128), (f"{2**63 - 4096}\n", 1024), ("max", 1024)):
        (tmp_path / limit).write_text(said)
        assert buffers(64 * 2**30, cgroups=tmp_path) == size


def test_buffers_of_the_server(keep: Callable[..., Kept]) -> None:
    """It has what this machine is reckoned to afford."""
    kept = keep().ready()
    with psycopg.connect(kept.database) as connection:
        row = connection.execute("SELECT setting::int * 8 / 1024 FROM pg_settings WHERE name = 'shared_buffers'")
        assert row.fetchone() == (buffers(),)
    kept.end()


def test_kill_of_the_keeper_loses_no_row(keep: Callable[..., Kept]) -> None:
    """After kill -9 no server is left running, the next start needs no help, and all that was committed is there."""
    first = keep().ready()
    first.note("one")
    first.kill()
    assert running(first.directory) is None
    second = keep().ready()
    assert second.words() == ["one"]
    second.end()


def test_kill_of_the_servers_loses_no_row(keep: Callable[..., Kept]) -> None:
    """Servers killed under a living keeper leave locks that the next start clears by itself."""
    first = keep().ready()
    first.note("one")
    for server in first.servers():
        os.kill(server.pid, signal.SIGKILL)
    first.process.communicate(timeout=60)
    second = keep().ready()
    assert second.words() == ["one"]
    second.end()


def test_interrupted_first_start_is_begun_again(keep: Callable[..., Kept]) -> None:
    """A kill while the cluster is being made never leaves a half one that looks whole."""
    first = keep()
    making = first.directory / "pg.new" / "global"
    eventually(making.exists, "the cluster is never begun", limit=30)
    first.process.kill()
    first.process.communicate()
    assert not (first.directory / "pg" / "PG_VERSION").exists()
    second = keep().ready()
    second.note("one")
    assert second.words() == ["one"]
    second.end()


def test_stranger_with_a_remembered_pid_is_left_alone(keep: Callable[..., Kept]) -> None:
    """Pids are given again: a process that merely has the number in our lock is not ours to stop."""
    first = keep().ready()
    first.kill()
    stranger = subprocess.Popen(["sleep", "60"])
    (first.directory / "pg" / "postmaster.pid").write_text(f"{stranger.pid}\n")
    state = first.directory / "servers.json"
    state.write_text(json.dumps({"valkey": {"pid": stranger.pid, "started": "another"}}))
    second = keep().ready()
    assert stranger.poll() is None
    second.end()
    stranger.kill()
    stranger.wait()


def test_long_path(keep: Callable[..., Kept], person: Person) -> None:
    """A path longer than a socket's may be, with blanks and quotes in it, works like any other."""
    kept = keep(person.home / ("deep" * 20) / "o'clock at noon" / "data").ready()
    kept.note("one")
    kept.end()


def test_second_keeper_is_refused(keep: Callable[..., Kept]) -> None:
    """One line names who has the directory; the first goes on untouched."""
    first = keep().ready()
    [line] = keep().refusal()
    assert f"already runs on {first.directory} (pid {first.process.pid})" in line
    first.note("one")
    first.end()


def test_file_in_the_way(keep: Callable[..., Kept], person: Person) -> None:
    """One line names the path and what to do."""
    (person.home / "data").write_text("")
    [line] = keep().refusal()
    assert str(person.home / "data") in line
    assert "UPTAKE_DATA_DIR" in line


def test_closed_directory(home: Path) -> None:
    """Somebody without the right to write is told so, in one line."""
    someone = user(home)
    # Root's rights would open it; a closed place of one's own is closed to anybody else.
    os.chown(home, *((1, 1) if os.geteuid() == 0 else (-1, -1)))
    home.chmod(0o555)
    [line] = someone.keeps().refusal()
    home.chmod(0o755)
    assert line.startswith(f"No permission to write to {home / 'data'}")


@as_root
@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
def test_root_without_user_namespaces(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, closed: bool
) -> None:
    """Where root may not make a user namespace, PostgreSQL runs as nobody, from a copy if need be."""
    home.chmod(0o755)
    monkeypatch.setattr(footing, "NAMESPACE", ("false",))
    monkeypatch.setattr(footing, "HOUSE", home / "house")
    directory = (tmp_path if closed else home) / "data"
    for _ in range(2):
        postgres = Postgres(directory)
        with postgres, psycopg.connect(postgres.conninfo()) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS word (word text)")
            assert postgres.process
            assert Path(f"/proc/{postgres.process.pid}").stat().st_uid == footing.NOBODY
    assert (directory / "pg").is_symlink() == closed
