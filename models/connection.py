"""Who runs what now (connection), and the whole history of it (tenure, adoption)."""

from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, big, index, pk
from uptake.facts import Status


class Connection(Base):
    """One row per (app, resource owner, environment): the facts as last observed.

    Never touched by a poll that found nothing new: when that was is told by the view `freshness`.
    """

    __tablename__ = "connection"
    __table_args__ = (
        UniqueConstraint("app_id", "tenant_id", "environment", comment="A connection is this triple."),
        index(
            "ix_connection_absent",
            "app_id",
            postgresql_where=text("absent_walks > 0"),
            why="Rows missing from the last complete walk: gone after the second.",
        ),
        index(
            "ix_connection_regressed",
            "app_id",
            postgresql_where=text("regressed_from IS NOT NULL"),
            why="Tenants that went back to an older version.",
        ),
        # As models.queries.kinds asks for them.
        index(
            "ix_connection_kind",
            "app_id",
            "environment",
            "status",
            text("coalesce(version, 0)"),
            text("coalesce(scope_set_id, 0)"),
            text("coalesce(epoch_started_at, 'infinity'::timestamptz)"),
            "id",
            # Whose they are is read from the index alone, which takes the columns under the expressions, too.
            postgresql_include=["tenant_id", "version", "scope_set_id"],
            why="Connections of a kind, of which all have the same verdict, those that began first before the others.",
        ),
        # By both columns, or a planner that knows few apps looks through all of a tenant's to find the one.
        index("ix_connection_tenant_id_app_id", "tenant_id", "app_id", why="All apps of one tenant."),
        CheckConstraint("epoch >= 0", name="epoch", comment="0: never connected."),
        # Room for updates in place, of what no index has.
        {"postgresql_with": {"fillfactor": "85"}},
    )

    id: Mapped[pk]
    app_id: Mapped[big] = mapped_column(ForeignKey("app.id"))
    tenant_id: Mapped[big] = mapped_column(ForeignKey("tenant.id"))
    environment: Mapped[str]
    external_id: Mapped[str | None]
    status: Mapped[Status]
    version: Mapped[int | None]
    scope_set_id: Mapped[big | None] = mapped_column(ForeignKey("scope_set.id"))
    client_id: Mapped[str | None]
    epoch: Mapped[int]  # counts unbroken lives from allow to revoke
    epoch_started_at: Mapped[datetime | None]
    allowed_at: Mapped[datetime | None]  # as the portal says; None in faithful mode
    accepted_at: Mapped[datetime | None]
    accepted_by: Mapped[str | None]
    version_not_before: Mapped[datetime | None]  # the present version was accepted in (not before, not after]
    version_not_after: Mapped[datetime | None]
    upgraded_at: Mapped[datetime | None]  # when it was last seen to accept a higher version
    regressed_from: Mapped[int | None]  # the highest version of this epoch, where the present one is lower or not known
    hash: Mapped[big] = mapped_column(BigInteger)  # of the raw item; 0: not listed any more
    absent_walks: Mapped[int] = mapped_column(server_default="0")
    seen_at: Mapped[datetime | None]  # the last walk that saw it, when later ones did not
    observed_at: Mapped[datetime]  # the poll that last changed this row
    last_seq: Mapped[big] = mapped_column(BigInteger)


class Tenure(Base):
    """One unbroken stretch of (connection, version, scope set, status); kept for ever.

    It began in (not_before, valid_from]; *valid_to* is None while it lasts.
    """

    __tablename__ = "tenure"
    __table_args__ = (
        ExcludeConstraint(
            ("connection_id", "="),
            (func.tstzrange(text("valid_from"), text("valid_to")), "&&"),
            name="ex_tenure_overlap",
            using="gist",
            # The open one is compared when it ends: what is written most is spared the slowest index of all.
            where=text("valid_to IS NOT NULL"),
            comment="Stretches of one connection never overlap.",
        ),
        index(
            "uq_tenure_connection_id",
            "connection_id",
            "valid_to",
            unique=True,
            postgresql_nulls_not_distinct=True,
            why="Exactly one stretch of a connection is open; and all that it had.",
        ),
        CheckConstraint(
            "valid_to IS NULL OR valid_to > valid_from",
            name="forward",
            comment="No empty or inverted stretch.",
        ),
        index(
            "ix_tenure_app_id",
            *("app_id", "valid_from", "valid_to", "version"),
            why="An app as of a past instant, and who ran a version then.",
        ),
        index(
            "ix_tenure_away",
            "app_id",
            "environment",
            "status",
            "tenant_id",
            postgresql_where=text("status <> 'connected'"),
            why="Who was not connected to an app at a past instant.",
        ),
        ForeignKeyConstraint(["connection_id"], ["connection.id"]),
    )

    id: Mapped[pk]
    connection_id: Mapped[big]
    app_id: Mapped[big]
    tenant_id: Mapped[big]
    environment: Mapped[str]
    epoch: Mapped[int]
    status: Mapped[Status]
    version: Mapped[int | None]
    scope_set_id: Mapped[big | None]
    not_before: Mapped[datetime | None]  # None: it was so when we first looked
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None]


class Adoption(Base):
    """How many connected tenants ran each version at the end of a day; a day without change has no row."""

    __tablename__ = "adoption"
    __table_args__ = (CheckConstraint("tenants >= 0", name="tenants", comment="A count cannot go below nobody."),)

    app_id: Mapped[big] = mapped_column(ForeignKey("app.id"), primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 0: not told
    day: Mapped[date] = mapped_column(primary_key=True)
    tenants: Mapped[int]


class Tally(Base):
    """How many connections there are of each kind that a verdict tells apart; kept by whoever changes a connection."""

    __tablename__ = "tally"
    __table_args__ = (CheckConstraint("tenants > 0", name="tenants", comment="What nobody is has no row."),)

    app_id: Mapped[big] = mapped_column(ForeignKey("app.id"), primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[Status] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 0: none, or not told
    scope_set_id: Mapped[big] = mapped_column(primary_key=True, autoincrement=False)  # 0: none, or not told
    tenants: Mapped[int]
