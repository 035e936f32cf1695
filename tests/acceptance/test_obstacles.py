"""What may be in the way of the embedded servers: orphans, other versions, spoiled files, full disks."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from config.settings import settings
from tests.acceptance.embedded import ROOT, eventually
from worker.embedded import Postgres, Server, SetupError, Valkey
from worker.embedded.process import identify

# What leashed() puts before the program.
LEASH = len([sys.executable, "-I", "-S", "leash.py", "parent", "signal", "uid"])

Serving = Callable[[type[Server]], Server]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    """Servers on one directory that do not outlive the test."""
    made: list[Server] = []

    def serve(kind: type[Server]) -> Server:
        made.append(kind(tmp_path / "data"))
        return made[-1]

    yield serve
    for one in made:
        one.stop()


@pytest.mark.parametrize("kind", [Postgres, Valkey], ids=["postgres", "valkey"])
def test_orphan_is_stopped_first(server: Serving, kind: type[Server]) -> None:
    """A server of ours that outlived everything, of which no note is left, never works beside its successor."""
    first = server(kind)
    first.start()
    first.stop()
    first.prepare()
    with first.open_log() as log:
        orphan = subprocess.Popen(first.argv()[LEASH:], stdout=log, stderr=log, start_new_session=True)
    eventually(first.is_ready, "the orphan does not start")
    found = identify(orphan.pid)
    assert found

    server(kind).start()
    assert not found.is_alive
    orphan.wait()


def test_cluster_of_another_version_is_not_touched(server: Serving) -> None:
    """One sentence names both versions and the ways out."""
    first = server(Postgres)
    first.start()
    first.stop()
    version = first.directory.path / "pg" / "PG_VERSION"
    version.write_text("12\n")
    with pytest.raises(SetupError, match=r"was made by PostgreSQL 12, but .* has \d\d: set UPTAKE_PG_BIN .* move"):
        server(Postgres).start()
    assert version.read_text() == "12\n"


def test_spoiled_queue_begins_empty(server: Serving) -> None:
    """A log of Valkey that cannot be read is put aside: what was in it were only doorbells."""
    first = server(Valkey)
    with redis.Redis.from_url(first.start()) as client:
        client.rpush("queue", *range(100))
    first.stop()
    log = first.directory.path / "valkey" / "appendonlydir"
    [written] = log.glob("*.incr.aof")
    content = written.read_bytes()
    written.write_bytes(content[:200] + b"nonsense" + content[208:])

    with redis.Redis.from_url(server(Valkey).start()) as client:
        assert client.exists("queue") == 0
    assert (log.parent / "appendonlydir.1" / written.name).exists()


@pytest.mark.parametrize(
    ("kind", "name"), [(Postgres, "UPTAKE_PG_BIN"), (Valkey, "UPTAKE_REDIS_BIN")], ids=["postgres", "valkey"]
)
def test_wrong_programs_are_named(
    server: Serving, kind: type[Server], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place that was chosen but has no program in it is said, not silently passed over."""
    with monkeypatch.context() as environment:
        environment.setenv(name, str(tmp_path))
        settings.cache_clear()
        with pytest.raises(SetupError, match=f"^{name} names {tmp_path}"):
            server(kind).start()
    settings.cache_clear()


def _kept_in(directory: Path, *prefix: str, shell: str = "") -> subprocess.CompletedProcess[str]:
    """Start and stop the servers in *directory*, in a namespace made by *prefix*, after a command of the *shell*."""
    keep = f'{shell} exec "$0" -m tests.acceptance.keep "$1"'
    return subprocess.run(
        ["unshare", *prefix, "sh", "-c", keep, sys.executable, str(directory / "data")],
        cwd=ROOT,
        input="",
        capture_output=True,
        text=True,
        check=False,
    )


def _may(*prefix: str) -> bool:
    if not shutil.which("unshare"):
        return False
    return subprocess.run(["unshare", *prefix, "true"], capture_output=True, check=False).returncode == 0


def test_full_disk(tmp_path: Path) -> None:
    """No space for the database is one line that says so, and leaves nothing half made."""
    prefix = ("--user", "--map-root-user", "--mount")
    if not _may(*prefix):
        pytest.skip("no disk of our own can be made here")
    mount = f"mount -t tmpfs -o size=8m tmpfs '{tmp_path}' &&"
    ended = _kept_in(tmp_path, *prefix, shell=mount)
    assert (ended.returncode, ended.stdout) == (2, "")
    [line] = ended.stderr.splitlines()
    assert line.startswith("No space is left on the disk of")


def test_user_without_a_name(tmp_path: Path) -> None:
    """In a container that is run as just any number, PostgreSQL runs all the same."""
    prefix = ("--user", "--map-user=4242", "--map-group=4242")
    if not _may(*prefix):
        pytest.skip("user namespaces are not allowed here")
    ended = _kept_in(tmp_path, *prefix)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "/uptake?host=" in ended.stdout


def test_sockets_leave_no_litter(tmp_path: Path) -> None:
    """A socket directory that had to be made elsewhere is gone when the last server has stopped."""
    directory = tmp_path / ("deep" * 30)
    postgres, valkey = Postgres(directory), Valkey(directory)
    with postgres, valkey:
        assert postgres.sockets == valkey.sockets
        assert not postgres.sockets.is_relative_to(tmp_path)
    assert not postgres.sockets.exists()
