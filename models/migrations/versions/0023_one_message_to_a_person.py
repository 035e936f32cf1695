"""A message may speak for several reminder threads of a person; and who cannot be reached is known."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"

_COMMENTS = (
    ("ix_notice_reminder_reminder_id", "The notices that speak for a thread."),
    ("ix_notice_gives_back", "Reminders that were taken back: their threads get their turns again."),
    ("ix_notice_group_id", "What a group has to say before this one."),
    ("ix_notice_receiver", "How much a receiver has heard of late."),
    ("ix_notice_to", "When somebody was written to last."),
    ("ix_reminder_tenant_id", "The open threads of a tenant, to be told in one message."),
    ("ix_contact_email", "The tenants that one person is a contact of."),
)
# A worker of the version before writes no row of its own; it may run beside for a while.
_TRIGGER = """
CREATE FUNCTION notice_speaks_for() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notice_reminder (notice_id, reminder_id, number)
    VALUES (NEW.id, NEW.reminder_id, cast(split_part(NEW.key, ':', 4) AS int))
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER notice_speaks_for AFTER INSERT ON notice FOR EACH ROW
    WHEN (NEW.reminder_id IS NOT NULL AND NEW.key LIKE 'reminder:%') EXECUTE FUNCTION notice_speaks_for();
"""


def upgrade() -> None:
    """Let each reminder that is on its way speak for its thread."""
    op.create_table(
        "notice_reminder",
        sa.Column("notice_id", sa.BigInteger, sa.ForeignKey("notice.id"), nullable=False),
        sa.Column("reminder_id", sa.BigInteger, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("notice_id", "reminder_id", name="pk_notice_reminder"),
    )
    op.execute("""
        INSERT INTO notice_reminder (notice_id, reminder_id, number)
        SELECT id, reminder_id, cast(split_part(key, ':', 4) AS int)
        FROM notice WHERE reminder_id IS NOT NULL
    """)
    op.create_index("ix_notice_reminder_reminder_id", "notice_reminder", ["reminder_id"])
    op.execute(_TRIGGER)
    op.add_column("notice", sa.Column("gives_back", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("ix_notice_gives_back", "notice", ["id"], postgresql_where=sa.text("gives_back"))
    op.create_index(
        "ix_notice_group_id",
        "notice",
        ["group_id"],
        postgresql_where=sa.text("group_id IS NOT NULL AND state IN ('due', 'sending')"),
    )
    op.create_index(
        "ix_notice_receiver",
        "notice",
        ["receiver", "created_at"],
        postgresql_where=sa.text("group_id IS NOT NULL"),
    )
    op.create_index(
        "ix_notice_to", "notice", ["to", "created_at"], postgresql_where=sa.text("reminder_id IS NOT NULL")
    )
    op.add_column("reminder", sa.Column("not_before", sa.TIMESTAMP(timezone=True)))
    op.create_index(
        "ix_reminder_tenant_id", "reminder", ["tenant_id"], postgresql_where=sa.text("stopped_at IS NULL")
    )
    op.add_column("contact", sa.Column("refused_at", sa.TIMESTAMP(timezone=True)))
    op.add_column("contact", sa.Column("refusal", sa.Text))
    op.create_index("ix_contact_email", "contact", ["email"])
    for name, why in _COMMENTS:
        op.execute(f"COMMENT ON INDEX {name} IS '{why}'")


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_contact_email")
    op.drop_column("contact", "refusal")
    op.drop_column("contact", "refused_at")
    op.drop_index("ix_reminder_tenant_id")
    op.drop_column("reminder", "not_before")
    op.drop_index("ix_notice_to")
    op.drop_index("ix_notice_receiver")
    op.drop_index("ix_notice_group_id")
    op.drop_index("ix_notice_gives_back")
    op.drop_column("notice", "gives_back")
    op.execute("DROP TRIGGER notice_speaks_for ON notice; DROP FUNCTION notice_speaks_for")
    op.drop_table("notice_reminder")
