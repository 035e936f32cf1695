"""Apps of a tenant."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Find one app of a tenant without looking through the others."""
    op.create_index("ix_connection_tenant_id_app_id", "connection", ["tenant_id", "app_id"])
    op.execute("COMMENT ON INDEX ix_connection_tenant_id_app_id IS 'All apps of one tenant.'")
    op.drop_index("ix_connection_tenant_id", "connection")


def downgrade() -> None:
    """Take it back."""
    op.create_index("ix_connection_tenant_id", "connection", ["tenant_id"])
    op.execute("COMMENT ON INDEX ix_connection_tenant_id IS 'All apps of one tenant.'")
    op.drop_index("ix_connection_tenant_id_app_id", "connection")
