"""What the portal's commands share: one transaction a command, and credentials that are told once."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from portal.bootstrap import Bootstrap, install
from portal.clock import Clock
from portal.database import SetupError, address, connected, require_schema

Out = Annotated[Path | None, typer.Option(help="Write the credentials to this file (mode 0600), not to the terminal.")]


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
    with transaction() as connection:
        credentials = install(connection, wanted, Clock())
    told(credentials, out)


def told(credentials: dict[str, Any], out: Path | None) -> None:
    """Secrets are shown here and nowhere else, so they go where they were asked to go."""
    text = json.dumps(credentials, indent=1, ensure_ascii=False) + "\n"
    if out is None:
        sys.stdout.write(text)
        return
    out.touch(mode=0o600)
    out.chmod(0o600)
    out.write_text(text, encoding="utf-8")
