"""Views that people come back to."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "saved_view",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_saved_view_account_id_account", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("account_id", "name", name="uq_saved_view_account_id_name"),
    )
    op.execute(
        "COMMENT ON CONSTRAINT uq_saved_view_account_id_name ON saved_view IS"
        " 'A name stands for one view of an account; saved again, it is another.'"
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table("saved_view")
