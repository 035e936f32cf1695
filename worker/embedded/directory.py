"""The data directory: who may use it, where its sockets live, and what runs in it now."""

import errno
import fcntl
import hashlib
import json
import os
import re
import socket
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from worker.embedded.errors import SetupError
from worker.embedded.process import Identity, identify

# Unix socket paths end at 104 bytes (macOS) or 108 (Linux); the longest name below is /.s.PGSQL.5432.lock.
SOCKET_PATH_LIMIT = 80
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")


@dataclass(frozen=True)
class Servers:
    """The embedded servers that run now, and the process that keeps them; None where a server is not ours."""

    pid: int
    database_url: str | None
    redis_url: str | None
    broker_url: str | None
    config: str | None = None  # the uptake.toml that everything of this directory goes by, when it is not the usual one


def explained(error: OSError, path: Path) -> SetupError:
    """Say in one sentence why *path* cannot be used and what to do."""
    if error.errno == errno.ENOSPC:
        return SetupError(f"No space is left on the disk of {path}; free some or set UPTAKE_DATA_DIR elsewhere.")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return SetupError(
            f"No permission to write to {path}; run as its owner or set UPTAKE_DATA_DIR to a directory of yours."
        )
    reason = error.strerror or str(error)
    return SetupError(f"The data directory {path} cannot be used ({reason}); set UPTAKE_DATA_DIR elsewhere.")


class Lock:
    """Exclusive use of something for as long as this process lives; the kernel frees it after kill -9 too."""

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self.what = what
        self._file: int | None = None

    def __enter__(self) -> Self:
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise explained(error, self.path.parent) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 32, 0).decode().strip() or "unknown"
            self.__exit__()
            raise SetupError(
                f"{self.what} already runs on {self.path.parent} (pid {holder}); "
                "stop that one first or set UPTAKE_DATA_DIR elsewhere."
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        # The file stays: removing it would let two processes lock two files of one name.
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Directory:
    """One data directory; made on first use, private to its owner."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()

    def make(self) -> None:
        """Create the directory, or say why it cannot be written to."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise explained(error, self.path) from error

    def lock(self, name: str, what: str) -> Lock:
        """Exclusive use of *name* in this directory, for this process."""
        return Lock(self.path / f"{name}.lock", what)

    def run(self, uid: int | None = None, *, elsewhere: bool = False) -> Path:
        """A private directory for sockets, the same at each start, with a path short enough for them.

        Given a *uid* it is lent to that user, and then it is another one than our own.
        """
        name = "run" if uid is None else f"run-{uid}"
        inside = self.path / name
        fits = len(os.fsencode(inside)) <= SOCKET_PATH_LIMIT and PLAIN_PATH.fullmatch(str(inside))
        chosen = inside if fits and not elsewhere and self._takes_sockets() else self._short(name)
        _private(chosen, os.geteuid() if uid is None else uid)
        return chosen

    def _short(self, name: str) -> Path:
        mark = hashlib.sha256(os.fsencode(self.path / name)).hexdigest()[:12]
        short = f"uptake-{os.geteuid()}-{mark}"
        places = [tempfile.gettempdir(), "/tmp"]  # noqa: S108 - _private() refuses one that another user made
        return next(Path(p, short) for p in places if len(os.fsencode(p)) + len(short) < SOCKET_PATH_LIMIT)

    def _takes_sockets(self) -> bool:
        # Shared folders of virtual machines often do not.
        probe = self.path / ".socket"
        with socket.socket(socket.AF_UNIX) as end:
            try:
                probe.unlink(missing_ok=True)
                end.bind(str(probe))
            except OSError:
                return False
        probe.unlink()
        return True

    @property
    def state_file(self) -> Path:
        """Where other commands find the servers of a running one."""
        return self.path / "servers.json"

    def state(self) -> dict[str, Any]:
        """What was remembered; empty when nothing was, or when it cannot be read."""
        try:
            found = json.loads(self.state_file.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def remember(self, **values: object) -> None:
        """Write *values* into the state, whole or not at all; None forgets one, and an empty state has no file."""
        state = {k: v for k, v in (self.state() | values).items() if v is not None}
        if not state:
            self.state_file.unlink(missing_ok=True)
            return
        fresh = self.state_file.with_suffix(".new")
        with suppress(FileNotFoundError):
            fresh.unlink()
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(state, file, indent=2)
        fresh.replace(self.state_file)

    def own(self) -> None:
        """Remember this process as the one that keeps the servers."""
        me = identify(os.getpid())
        self.remember(owner=me._asdict() if me else None)

    def disown(self) -> None:
        """Forget this process and everything it kept."""
        self.state_file.unlink(missing_ok=True)

    def process(self, name: str) -> Identity | None:
        """The remembered process of one server, if it still runs."""
        found = identity(self.state().get(name))
        return found if found and found.is_alive else None


def _private(path: Path, uid: int) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {uid, os.geteuid()}:
            raise SetupError(f"{path} belongs to somebody else; remove it or set TMPDIR to a directory of yours.")
        path.chmod(0o700)
        if found.st_uid != uid:
            os.chown(path, uid, uid)
    except OSError as error:
        raise explained(error, path) from error


def identity(found: object) -> Identity | None:
    """Read an Identity back from the state; None when it is not one."""
    if not isinstance(found, dict):
        return None
    try:
        return Identity(int(found["pid"]), str(found["started"]))
    except (KeyError, TypeError, ValueError):
        return None


def running(data_dir: Path) -> Servers | None:
    """The servers kept by a live process in *data_dir*; None when nothing runs there, whatever was left behind."""
    state = Directory(data_dir).state()
    owner = identity(state.get("owner"))
    if owner is None or not owner.is_alive:
        return None
    told = (state.get(name) for name in ("database_url", "redis_url", "broker_url", "config"))
    return Servers(owner.pid, *told)
