"""Alerts, every step of their life, and who was told what."""

from datetime import datetime

from sqlalchemy import ForeignKey, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, big, document, index, pk


class Alert(Base):
    """One thing that needs a human, from first sign to end; its identity never names a version."""

    __tablename__ = "alert"
    __table_args__ = (
        index(
            "uq_alert_open",
            "source_id",
            "app_id",
            "kind",
            "tenant_id",
            "environment",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("resolved_at IS NULL"),
            why="At most one open alert per (app, tenant, environment, kind).",
        ),
        index("ix_alert_connection_id", "connection_id", why="The alerts of a connection, for explain."),
        index(
            "ix_alert_untold",
            "app_id",
            "kind",
            postgresql_where=text("state <> 'pending'"),
            why="What receivers may have to be told.",
        ),
    )

    id: Mapped[pk]
    source_id: Mapped[big] = mapped_column(ForeignKey("source.id"))
    app_id: Mapped[big | None]  # like the tenant copied from what points at it, and not checked again
    kind: Mapped[str]  # uptake.policy.AlertKind
    tenant_id: Mapped[big | None]
    connection_id: Mapped[big | None] = mapped_column(ForeignKey("connection.id"))
    environment: Mapped[str | None]
    state: Mapped[str]  # pending | firing | resolved
    severity: Mapped[str | None]  # None while pending
    since: Mapped[datetime]  # what its age counts from; never moves later
    opened_at: Mapped[datetime]
    fired_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    reason: Mapped[str]  # by which rule it opened
    resolve_reason: Mapped[str | None]
    data: Mapped[document] = mapped_column(JSONB, server_default=text("'{}'"))
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None]


class AlertStep(Base):
    """One step in an alert's life, with its reason; append-only."""

    __tablename__ = "alert_step"
    __table_args__ = (index("ix_alert_step_alert_id", "alert_id", "id", why="The log of one alert."),)

    id: Mapped[pk]
    alert_id: Mapped[big] = mapped_column(ForeignKey("alert.id"))
    at: Mapped[datetime]
    step: Mapped[str]  # pending | firing | escalated | resolved
    reason: Mapped[str]
    severity: Mapped[str | None]


class Told(Base):
    """What a receiver last heard of an alert; the sent-log that makes repeats and storms impossible."""

    __tablename__ = "told"

    receiver: Mapped[str] = mapped_column(primary_key=True)
    alert_id: Mapped[big] = mapped_column(ForeignKey("alert.id"), primary_key=True)
    state: Mapped[str]  # firing | resolved
    severity: Mapped[str | None]
    told_at: Mapped[datetime]


class NoticeGroup(Base):
    """Alerts of one kind and app that are told to one receiver in one message."""

    __tablename__ = "notice_group"
    __table_args__ = (
        index(
            "uq_notice_group",
            "receiver",
            "source_id",
            "app_id",
            "kind",
            unique=True,
            postgresql_nulls_not_distinct=True,
            why="One group per (receiver, source, app, kind).",
        ),
        index("ix_notice_group_flush_at", "flush_at", why="The tick looks for groups to flush."),
    )

    id: Mapped[pk]
    receiver: Mapped[str]
    source_id: Mapped[big] = mapped_column(ForeignKey("source.id"))
    app_id: Mapped[big | None] = mapped_column(ForeignKey("app.id"))
    kind: Mapped[str]
    opened_at: Mapped[datetime]
    flush_at: Mapped[datetime | None]  # None: nothing to tell
    last_told_at: Mapped[datetime | None]
    notices: Mapped[int] = mapped_column(server_default="0")
