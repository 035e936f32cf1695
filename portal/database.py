"""How the portal reaches PostgreSQL: one address, one pool, and plain words when it cannot."""

import os
from collections.abc import Mapping

from sqlalchemy import Engine, create_engine, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from portal import migrations
from portal.tables import SCHEMA

# Times are read and printed as UTC; no statement of ours may hang on a lock or a lost client for long.
OPTIONS = "-c timezone=UTC -c lock_timeout=10s -c idle_in_transaction_session_timeout=30s"


class SetupError(Exception):
    """Something must be set up before the portal can run; the message says what."""


def address(environment: Mapping[str, str] = os.environ) -> URL:
    """The address in DATABASE_URL, for psycopg; SetupError when it is missing or cannot be read."""
    text = environment.get("DATABASE_URL", "")
    if not text:
        raise SetupError("DATABASE_URL is not set: name the portal's PostgreSQL, such as postgresql://me@host/db")
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as broken:
        raise SetupError("DATABASE_URL cannot be read: write it as postgresql://user@host:port/db") from broken
    if "@" in (url.host or ""):
        # The driver would take a piece of the password for the host, and show it.
        raise SetupError("DATABASE_URL cannot be read: write @ in its password as %40")
    if url.drivername not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise SetupError(f"DATABASE_URL must name a PostgreSQL database, not {url.drivername}")
    return url.set(drivername="postgresql+psycopg")


def pool(url: URL) -> AsyncEngine:
    """The pool that serves the calls; nothing is connected before the first of them."""
    return create_async_engine(
        url, pool_size=16, max_overflow=16, hide_parameters=True, connect_args={"options": OPTIONS}
    )


def connected(url: URL) -> Engine:
    """A small engine for commands, tried once; SetupError when the database does not answer."""
    engine = create_engine(url, hide_parameters=True, connect_args={"options": OPTIONS})
    try:
        engine.connect().close()
    except OperationalError as refused:
        where = f"{url.host or url.query.get('host', 'its socket')}"
        raise SetupError(
            f"PostgreSQL does not answer at {where}: start it or mend DATABASE_URL ({_first_line(refused)})"
        ) from refused
    return engine


def require_schema(url: URL) -> None:
    """Refuse to serve over a database that `migrate` has not seen."""
    engine = connected(url)
    try:
        if not inspect(engine).has_table("connection", schema=SCHEMA):
            raise SetupError("The portal's tables are missing: run `python -m portal migrate` first")
        if migrations.behind(engine):
            raise SetupError("The portal's tables are of another version: run `python -m portal migrate` first")
    finally:
        engine.dispose()


def _first_line(error: OperationalError) -> str:
    return str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else "no reason given"
