"""Tenants of all sources are found by name in one go."""

from alembic import op

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    """In the order that a page of them has."""
    op.execute("""CREATE INDEX ix_tenant_name ON tenant ((coalesce(name, external_id) COLLATE "C"), id)""")
    op.execute("COMMENT ON INDEX ix_tenant_name IS 'The tenants of all sources by name, page by page.'")


def downgrade() -> None:
    """Source by source."""
    op.drop_index("ix_tenant_name", "tenant")
