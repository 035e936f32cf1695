"""PostgreSQL of our own on a socket in the data directory, for one machine and for the tests."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import psycopg

from worker.embedded import binaries
from worker.embedded.errors import SetupError
from worker.embedded.footing import Footing, footing, settle
from worker.embedded.process import Identity, identify, leashed, stop, works_in
from worker.embedded.server import Server

DATABASE = "uptake"
# What PostgreSQL keeps of its files by itself, in MB: an eighth of the memory that there is, for others want some of
# it, too. It is taken only as it fills.
LEAST_BUFFERS, MOST_BUFFERS = 128, 1024
_CGROUPS = Path("/sys/fs/cgroup")
# Speed for data that nobody will miss; never in the product.
UNSAFE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


def buffers(memory: int | None = None, *, cgroups: Path = _CGROUPS) -> int:
    """MB of shared buffers by the bytes of *memory* (of this machine), or of what its container or service may use."""
    memory = memory or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in _limits(cgroups):
        with suppress(OSError, ValueError):  # there is none, or it says "max"
            memory = min(memory, int(limit.read_text()))
    return min(max(memory // 8 // 2**20, LEAST_BUFFERS), MOST_BUFFERS)


def _limits(cgroups: Path) -> Iterator[Path]:
    """Where the limits of a container stand, in both ways of the kernel, and that of a service."""
    yield cgroups / "memory.max"
    yield cgroups / "memory/memory.limit_in_bytes"
    with suppress(OSError):
        own = Path("/proc/self/cgroup").read_text().rpartition("0::")[2].strip()
        yield cgroups / own.lstrip("/") / "memory.max"


class Postgres(Server):
    """PostgreSQL on *data_dir*; rows committed survive any kill. *disposable* trades that for speed, in tests."""

    name = "postgres"
    title = "PostgreSQL"
    # Fast: sessions end, files are flushed. Then immediate: the log is replayed at the next start.
    stops: ClassVar = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 6.0))
    forgets: ClassVar = ("database_url",)

    def __init__(self, data_dir: Path, *, disposable: bool = False) -> None:
        super().__init__(data_dir)
        self.disposable = disposable
        self.cluster = self.directory.path / "pg"
        self._footing: Footing | None = None

    @property
    def footing(self) -> Footing:
        """How the programs are run; chosen once, as the machine does not change under us."""
        if self._footing is None:
            self._footing = footing(binaries.postgres(), self.directory.path)
        return self._footing

    @property
    def dsn(self) -> str:
        """The address for SQLAlchemy."""
        return f"postgresql+psycopg://postgres@/{DATABASE}?host={self.sockets}&port=5432"

    def conninfo(self, database: str = DATABASE) -> str:
        """The address for psycopg."""
        return f"host={self.sockets} port=5432 user=postgres dbname={database}"

    def prepare(self) -> None:
        """Stop an orphan, clear its lock, and make the cluster if there is none; an interrupted try never counts."""
        major = binaries.postgres_major(self.footing.programs)
        self._refuse_foreign_version(major)
        settle(self.footing, self.cluster)
        self.sockets = self.directory.run(
            self.footing.uid, elsewhere=self.footing.uid is not None and self.cluster.is_symlink()
        )
        self.clear_orphan()
        self._clear_lock()
        if not (self.cluster / "PG_VERSION").exists():
            self._make_cluster(major)

    def argv(self) -> list[str]:
        """The postmaster, reachable by its socket only; it stops at once when its owner is gone."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "port": "5432",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_checkpoints": "off",
            # Less is what it has by itself, and less than that where it cannot have it.
            **({"shared_buffers": f"{size}MB"} if (size := buffers()) > LEAST_BUFFERS else {}),
            **(UNSAFE if self.disposable else {}),
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = self.footing.command("postgres", "-D", str(self.cluster.resolve()), *words)
        return leashed(command, death=signal.SIGQUIT, uid=self.footing.uid)

    def is_ready(self) -> bool:
        """Say whether SELECT works; not while the log is being replayed."""
        try:
            with psycopg.connect(self.conninfo("postgres"), connect_timeout=5) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def answers(self) -> bool:
        """Say whether the postmaster speaks; refusing for want of slots or while replaying is speaking too."""
        conninfo = f"{self.conninfo('postgres')} connect_timeout=5"
        return psycopg.pq.PGconn.ping(conninfo.encode()) in {psycopg.pq.Ping.OK, psycopg.pq.Ping.REJECT}

    def settle(self) -> str:
        """Create the database on the first start; remember the address."""
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if known is None:
                connection.execute(f'CREATE DATABASE "{DATABASE}"')
        self.directory.remember(database_url=self.dsn)
        return self.dsn

    def heal(self) -> bool:
        """Wait for the sessions of a killed postmaster to notice and let go of its memory."""
        waits = "shared memory block" in self.said() and "still in use" in self.said()
        if waits:
            time.sleep(0.2)
        return waits

    def _refuse_foreign_version(self, major: int) -> None:
        try:
            made_by = (self.cluster / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            return
        except PermissionError:
            raise SetupError(
                f"No permission to read {self.cluster}; it was made by another user: run as that one, or set "
                "UPTAKE_DATA_DIR to a directory of yours."
            ) from None
        if made_by != str(major):
            raise SetupError(
                f"{self.cluster} was made by PostgreSQL {made_by}, but {self.footing.programs} has {major}: set "
                f"UPTAKE_PG_BIN to the programs of version {made_by} (then pg_dump and restore to move), or move "
                f"{self.cluster} away to begin with an empty database."
            )

    def _clear_lock(self) -> None:
        """Remove the lock of a dead postmaster; one that lives on in our cluster is stopped first."""
        lock = self.cluster / "postmaster.pid"
        try:
            pid = int(lock.read_text().split("\n", 1)[0])
        except FileNotFoundError:
            return
        except ValueError:
            pid = 0
        holder: Identity | None = identify(pid) if pid > 0 else None
        if holder and works_in(pid, self.cluster, {"postgres"}):
            stop(holder, self.stops)
        lock.unlink(missing_ok=True)

    def _make_cluster(self, major: int) -> None:
        fresh = self.cluster.resolve().with_name(f"{self.cluster.resolve().name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if self.footing.uid is not None:
            os.chown(fresh, self.footing.uid, self.footing.uid)
        failed = ""
        # Not every system knows C.UTF-8; the order of plain C is the same.
        for locale in ("C.UTF-8", "C"):
            failed = self._initdb(fresh, locale)
            if "invalid locale" not in failed:
                break
        if failed:
            shutil.rmtree(fresh, ignore_errors=True)
            raise _unmade(failed, self.cluster, major)
        if self.cluster.exists():
            # Only an empty or interrupted one: a finished cluster has its PG_VERSION.
            shutil.rmtree(self.cluster.resolve())
        fresh.rename(self.cluster.resolve())

    def _initdb(self, directory: Path, locale: str) -> str:
        words = ["-D", str(directory), "-U", "postgres", "-A", "trust", "-E", "UTF8", f"--locale={locale}"]
        if self.disposable:
            words.append("--no-sync")
        done = subprocess.run(  # noqa: S603 - our own program
            leashed(self.footing.command("initdb", *words), uid=self.footing.uid),
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
            start_new_session=True,
        )
        return "" if done.returncode == 0 else done.stderr.strip() or f"initdb ended with {done.returncode}"


def _unmade(said: str, cluster: Path, major: int) -> SetupError:
    if "No space left on device" in said:
        return SetupError(
            f"No space is left on the disk of {cluster.parent} for the database; free some or set UPTAKE_DATA_DIR "
            "elsewhere."
        )
    errors = [line for line in said.splitlines() if "error" in line.lower() or "FATAL" in line]
    return SetupError(f"PostgreSQL {major} cannot make its files in {cluster}: {(errors or [said])[0].strip()}")
