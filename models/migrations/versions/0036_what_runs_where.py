"""Each worker says which version of Uptake it is."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    """Nobody has said so far."""
    op.add_column("heartbeat", sa.Column("version", sa.Text(), nullable=True))


def downgrade() -> None:
    """Keep the tick alone, by which workers before knew one another."""
    op.execute("DELETE FROM heartbeat WHERE process <> 'tick'")
    op.drop_column("heartbeat", "version")
