"""Who was not connected at a past instant is found without looking through those who were."""

from alembic import op
from sqlalchemy import text

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    """By an index of those stretches alone, which are few."""
    op.create_index(
        "ix_tenure_away",
        "tenure",
        ["app_id", "environment", "status", "tenant_id"],
        postgresql_where=text("status <> 'connected'"),
    )
    op.execute("COMMENT ON INDEX ix_tenure_away IS 'Who was not connected to an app at a past instant.'")


def downgrade() -> None:
    """Look through all of them."""
    op.drop_index("ix_tenure_away", "tenure")
