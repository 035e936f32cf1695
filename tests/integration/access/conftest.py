"""What somebody types, on a database of their own."""

import io
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from sqlalchemy import create_engine, text

from config.settings import settings
from models import Session
from tests.servers import Servers, create, drop
from worker.cli import main


class Done(NamedTuple):
    """What came of a command."""

    returncode: int
    stdout: str
    stderr: str


Typed = Callable[..., Done]
Rows = Callable[[str], list[tuple[object, ...]]]


@pytest.fixture
def own_database(servers: Servers, worker_id: str) -> Iterator[str]:
    """A migrated database in which others may commit."""
    name = f"{servers.prefix}_access_{worker_id}"
    yield create(servers.admin, name, servers.template)
    drop(servers.admin, name)


@pytest.fixture
def typed(own_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Typed]:
    """Run `uptake ARGUMENTS` in this process; *told* is on standard input, which is no terminal."""
    monkeypatch.setenv("DATABASE_URL", own_database)
    settings.cache_clear()
    before = dict(Session.kw)
    Session.kw.pop("bind", None)

    def run(*arguments: str, told: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["uptake", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(told))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        if engine := Session.kw.get("bind"):
            engine.dispose()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    yield run
    Session.kw.clear()
    Session.kw.update(before)
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def rows(own_database: str) -> Iterator[Rows]:
    """What is in the database."""
    engine = create_engine(own_database)

    def read(query: str) -> list[tuple[object, ...]]:
        with engine.begin() as connection:
            found = connection.execute(text(query))
            return [tuple(row) for row in found] if found.returns_rows else []

    yield read
    engine.dispose()
