"""How much of a receiver's rate is used."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Have a place to count it."""
    op.create_table(
        "paced_receiver",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("used_at", sa.ARRAY(sa.TIMESTAMP(timezone=True)), nullable=False),
        sa.Column("free_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_paced_receiver"),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("paced_receiver")
