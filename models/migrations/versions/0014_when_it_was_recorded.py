"""When a walk was recorded last, and parts that failed."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Know of an app when it was recorded, and of a part of a walk that it ended that."""
    op.add_column("app", sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("walk_part", sa.Column("failed", sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("walk_part", "failed")
    op.drop_column("app", "recorded_at")
