"""What happened to a tenant and to no connection of it."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """Find it by index: of all events they are the fewest."""
    op.create_index(
        "ix_event_tenant_itself",
        "event",
        ["tenant_id", "at"],
        postgresql_where=sa.text("tenant_id IS NOT NULL AND connection_id IS NULL"),
    )
    op.execute(
        "COMMENT ON INDEX ix_event_tenant_itself IS"
        " 'The timeline of a tenant: what is about none of its connections, such as who wants no more reminders.'"
    )


def downgrade() -> None:
    """Look through all of them."""
    op.drop_index("ix_event_tenant_itself", "event")
