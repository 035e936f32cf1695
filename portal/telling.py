"""What the portal's commands share: one transaction a command, and credentials that are told once."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from sqlalchemy import Connection

from portal.bootstrap import Bootstrap, install
from portal.clock import Clock
from portal.database import SetupError, address, connected, require_schema

Out = Annotated[Path | None, typer.Option(help="Write the credentials to this file (mode 0600), not to the terminal.")]

Tell = Callable[[dict[str, Any]], None]


@contextmanager
def transaction() -> Iterator[Connection]:
    """A transaction on the migrated database; what cannot be made is a SetupError, and nothing is made then."""
    database = address()
    require_schema(database)
    engine = connected(database)
    try:
        with engine.begin() as connection:
            yield connection
    except ValueError as wrong:
        raise SetupError(str(wrong)) from wrong
    finally:
        engine.dispose()


def made(wanted: Bootstrap, out: Path | None) -> None:
    """Make what is *wanted* and tell the new credentials."""
    with telling(out) as tell, transaction() as connection:
        tell(install(connection, wanted, Clock()))


@contextmanager
def telling(out: Path | None) -> Iterator[Tell]:
    """What tells credentials, here and nowhere else; to be called before what they are of is committed.

    A file is opened before anything is made, and taken away when nothing comes of it. One that holds something is
    never written over: secrets are told once, and in it may be the only copy.
    """
    if out is None:
        yield _to_terminal
        return
    try:
        with open(out, "a", encoding="utf-8", opener=_for_its_owner) as file:
            is_ours = file.tell() == 0
            try:
                yield partial(_into, file) if is_ours else partial(_beside, out)
            except BaseException:
                if is_ours:
                    out.unlink()
                raise
    except OSError as refused:
        raise SetupError(f"{out} cannot be written: {refused.strerror}") from refused


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _text(credentials: dict[str, Any]) -> str:
    return json.dumps(credentials, indent=1, ensure_ascii=False) + "\n"


def _to_terminal(credentials: dict[str, Any]) -> None:
    sys.stdout.write(_text(credentials))
    sys.stdout.flush()


def _into(file: IO[str], credentials: dict[str, Any]) -> None:
    os.fchmod(file.fileno(), 0o600)
    file.write(_text(credentials))
    file.flush()
    os.fsync(file.fileno())


def _beside(out: Path, credentials: dict[str, Any]) -> None:
    """Leave the file as it is, if there is nothing new to tell; else nothing may be made."""
    text = _text(credentials)
    if any(f'"{secret}": ' in text for secret in ("clientSecret", "password")):
        raise SetupError(f"{out} holds something already, and secrets are told only once: name another file")
