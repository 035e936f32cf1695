"""Due apps by source."""

from alembic import op
from sqlalchemy import Column, Integer, text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Let each source have its turn, and so many apps at once."""
    op.drop_index("ix_app_due", table_name="app")
    op.create_index("ix_app_due", "app", ["source_id", "next_poll_at"], postgresql_where=text("deleted_at IS NULL"))
    op.execute("COMMENT ON INDEX ix_app_due IS 'The tick looks for each source''s due apps.'")
    op.create_index("ix_app_leased", "app", ["source_id"], postgresql_where=text("lease_until IS NOT NULL"))
    op.execute("COMMENT ON INDEX ix_app_leased IS 'How many apps of a source are being polled.'")
    op.add_column("source", Column("at_once", Integer(), server_default="8", nullable=False))


def downgrade() -> None:
    """Take it back."""
    op.drop_column("source", "at_once")
    op.drop_index("ix_app_leased", table_name="app")
    op.drop_index("ix_app_due", table_name="app")
    op.create_index("ix_app_due", "app", ["next_poll_at"], postgresql_where=text("deleted_at IS NULL"))
    op.execute("COMMENT ON INDEX ix_app_due IS 'The tick looks for due apps.'")
