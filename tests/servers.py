"""The servers of a test run: one PostgreSQL and one Valkey, started by the first test that asks, shared by all."""

import json
import shutil
import socket
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex

from sqlalchemy import create_engine, make_url, text

from models.migrations import upgrade
from worker.embedded import Postgres, Valkey

ASK, END = b"?", b"."


@dataclass(frozen=True)
class Servers:
    """What a test may reach: *admin* is a database to make others from, *template* the name of a migrated one."""

    admin: str
    template: str
    prefix: str
    redis: str
    broker: str


class Keeper:
    """Starts the servers in the process that pytest was started as, and answers every worker's question for them.

    A thread, because the servers die with the thread that started them, and this one ends with the run.
    """

    def __init__(self, database_url: str | None) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="uptake-tests-"))
        self._database_url = database_url
        self.address = str(self._directory / "keeper")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.address)
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._keep, name="servers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop what was started and leave no file behind."""
        with socket.socket(socket.AF_UNIX) as end:
            end.connect(self.address)
            end.sendall(END)
        self._thread.join()
        self._listener.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _keep(self) -> None:
        answer: bytes | None = None
        with ExitStack() as started:
            while True:
                asker, _ = self._listener.accept()
                with asker:
                    if asker.recv(1) == END:
                        return
                    answer = answer or self._answer(started)
                    asker.sendall(answer)

    def _answer(self, started: ExitStack) -> bytes:
        try:
            return json.dumps({"servers": asdict(self._start(started))}).encode()
        except Exception as error:  # noqa: BLE001 - whatever it is, the tests that need the servers must fail by it
            return json.dumps({"error": f"{type(error).__name__}: {error}"}).encode()

    def _start(self, started: ExitStack) -> Servers:
        postgres = Postgres(self._directory / "data", disposable=True)
        valkey = Valkey(self._directory / "data")
        admin = self._database_url or started.enter_context(postgres)
        started.enter_context(valkey)
        prefix = f"uptake_test_{token_hex(4)}"
        template = create(admin, f"{prefix}_template")
        if self._database_url:
            started.callback(drop_all, admin, prefix)
        upgrade(template)
        return Servers(admin, f"{prefix}_template", prefix, valkey.url, valkey.broker_url)


def ask(address: str) -> Servers:
    """The run's servers, from any of its processes; they are started when nobody has asked before."""
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(address)
        end.sendall(ASK)
        with end.makefile("rb") as answers:
            answer = json.load(answers)
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return Servers(**answer["servers"])


def named(url: str, database: str) -> str:
    """The address of another *database* on the server of *url*."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def create(admin: str, database: str, template: str = "template0") -> str:
    """Make a database and return its address."""
    _execute(admin, f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
    return named(admin, database)


def drop(admin: str, database: str) -> None:
    """Remove a database, whoever still uses it."""
    _execute(admin, f'DROP DATABASE "{database}" WITH (FORCE)')


def drop_all(admin: str, prefix: str) -> None:
    """Remove every database whose name begins with *prefix*."""
    engine = create_engine(admin)
    with engine.connect() as connection:
        query = text("SELECT datname FROM pg_database WHERE starts_with(datname, :prefix)")
        names = connection.scalars(query, {"prefix": prefix}).all()
    engine.dispose()
    for name in names:
        drop(admin, name)


def _execute(admin: str, statement: str) -> None:
    engine = create_engine(admin, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
