"""PostgreSQL as the product runs it, durable, with what is asked of it from outside: its CPU, its WAL, its writes."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql

from models.migrations import upgrade
from worker.embedded import Postgres, binaries

_TICKS = os.sysconf("SC_CLK_TCK")
_BLANK = "blank"  # the schema and nothing else
# What a reader of statistics may have to wait for: a session reports its last writes when it ends.
_SETTLES = 20.0


class Mark(NamedTuple):
    """Where the counters of the whole cluster stand."""

    cpu: float
    wal: int


class Cluster:
    """A running cluster; databases are made from one another as templates."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self.sockets = server.sockets
        self._admin = psycopg.connect(server.conninfo("postgres"), autocommit=True)
        self._postmaster = int((server.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        self.create(_BLANK, template="template0")
        upgrade(self.dsn(_BLANK))

    def dsn(self, database: str) -> str:
        """The address of a database for SQLAlchemy."""
        return self._server.dsn.replace("/uptake?", f"/{database}?")

    def conninfo(self, database: str) -> str:
        """The address of a database for psycopg."""
        return self._server.conninfo(database)

    def create(self, database: str, *, template: str = _BLANK) -> None:
        """Make the database anew, as a copy of *template*."""
        self.drop(database)
        self._await_no_session(template)
        copying = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        self._admin.execute(copying.format(sql.Identifier(database), sql.Identifier(template)))

    def has(self, database: str) -> bool:
        """Whether there is such a database, of an earlier run in the same directory."""
        query = "SELECT FROM pg_database WHERE datname = %s"
        return self._admin.execute(query, [database]).fetchone() is not None

    def rename(self, database: str, name: str) -> None:
        """Call the database otherwise, in place of any that is called so."""
        self.drop(name)
        self._await_no_session(database)
        renaming = sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(database), sql.Identifier(name))
        self._admin.execute(renaming)

    def drop(self, database: str) -> None:
        """Remove the database if there is one."""
        self._admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))

    @contextmanager
    def session(self, database: str) -> Iterator[psycopg.Connection]:
        """A session in autocommit."""
        with psycopg.connect(self.conninfo(database), autocommit=True) as connection:
            yield connection

    def checkpoint(self) -> None:
        """Write everything out, so that nobody pays for what others wrote."""
        self._admin.execute("CHECKPOINT")

    def mark(self) -> Mark:
        """The counters now."""
        wal = self._one("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")
        return Mark(self._cpu(), int(str(wal)))

    def written(self, database: str) -> dict[str, int]:
        """Per table, the rows that were ever inserted, changed or deleted; once every other session has ended."""
        self._await_no_session(database)
        with self.session(database) as session:
            # A month of a table counts for the table.
            rows = session.execute(
                """SELECT coalesce(p.inhparent::regclass::text, s.relname) AS name,
                          sum(n_tup_ins + n_tup_upd + n_tup_del)::int8
                   FROM pg_stat_user_tables s LEFT JOIN pg_inherits p ON p.inhrelid = s.relid
                   GROUP BY 1 ORDER BY 1"""
            ).fetchall()
        return {name: count for name, count in rows if count}

    def sizes(self, database: str) -> dict[str, int]:
        """Per table, the bytes on disk, with indexes and what is stored out of line."""
        with self.session(database) as session:
            rows = session.execute(
                "SELECT relname, pg_total_relation_size(relid) FROM pg_stat_user_tables ORDER BY 2 DESC"
            ).fetchall()
        return dict(rows)

    def close(self) -> None:
        """End our own session."""
        self._admin.close()

    def _one(self, query: str) -> object:
        row = self._admin.execute(query.encode()).fetchone()
        return row[0] if row else None

    def _await_no_session(self, database: str) -> None:
        deadline = time.monotonic() + _SETTLES
        busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'"
        while (row := self._admin.execute(busy, [database]).fetchone()) and row[0]:
            if time.monotonic() > deadline:
                raise RuntimeError(f"a session in {database} does not end")
            time.sleep(0.02)

    def _cpu(self) -> float:
        """Seconds of CPU of all its processes, the ended ones included."""
        own = _times(self._postmaster)
        children = Path(f"/proc/{self._postmaster}/task/{self._postmaster}/children").read_text().split()
        return (sum(own) + sum(sum(_times(int(child))[:2]) for child in children)) / _TICKS


def postgres_version() -> str:
    """What the programs call themselves, such as `postgres (PostgreSQL) 18.6`."""
    program = binaries.postgres() / "postgres"
    return subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.split()[-1]


def _times(pid: int) -> tuple[int, ...]:
    """User and system time of the process, and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return (0, 0, 0, 0)
    return tuple(int(field) for field in fields[11:15])


@contextmanager
def cluster(directory: Path) -> Iterator[Cluster]:
    """A cluster in *directory* while the block runs."""
    server = Postgres(directory)
    server.start()
    try:
        running = Cluster(server)
        try:
            yield running
        finally:
            running.close()
    finally:
        server.stop()
