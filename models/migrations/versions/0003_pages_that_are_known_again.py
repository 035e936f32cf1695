"""Pages that are known again."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Remember what was read of each page."""
    op.create_table(
        "walked_page",
        sa.Column("app_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("more", sa.Boolean(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["app.id"], name=op.f("fk_walked_page_app_id")),
        sa.PrimaryKeyConstraint("app_id", "number", name=op.f("pk_walked_page")),
        postgresql_with={"toast_tuple_target": "8160"},
    )
    op.add_column("app", sa.Column("full_walk_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("app", sa.Column("settled", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("app", sa.Column("rewrites", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("app", "rewrites")
    op.drop_column("app", "settled")
    op.drop_column("app", "full_walk_at")
    op.drop_table("walked_page")
