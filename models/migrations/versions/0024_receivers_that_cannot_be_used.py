"""Which receivers cannot be used, why, and since when; and which were told that somebody looks after a group."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Have a place to say so."""
    op.create_table(
        "stopped_receiver",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("stopped_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("tried_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_stopped_receiver"),
    )
    op.create_index(
        "ix_notice_failed",
        "notice",
        ["settled_at"],
        postgresql_where=sa.text("state = 'failed' AND group_id IS NOT NULL"),
    )
    op.execute("COMMENT ON INDEX ix_notice_failed IS 'What operators were not told, to be told elsewhere.'")
    op.create_index(
        "ix_notice_capped", "notice", ["receiver", "created_at"], postgresql_where=sa.text("reason = 'capped'")
    )
    op.execute("COMMENT ON INDEX ix_notice_capped IS 'When a receiver was told last that more waits for it.'")
    op.add_column("notice_group", sa.Column("acknowledged_at", sa.TIMESTAMP(timezone=True)))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("notice_group", "acknowledged_at")
    op.drop_index("ix_notice_capped")
    op.drop_index("ix_notice_failed")
    op.drop_table("stopped_receiver")
