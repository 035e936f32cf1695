"""The column vocabulary, the declarative base and the session that every process binds once."""

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

from psycopg import Connection as Driver
from sqlalchemy import (
    BigInteger,
    DateTime,
    Engine,
    Enum,
    Identity,
    Index,
    MetaData,
    Text,
    create_engine,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column, sessionmaker
from sqlalchemy.orm import Session as OrmSession

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
    "ex": "ex_%(table_name)s_%(constraint_name)s",
}

pk = Annotated[int, mapped_column(BigInteger, Identity(), primary_key=True)]
big = Annotated[int, mapped_column(BigInteger)]
text_list = Annotated[list[str], mapped_column(ARRAY(Text))]
document = Annotated[dict[str, Any], mapped_column(JSONB)]


class Base(DeclarativeBase):
    """All tables; times are aware UTC, enums are stored as their values."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: DateTime(timezone=True),
        str: Text,
        # Stored as the value in a plain VARCHAR: a new member is not a migration.
        enum.StrEnum: Enum(
            enum.StrEnum,
            native_enum=False,
            create_constraint=False,
            length=40,
            values_callable=lambda members: [member.value for member in members],
        ),
    }


def index(name: str, *columns: Any, why: str, **options: Any) -> Index:
    """An index that says why it exists; the migrations write *why* into the database as its comment."""
    return Index(name, *columns, info={"why": why}, **options)


# Bound per process (worker.lifecycle, dashboard.app); Session.begin() is the only transaction boundary.
Session = sessionmaker(expire_on_commit=False)


def engine_for(dsn: str) -> Engine:
    """The engine for *dsn*: connections checked before use, UTC, and no parameter ever in an error text.

    Statements are never prepared, but planned for the rows they meet: a plan kept from a small poll is a hundred times
    too slow for a first one. (`plan_cache_mode` would do that too, and plan each check of a foreign key anew.)
    """
    # What a poll touches is in memory or on a disk without a head to move. A server that can compile statements does so
    # anew each time, for tenths of a second, where a question takes milliseconds.
    arguments = {"options": "-c timezone=UTC -c random_page_cost=1.1 -c jit=off", "prepare_threshold": None}
    return create_engine(dsn, pool_pre_ping=True, hide_parameters=True, pool_size=5, connect_args=arguments)


@contextmanager
def kept_plans(session: OrmSession) -> Iterator[None]:
    """Let statements over a few rows be planned once per connection: to plan them takes longer than to do them."""
    driver = session.connection().connection.driver_connection
    assert isinstance(driver, Driver)  # noqa: S101 - tells the type; engines are made for psycopg only
    driver.prepare_threshold = 0
    try:
        yield
    finally:
        driver.prepare_threshold = None


@contextmanager
def as_sets(session: OrmSession) -> Iterator[None]:
    """Join the rows of an app as sets, whatever the planner believes of their number.

    What it takes for one row is looked up in all others, ten thousand times: its statistics know nothing of an app that
    has come since. So each table has to be bounded by itself, by the app and not by a join.
    """
    session.execute(text("SET LOCAL enable_nestloop = off"))
    yield
    # What follows in the transaction looks few rows up among very many. A transaction that failed forgets it by itself.
    session.execute(text("SET LOCAL enable_nestloop = on"))


def forget_plans(session: OrmSession) -> None:
    """Let checks of foreign keys be planned anew: those kept from when a table was small look through all of it."""
    session.execute(text("DISCARD PLANS"))


def db_now(session: OrmSession) -> datetime:
    """The instant by Postgres's clock: the only clock that orders our rows."""
    return session.scalars(select(func.clock_timestamp(type_=DateTime(timezone=True)))).one()
