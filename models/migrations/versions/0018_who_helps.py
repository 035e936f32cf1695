"""Who helps with the walk of a large app."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Count helpers among those who may read a source at once."""
    op.add_column("walk_part", sa.Column("helped", sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("walk_part", "helped")
