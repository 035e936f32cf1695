"""Tenants, and whom to write to there."""

from datetime import datetime

from sqlalchemy import Computed, ForeignKey, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, big, document, index, pk

_LETTERS = r"lower(e'\n' || coalesce(name, '') || e'\n' || external_id)"


class LabelSet(Base):
    """What our users say of some tenants, stored once, so that policies are chosen once for all of them."""

    __tablename__ = "label_set"
    __table_args__ = (UniqueConstraint("labels", comment="Equal sets are one row, so sets compare by id."),)

    id: Mapped[pk]
    labels: Mapped[document]  # names and values, both text


class Tenant(Base):
    """A customer account of the platform; its id is text as the portal writes it."""

    __tablename__ = "tenant"
    __table_args__ = (
        UniqueConstraint("source_id", "external_id", comment="One row per tenant of a portal."),
        index(
            "ix_tenant_label_set_id",
            "label_set_id",
            postgresql_where=text("label_set_id IS NOT NULL"),
            why="The tenants with labels that a policy asks for.",
        ),
        index(
            "ix_tenant_source_id_name",
            "source_id",
            # Byte by byte (COLLATE "C"), which the database does not tell whoever compares it with this.
            text("coalesce(name, external_id)"),
            "id",
            why="The tenants of a source by name, page by page.",
        ),
        index(
            "ix_tenant_name",
            text("coalesce(name, external_id)"),
            "id",
            why="The tenants of all sources by name, page by page.",
        ),
        # Only where the server has the extensions that it takes; without the source where it has only one of them.
        index(
            "ix_tenant_letters",
            "source_id",
            "letters",
            postgresql_using="gin",
            postgresql_ops={"letters": "gin_trgm_ops"},
            why="Tenants by any three letters of their name or id.",
        ),
    )

    id: Mapped[pk]
    source_id: Mapped[big] = mapped_column(ForeignKey("source.id"))
    external_id: Mapped[str]
    name: Mapped[str | None]
    # What is looked for: the name and the id in lower case, each after the end of a line. PostgreSQL works it out, and
    # takes it from nobody who copies the table; in Python it is of no use.
    letters: Mapped[str | None] = mapped_column(Computed(_LETTERS, persisted=True), deferred=True)
    label_set_id: Mapped[big | None] = mapped_column(ForeignKey("label_set.id"))  # None: it has no labels
    time_zone: Mapped[str | None]  # an IANA name; None: UTC
    locale: Mapped[str | None]
    first_seen_at: Mapped[datetime]


class Contact(Base):
    """A person at a tenant who may be reminded; portals give none, so these come from our users."""

    __tablename__ = "contact"
    __table_args__ = (
        UniqueConstraint("tenant_id", "email", comment="Nobody is reminded twice by two rows."),
        index(
            "ix_contact_tenant_id_rank",
            "tenant_id",
            "rank",
            why="A tenant's contacts, to find the first who has not opted out.",
        ),
        index("ix_contact_email", "email", why="The tenants that one person is a contact of."),
    )

    id: Mapped[pk]
    tenant_id: Mapped[big] = mapped_column(ForeignKey("tenant.id"))
    email: Mapped[str]
    name: Mapped[str | None]
    role: Mapped[str | None]
    may_accept: Mapped[bool] = mapped_column(server_default="true")  # as far as known; who may is written to first
    rank: Mapped[int] = mapped_column(server_default="1")  # 1 is written to first
    opted_out_at: Mapped[datetime | None]
    refused_at: Mapped[datetime | None]  # when a mail server said last that there is no such address
    refusal: Mapped[str | None]  # in its words
