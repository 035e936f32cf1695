"""Who was judged already."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Know of an app's last evaluation what it had seen of the connections."""
    op.add_column("app", sa.Column("evaluated_changes", sa.BigInteger(), nullable=True))
    op.add_column("app", sa.Column("evaluated_seq", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("app", "evaluated_seq")
    op.drop_column("app", "evaluated_changes")
