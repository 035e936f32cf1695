"""Which receivers cannot be used, why, and since when."""

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


def downgrade() -> None:
    """Take it back."""
    op.drop_table("stopped_receiver")
