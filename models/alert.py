"""Alerts, every step of their life, and who was told what."""

from datetime import datetime

from sqlalchemy import ForeignKey, Identity, PrimaryKeyConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, big, document, index, pk


class Alert(Base):
    """One thing that needs a human, from first sign to end; its identity never names a version."""

    __tablename__ = "alert"
    __table_args__ = (
        index(
            "uq_alert_open",
            "app_id",
            "connection_id",
            "kind",
            "environment",
            "source_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("resolved_at IS NULL"),
            why="At most one open alert per (app, tenant, environment, kind), of which a connection is three.",
        ),
        index(
            "ix_alert_firing",
            "app_id",
            "environment",
            "source_id",
            postgresql_where=text("state = 'firing'"),
            why="How many alerts fire, of each app in each environment and of each source.",
        ),
        index(
            "ix_alert_app_id_connection_id",
            "app_id",
            "connection_id",
            why="All alerts of an app, for what has to be told, and of a connection, for explain.",
        ),
        index(
            "ix_alert_open_kind",
            "source_id",
            "kind",
            text("coalesce(array_position('{critical,warning,info}', severity), 4)"),
            "since",
            "id",
            postgresql_include=["app_id", "tenant_id", "environment", "severity", "label_set_id"],
            postgresql_where=text("resolved_at IS NULL"),
            why="Open alerts of a kind, the most severe and oldest first, and what they are about, to count them by.",
        ),
        index(
            "ix_alert_resolved_kind",
            "source_id",
            "kind",
            "resolved_at",
            "id",
            postgresql_where=text("resolved_at IS NOT NULL"),
            why="Resolved alerts of a kind, the last ones first.",
        ),
        index(
            "ix_alert_open_app",
            "app_id",
            "kind",
            text("coalesce(array_position('{critical,warning,info}', severity), 4)"),
            "since",
            "id",
            postgresql_where=text("resolved_at IS NULL"),
            why="Open alerts of an app and kind, the most severe and oldest first.",
        ),
        index(
            "ix_alert_resolved_app",
            "app_id",
            "kind",
            "resolved_at",
            "id",
            postgresql_where=text("resolved_at IS NOT NULL"),
            why="Resolved alerts of an app and kind, the last ones first.",
        ),
        index(
            "ix_alert_held",
            "source_id",
            "kind",
            postgresql_where=text("resolved_at IS NULL AND (acknowledged_at IS NOT NULL OR snoozed_until IS NOT NULL)"),
            why="The open alerts that somebody looks after, or has put off.",
        ),
        # They are counted of indexes, which is quick where vacuum has been since they were written.
        {
            "postgresql_with": {
                "autovacuum_vacuum_scale_factor": "0.02",
                "autovacuum_vacuum_insert_scale_factor": "0.02",
            }
        },
    )

    id: Mapped[pk]
    # What it is about is copied from the rows it was made of, which nobody deletes, and not checked again.
    source_id: Mapped[big]
    app_id: Mapped[big | None]
    kind: Mapped[str]  # uptake.policy.AlertKind
    tenant_id: Mapped[big | None]
    connection_id: Mapped[big | None]
    environment: Mapped[str | None]
    # Of the tenant whose connection it is about, kept so by PostgreSQL while it is open; None: it has no labels.
    label_set_id: Mapped[big | None]
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
    acknowledged_until: Mapped[datetime | None]  # None: until it is over or more severe
    snoozed_until: Mapped[datetime | None]
    snoozed_by: Mapped[str | None]


class AlertStep(Base):
    """One step in an alert's life, with its reason; append-only."""

    __tablename__ = "alert_step"
    __table_args__ = (PrimaryKeyConstraint("alert_id", "id", comment="The log of one alert, in order."),)

    alert_id: Mapped[big]  # of the alert that the same statement wrote
    id: Mapped[big] = mapped_column(Identity())
    at: Mapped[datetime]
    step: Mapped[str]  # pending | firing | escalated | eased | acknowledged | snoozed | unheld | resolved
    reason: Mapped[str]
    severity: Mapped[str | None]
    author: Mapped[str | None]  # who did it, where somebody did
    comment: Mapped[str | None]


class Told(Base):
    """What a receiver last heard of an alert; the sent-log that makes repeats and storms impossible."""

    __tablename__ = "told"

    receiver: Mapped[str] = mapped_column(primary_key=True)
    alert_id: Mapped[big] = mapped_column(ForeignKey("alert.id"), primary_key=True)
    state: Mapped[str]  # firing | resolved
    severity: Mapped[str | None]
    told_at: Mapped[datetime]
    is_quiet: Mapped[bool] = mapped_column(server_default="false")  # since then nothing more was to be told for a while


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
    acknowledged_at: Mapped[datetime | None]  # when the receiver was told that all of it is looked after
