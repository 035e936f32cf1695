"""Reminder threads, and the outbox: the row is the queue, a Celery message its doorbell."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, big, document, index, pk


class Reminder(Base):
    """The thread of reminders to one tenant about one connection."""

    __tablename__ = "reminder"
    __table_args__ = (
        index(
            "uq_reminder_open",
            "app_id",
            "connection_id",
            unique=True,
            postgresql_where=text("stopped_at IS NULL"),
            why="One open thread per connection; those of an app stand together.",
        ),
        index(
            "ix_reminder_due_at",
            "due_at",
            postgresql_where=text("stopped_at IS NULL"),
            why="The tick looks for threads that are due.",
        ),
        index(
            "ix_reminder_stopped",
            "connection_id",
            "id",
            postgresql_where=text("stopped_at IS NOT NULL"),
            why="The last thread of a connection that has no open one, for explain.",
        ),
        index(
            "ix_reminder_tenant_id",
            "tenant_id",
            postgresql_where=text("stopped_at IS NULL"),
            why="The open threads of a tenant, to be told in one message.",
        ),
        index(
            "ix_reminder_sent",
            "app_id",
            "last_sent_at",
            postgresql_where=text("last_sent_at IS NOT NULL"),
            why="What came of the reminders of an app.",
        ),
        index(
            "ix_reminder_next",
            text("coalesce(due_at, '9999-01-01 00:00:00+00')"),
            "id",
            postgresql_where=text("stopped_at IS NULL"),
            why="Open threads by when they are due, page by page.",
        ),
        index(
            "ix_reminder_next_app",
            "app_id",
            text("coalesce(due_at, '9999-01-01 00:00:00+00')"),
            "id",
            postgresql_where=text("stopped_at IS NULL"),
            why="The open threads of an app by when they are due, page by page.",
        ),
        index(
            "ix_reminder_stopped_app",
            "app_id",
            "id",
            postgresql_where=text("stopped_at IS NOT NULL"),
            why="The threads of an app that are over, the last ones first.",
        ),
    )

    id: Mapped[pk]
    connection_id: Mapped[big]  # this and the next two are those of a row that nobody deletes, and not checked again
    app_id: Mapped[big]
    tenant_id: Mapped[big]
    environment: Mapped[str]
    target_version: Mapped[int]
    opened_at: Mapped[datetime]
    sent: Mapped[int] = mapped_column(server_default="0")
    last_sent_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]  # None: the ladder's cap is reached
    not_before: Mapped[datetime | None]  # the target version settles until then
    held_reason: Mapped[str | None]  # why the last due time sent nothing
    stopped_at: Mapped[datetime | None]
    stop_reason: Mapped[str | None]


class Notice(Base):
    """One message to one address; written in the transaction that decided it, sent at least once."""

    __tablename__ = "notice"
    __table_args__ = (
        UniqueConstraint("key", comment="The idempotency key: deciding twice queues once."),
        index(
            "ix_notice_waiting",
            "receiver",
            "due_at",
            postgresql_where=text("state IN ('due', 'sending')"),
            why="Which receivers something waits for, and what; leases that ran out.",
        ),
        index(
            "ix_notice_app_id",
            "app_id",
            "id",
            postgresql_where=text("reminder_id IS NULL"),
            why="What operators were told last about an app.",
        ),
        index(
            "ix_notice_operators",
            "id",
            postgresql_where=text("reminder_id IS NULL"),
            why="What operators were told last, among very many reminders.",
        ),
        index(
            "ix_notice_unsent",
            "state",
            "id",
            postgresql_where=text("state <> 'sent'"),
            why="Messages that wait, failed or were taken back, the last ones first.",
        ),
        index(
            "ix_notice_unsent_app",
            "app_id",
            "state",
            "id",
            postgresql_where=text("state <> 'sent'"),
            why="Messages about an app that wait, failed or were taken back, the last ones first.",
        ),
        index(
            "ix_notice_refused",
            "settled_at",
            postgresql_where=text("state = 'failed' AND reminder_id IS NOT NULL"),
            why="Reminders that came to nothing of late.",
        ),
        index(
            "ix_notice_receiver",
            "receiver",
            "created_at",
            postgresql_where=text("group_id IS NOT NULL"),
            why="How much a receiver has heard of late.",
        ),
        index(
            "ix_notice_group_id",
            "group_id",
            postgresql_where=text("group_id IS NOT NULL AND state IN ('due', 'sending')"),
            why="What a group has to say before this one.",
        ),
        index(
            "ix_notice_capped",
            "receiver",
            "created_at",
            postgresql_where=text("reason = 'capped'"),
            why="When a receiver was told last that more waits for it.",
        ),
        index(
            "ix_notice_failed",
            "settled_at",
            postgresql_where=text("state = 'failed' AND group_id IS NOT NULL"),
            why="What operators were not told, to be told elsewhere.",
        ),
        index(
            "ix_notice_gives_back",
            "id",
            postgresql_where=text("gives_back"),
            why="Reminders that were taken back: their threads get their turns again.",
        ),
        index(
            "ix_notice_to",
            "to",
            "created_at",
            postgresql_where=text("reminder_id IS NOT NULL"),
            why="When somebody was written to last.",
        ),
        index("ix_notice_receiver_id", "receiver", "id", why="What a receiver was sent, the newest first."),
    )

    id: Mapped[pk]
    key: Mapped[str]
    receiver: Mapped[str]
    to: Mapped[str]
    reason: Mapped[str]  # why it is sent
    source_id: Mapped[big | None] = mapped_column(ForeignKey("source.id"))
    # None: it is about several, or about none.
    app_id: Mapped[big | None] = mapped_column(ForeignKey("app.id"))
    tenant_id: Mapped[big | None] = mapped_column(ForeignKey("tenant.id"))
    group_id: Mapped[big | None] = mapped_column(ForeignKey("notice_group.id"))
    # The first of the threads that it speaks for; None: it is no reminder.
    reminder_id: Mapped[big | None] = mapped_column(ForeignKey("reminder.id"))
    subject: Mapped[str]
    body: Mapped[str]
    html: Mapped[str | None]
    payload: Mapped[document] = mapped_column(JSONB, server_default=text("'{}'"))
    state: Mapped[str]  # due | sending | sent | failed | cancelled
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(server_default="0")  # all that were begun
    # Of them, since it was queued last, those after which it is given up some day: not the trials of its receiver.
    failures: Mapped[int] = mapped_column(server_default="0")
    lease_token: Mapped[uuid.UUID | None]
    lease_until: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    settle_reason: Mapped[str | None]  # why it was cancelled, or the last error
    # Nobody got it and nobody will: the threads that it speaks for are to have their turns again.
    gives_back: Mapped[bool] = mapped_column(server_default=text("false"))


class NoticeReminder(Base):
    """A thread that a reminder speaks for, and which of the thread's turns that is, counted from 1."""

    __tablename__ = "notice_reminder"
    __table_args__ = (
        index("ix_notice_reminder_reminder_id", "reminder_id", why="The notices that speak for a thread."),
        index("ix_notice_reminder_app_id", "app_id", "notice_id", why="The last reminders about an app."),
        index("ix_notice_reminder_tenant_id", "tenant_id", "notice_id", why="The last reminders to a tenant."),
    )

    notice_id: Mapped[big] = mapped_column(ForeignKey("notice.id"), primary_key=True)
    reminder_id: Mapped[big] = mapped_column(primary_key=True)  # of a row that nobody deletes, and not checked again
    number: Mapped[int]
    target_version: Mapped[int | None]  # that it asks for; None: it was queued before that was kept
    # Those of the thread, which the database sets itself: what is asked about an app or a tenant is found by them.
    app_id: Mapped[big | None]
    tenant_id: Mapped[big | None]


class Attempt(Base):
    """One try to send a notice, written before the call; without an end, its outcome is unknown."""

    __tablename__ = "attempt"
    __table_args__ = (UniqueConstraint("notice_id", "number", comment="Tries are counted, and never two at once."),)

    id: Mapped[pk]
    notice_id: Mapped[big] = mapped_column(ForeignKey("notice.id"))
    number: Mapped[int]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None]  # sent | transient | permanent
    fault: Mapped[str | None]
    answer: Mapped[str | None]
