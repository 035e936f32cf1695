"""What an evaluation rested on."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Know when there is nothing to evaluate."""
    op.add_column("app", sa.Column("changes", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("app", sa.Column("evaluated_as", sa.Text(), nullable=True))
    op.add_column("app", sa.Column("steps_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("app", "steps_at")
    op.drop_column("app", "evaluated_as")
    op.drop_column("app", "changes")
