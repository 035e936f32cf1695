"""Which version each turn asked for, and how many failed tries count against a message."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Keep it from now on; what waits now has used up what it was tried."""
    op.add_column("notice_reminder", sa.Column("target_version", sa.Integer))
    op.add_column("notice", sa.Column("failures", sa.Integer, nullable=False, server_default="0"))
    op.execute("UPDATE notice SET failures = attempts WHERE state IN ('due', 'sending') AND attempts > 0")


def downgrade() -> None:
    """Take it back."""
    op.drop_column("notice", "failures")
    op.drop_column("notice_reminder", "target_version")
