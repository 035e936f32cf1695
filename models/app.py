"""Sources, their apps, the versions of each app, and interned scope sets."""

import uuid
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, big, index, pk, text_list


class Leased:
    """What a row needs so that one worker at a time polls it, whoever dies meanwhile.

    Leases go by Postgres's clock; *poll_seq* orders runs, so a late one is recognised and thrown away.
    """

    next_poll_at: Mapped[datetime]
    rung_until: Mapped[datetime | None]  # a doorbell is on its way; ring again only after this
    lease_token: Mapped[uuid.UUID | None]
    lease_until: Mapped[datetime | None]
    poll_seq: Mapped[big] = mapped_column(BigInteger, server_default="0")
    failures: Mapped[int] = mapped_column(server_default="0")  # in a row


class Source(Leased, Base):
    """One portal with one credential; its secrets live in uptake.toml's references, never here."""

    __tablename__ = "source"
    __table_args__ = (
        UniqueConstraint("name", comment="A source is addressed by its name in uptake.toml and in app keys."),
        index("ix_source_due", "next_poll_at", why="The tick looks for due sources."),
    )

    id: Mapped[pk]
    name: Mapped[str]
    kind: Mapped[str]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))  # false: no longer in uptake.toml
    at_once: Mapped[int] = mapped_column(server_default="8")  # how many of its apps may be polled at the same time
    circuit_open_until: Mapped[datetime | None]  # no request before this: the portal is down or asked us to wait
    circuit_opened_at: Mapped[datetime | None]  # None while the wait is one that the portal asked for
    last_fault: Mapped[str | None]
    last_error: Mapped[str | None]
    listed_at: Mapped[datetime | None]
    feed_from: Mapped[str | None]  # where to go on in its feed of changes
    feed_since: Mapped[datetime | None]  # whoever was walked since then is kept exact by the feed; None: nobody is
    fed_at: Mapped[datetime | None]  # the last reading of the feed of which all was recorded
    feed_fault: Mapped[str | None]  # why there is no feed now; None: it was not tried
    feed_retry_at: Mapped[datetime | None]  # no look for a feed before this


class App(Leased, Base):
    """One app of a source as last listed, and when it is to be polled and evaluated next."""

    __tablename__ = "app"
    __table_args__ = (
        UniqueConstraint("source_id", "external_id", comment="One row per app of a portal."),
        index(
            "ix_app_due",
            "source_id",
            "next_poll_at",
            postgresql_where=text("deleted_at IS NULL"),
            why="The tick looks for each source's due apps.",
        ),
        index(
            "ix_app_leased",
            "source_id",
            postgresql_where=text("lease_until IS NOT NULL"),
            why="How many apps of a source are being polled.",
        ),
        index(
            "ix_app_evaluate",
            "evaluate_at",
            postgresql_where=text("evaluate_at IS NOT NULL"),
            why="The tick looks for apps whose alerts may have changed.",
        ),
    )

    id: Mapped[pk]
    source_id: Mapped[big] = mapped_column(ForeignKey("source.id"))
    external_id: Mapped[str]
    name: Mapped[str]
    distribution: Mapped[str] = mapped_column(server_default="public")
    approval: Mapped[str] = mapped_column(server_default="not_required")
    approval_since: Mapped[datetime] = mapped_column(server_default=text("now()"))  # as far as we saw
    environments: Mapped[text_list] = mapped_column(server_default="{}")
    latest_version: Mapped[int | None]
    created_at: Mapped[datetime | None]
    first_seen_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    walked_at: Mapped[datetime | None]  # the last complete walk; until when our picture is exact: view `freshness`
    # The feed has told something since then that only a walk can make out.
    exact_until: Mapped[datetime | None]
    recorded_at: Mapped[datetime | None]  # when a walk's findings were recorded last
    full_walk_at: Mapped[datetime | None]  # the last one that looked at the bytes of every page
    # The last walk accounted for every listed connection, and every page of it is remembered.
    settled: Mapped[bool] = mapped_column(server_default=text("false"))
    rewrites: Mapped[int] = mapped_column(server_default="0")  # polls in a row that found known rows in other bytes
    changed_at: Mapped[datetime | None]  # the last poll that changed anything
    evaluate_at: Mapped[datetime | None]
    evaluated_at: Mapped[datetime | None]
    # The connections that changed since the last evaluation; None: all, or too many to name.
    unjudged: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    evaluations_broken: Mapped[int] = mapped_column(server_default="0")  # in a row
    followed_at: Mapped[datetime | None]  # when what all tenants come to was looked at last
    follow_at: Mapped[datetime | None]  # and when it is to be next, whatever changes
    evaluated_as: Mapped[str | None]  # what the last evaluation rested on, but for the time and the connections
    ruled_as: Mapped[str | None]  # which policies uptake.toml had then
    steps_at: Mapped[datetime | None]  # when time alone changes an alert next
    studied_at: Mapped[datetime | None]  # when what takes long to say about it was worked out last, or begun to be


class ScopeSet(Base):
    """A set of grants, stored once and pointed at; immutable."""

    __tablename__ = "scope_set"
    __table_args__ = (UniqueConstraint("fingerprint", comment="Equal sets are one row, so sets compare by id."),)

    id: Mapped[pk]
    fingerprint: Mapped[str]
    grants: Mapped[text_list]


class AppVersion(Base):
    """An immutable numbered scope set of an app."""

    __tablename__ = "app_version"
    __table_args__ = (CheckConstraint("number > 0", name="number", comment="Versions count from 1."),)

    app_id: Mapped[big] = mapped_column(ForeignKey("app.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    scope_set_id: Mapped[big] = mapped_column(ForeignKey("scope_set.id"))
    released_at: Mapped[datetime]
    released_by: Mapped[str | None]
    first_seen_at: Mapped[datetime]


class Verdict(Base):
    """How every connection of an app at this version with this scope set stands against the latest version.

    The pure core judges each distinct pair once; connections join this row, so a release writes a few
    rows and not one per tenant.
    """

    __tablename__ = "verdict"

    app_id: Mapped[big] = mapped_column(ForeignKey("app.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 0: not told
    scope_set_id: Mapped[big] = mapped_column(ForeignKey("scope_set.id"), primary_key=True)
    latest: Mapped[int]
    lag: Mapped[str]  # uptake.lag.LagClass, or "unknown"
    missing: Mapped[text_list]
    superfluous: Mapped[text_list]
    versions_behind: Mapped[int]
    outdated_since: Mapped[datetime | None]
    since: Mapped[datetime | None]  # the clock of the class: blocking or trimming
    mismatch: Mapped[bool]
