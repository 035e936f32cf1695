"""When a connection was last seen, and when a circuit was opened."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Nothing is known of the past: empty means seen by the last walk."""
    op.add_column("source", sa.Column("circuit_opened_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("connection", sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("connection", "seen_at")
    op.drop_column("source", "circuit_opened_at")
