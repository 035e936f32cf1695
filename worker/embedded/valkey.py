"""Valkey of our own on a socket in the data directory: the broker, for one machine and for the tests."""

import signal
from pathlib import Path
from typing import ClassVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.embedded import binaries
from worker.embedded.process import identify, leashed, stop, works_in
from worker.embedded.server import Server

PROGRAMS = {"valkey-server", "redis-server"}
# A log that can never be read again; what was in it were doorbells, and the rows they rang for are in PostgreSQL.
SPOILED = ("Bad file format reading the append only file", "Can't handle RDB format version", "Unrecoverable error")


class Valkey(Server):
    """Valkey on *data_dir*; its log is flushed every second, so a kill of the machine may lose that much."""

    name = "valkey"
    title = "Valkey"
    stops: ClassVar = ((signal.SIGTERM, 10.0),)
    forgets: ClassVar = ("redis_url", "broker_url")

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self.files = self.directory.path / "valkey"
        self.pid_file = self.files / "valkey.pid"

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.sockets / "valkey.sock"

    @property
    def url(self) -> str:
        """The address for redis-py."""
        return f"unix://{self.socket}"

    @property
    def broker_url(self) -> str:
        """The address for Celery."""
        return f"redis+socket://{self.socket}"

    def prepare(self) -> None:
        """Stop an orphan before it and its successor write one log together."""
        self.files.mkdir(mode=0o700, exist_ok=True)
        # Another private directory than PostgreSQL's when that one had to be given away.
        self.sockets = self.directory.run()
        self.clear_orphan()
        self._clear_pid_file()

    def argv(self) -> list[str]:
        """The server, reachable by its socket only, keeping its data; it stops when its owner is gone."""
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.files),
            "pidfile": str(self.pid_file),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
            "daemonize": "no",
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return leashed([str(binaries.valkey()), *words], death=signal.SIGTERM)

    def is_ready(self) -> bool:
        """Say whether PING works; not while the log is being loaded."""
        client = redis.Redis(unix_socket_path=str(self.socket), socket_timeout=5, retry=Retry(NoBackoff(), 0))
        try:
            return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError, redis.ResponseError):
            return False
        finally:
            client.close()

    def settle(self) -> str:
        """Remember the addresses."""
        self.directory.remember(redis_url=self.url, broker_url=self.broker_url)
        return self.url

    def heal(self) -> bool:
        """Put a log that cannot be read aside; the queue is only doorbells, so beginning empty loses no work."""
        log = self.files / "appendonlydir"
        if not any(word in self.said() for word in SPOILED) or not log.exists():
            return False
        aside = [int(p.suffix[1:]) for p in self.files.glob("appendonlydir.*") if p.suffix[1:].isdecimal()]
        log.rename(log.with_name(f"appendonlydir.{max(aside, default=0) + 1}"))
        return True

    def _clear_pid_file(self) -> None:
        try:
            pid = int(self.pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return
        orphan = identify(pid)
        if orphan and works_in(pid, self.files, PROGRAMS):
            stop(orphan, self.stops)
        self.pid_file.unlink(missing_ok=True)
