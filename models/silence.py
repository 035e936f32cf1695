"""Silences: for a while nobody hears of alerts that match."""

from datetime import datetime

from sqlalchemy import CheckConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, document, index, pk


class Silence(Base):
    """What is silent from *starts_at* until *ends_at*; each pattern is a text in which * stands for anything.

    An alert matches when all of them do. It goes on as before, only nobody is told; what still fires when the silence
    ends is told then.
    """

    __tablename__ = "silence"
    __table_args__ = (
        CheckConstraint("ends_at >= starts_at", name="forward", comment="No silence ends before it starts."),
        index("ix_silence_ends_at", "ends_at", why="The silences that hold now."),
    )

    id: Mapped[pk]
    source: Mapped[str] = mapped_column(server_default="*")
    app: Mapped[str] = mapped_column(server_default="*")  # as source:id
    tenant: Mapped[str] = mapped_column(server_default="*")
    environment: Mapped[str] = mapped_column(server_default="*")
    kind: Mapped[str] = mapped_column(server_default="*")
    labels: Mapped[document] = mapped_column(JSONB, server_default=text("'{}'"))  # that the tenant has to have
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    author: Mapped[str]
    comment: Mapped[str]
    created_at: Mapped[datetime]
