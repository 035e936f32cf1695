"""Due apps by source."""

from alembic import op
from sqlalchemy import text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Let each source have its turn."""
    op.drop_index("ix_app_due", table_name="app")
    op.create_index("ix_app_due", "app", ["source_id", "next_poll_at"], postgresql_where=text("deleted_at IS NULL"))
    op.execute("COMMENT ON INDEX ix_app_due IS 'The tick looks for each source''s due apps.'")


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_app_due", table_name="app")
    op.create_index("ix_app_due", "app", ["next_poll_at"], postgresql_where=text("deleted_at IS NULL"))
    op.execute("COMMENT ON INDEX ix_app_due IS 'The tick looks for due apps.'")
