"""What happened, in commit order, and what each poll came to; both a month to a partition (models.partitions)."""

from datetime import datetime

from sqlalchemy import ForeignKey, PrimaryKeyConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from models.base import Base, big, document, index


class Xid8(UserDefinedType[str]):
    """Postgres's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Its name in DDL."""
        return "xid8"


class Event(Base):
    """One domain event; append-only.

    Ids are handed out before commits, so a reader that wants commit order and no gap pages by
    (tx, id) below the oldest transaction still running.
    """

    __tablename__ = "event"
    __table_args__ = (
        # The months are told apart by the time, so no key of the table may lack it.
        PrimaryKeyConstraint("tx", "id", "at", comment="The feed, in commit order."),
        # An app's connections stand together in it: by tenant, each change of an app would touch another page.
        index(
            "ix_event_connection_id_at",
            "connection_id",
            "at",
            why="The timeline of a tenant, connection by connection.",
        ),
        index(
            "ix_event_tenant_itself",
            "tenant_id",
            "at",
            postgresql_where=text("tenant_id IS NOT NULL AND connection_id IS NULL"),
            why="The timeline of a tenant: what is about none of its connections, such as who wants no more reminders.",
        ),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    id: Mapped[big] = mapped_column(server_default=text("nextval('event_id_seq')"))
    tx: Mapped[str] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    at: Mapped[datetime]
    type: Mapped[str]
    app_id: Mapped[big | None]
    tenant_id: Mapped[big | None]
    connection_id: Mapped[big | None]
    data: Mapped[document] = mapped_column(JSONB, server_default=text("'{}'"))


class Poll(Base):
    """One run: what was asked, what came back, what it changed, or why it failed."""

    __tablename__ = "poll"
    __table_args__ = (
        index("ix_poll_app_id_started_at", "app_id", "started_at", why="The last runs of an app."),
        index("ix_poll_source_id_started_at", "source_id", "started_at", why="The last runs of a source."),
        index(
            "ix_poll_unwell",
            "source_id",
            "started_at",
            postgresql_where=text("outcome <> 'complete'"),
            why="The last runs of a source that were not well.",
        ),
        {"postgresql_partition_by": "RANGE (started_at)"},
    )

    id: Mapped[big] = mapped_column(primary_key=True, server_default=text("nextval('poll_id_seq')"))
    source_id: Mapped[big] = mapped_column(ForeignKey("source.id"))
    app_id: Mapped[big | None] = mapped_column(ForeignKey("app.id"))  # None: the list of apps
    seq: Mapped[big]
    started_at: Mapped[datetime] = mapped_column(primary_key=True)
    duration_seconds: Mapped[float]
    outcome: Mapped[str]  # complete | partial | held | failed
    fault: Mapped[str | None]
    reason: Mapped[str | None]
    pages: Mapped[int] = mapped_column(server_default="0")
    rows: Mapped[int] = mapped_column(server_default="0")
    changed: Mapped[int] = mapped_column(server_default="0")
    vanished: Mapped[int] = mapped_column(server_default="0")
    rejected: Mapped[int] = mapped_column(server_default="0")


class Fire(Base):
    """A schedule fired for this due time; whoever inserts the row does the work."""

    __tablename__ = "fire"

    schedule: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime] = mapped_column(primary_key=True)
    fired_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class Heartbeat(Base):
    """The last sign of life of a process, written by the work it does, not by its main loop."""

    __tablename__ = "heartbeat"

    process: Mapped[str] = mapped_column(primary_key=True)  # tick: whoever looked last; else a worker by its name
    at: Mapped[datetime]
    version: Mapped[str | None]  # of Uptake
