"""Timelines by connection."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Keep what happened to an app's connections together, and no index that nobody asks."""
    # What became of a reminder's notice was told of its tenant only.
    op.execute("""
UPDATE event e SET connection_id = r.connection_id FROM notice n JOIN reminder r ON r.id = n.reminder_id
WHERE e.connection_id IS NULL AND e.type IN ('reminder.sent', 'reminder.failed', 'reminder.cancelled')
  AND n.id = (e.data ->> 'notice')::int8
""")
    op.create_index("ix_event_connection_id_at", "event", ["connection_id", "at"])
    op.execute("COMMENT ON INDEX ix_event_connection_id_at IS 'The timeline of a tenant, connection by connection.'")
    op.drop_index("ix_event_tenant_id_at", "event")
    op.drop_index("ix_tenure_tenant_id_app_id", "tenure")


def downgrade() -> None:
    """Take it back."""
    op.create_index("ix_tenure_tenant_id_app_id", "tenure", ["tenant_id", "app_id", "valid_from"])
    op.execute("COMMENT ON INDEX ix_tenure_tenant_id_app_id IS 'The timeline of a tenant.'")
    op.create_index("ix_event_tenant_id_at", "event", ["tenant_id", "at"])
    op.execute("COMMENT ON INDEX ix_event_tenant_id_at IS 'The timeline of a tenant.'")
    op.drop_index("ix_event_connection_id_at", "event")
