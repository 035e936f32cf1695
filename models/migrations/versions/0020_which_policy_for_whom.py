"""Which policy holds for whom: labels of tenants, and which policies an app was judged by."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Have labels as sets that tenants point at (nothing could write the column there was)."""
    op.create_table(
        "label_set",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("labels", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_label_set"),
        sa.UniqueConstraint("labels", name="uq_label_set_labels"),
    )
    op.execute("COMMENT ON CONSTRAINT uq_label_set_labels ON label_set IS 'Equal sets are one row, so sets compare by id.'")
    op.drop_column("tenant", "labels")
    op.add_column("tenant", sa.Column("label_set_id", sa.BigInteger()))
    op.create_foreign_key("fk_tenant_label_set_id", "tenant", "label_set", ["label_set_id"], ["id"])
    op.create_index("ix_tenant_label_set_id", "tenant", ["label_set_id"], postgresql_where=sa.text("label_set_id IS NOT NULL"))
    op.execute("COMMENT ON INDEX ix_tenant_label_set_id IS 'The tenants with labels that a policy asks for.'")
    op.add_column("app", sa.Column("ruled_as", sa.Text()))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("app", "ruled_as")
    op.drop_column("tenant", "label_set_id")
    op.add_column("tenant", sa.Column("labels", JSONB(), server_default=sa.text("'{}'"), nullable=False))
    op.drop_table("label_set")
