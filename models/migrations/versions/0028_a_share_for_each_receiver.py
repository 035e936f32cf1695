"""What waits, by receiver: none of them is in the way of another."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"

_WAITS = sa.text("state IN ('due', 'sending')")


def upgrade() -> None:
    """Find it by receiver; nothing asks for the notices of a thread by the first of it any more."""
    op.create_index("ix_notice_waiting", "notice", ["receiver", "due_at"], postgresql_where=_WAITS)
    op.execute(
        "COMMENT ON INDEX ix_notice_waiting IS 'Which receivers something waits for, and what; leases that ran out.'"
    )
    op.drop_index("ix_notice_due_at", table_name="notice")
    op.drop_index("ix_notice_reminder_id", table_name="notice")


def downgrade() -> None:
    """Take it back."""
    op.create_index("ix_notice_reminder_id", "notice", ["reminder_id"])
    op.execute("COMMENT ON INDEX ix_notice_reminder_id IS 'The notices of a thread, to cancel them.'")
    op.create_index("ix_notice_due_at", "notice", ["due_at"], postgresql_where=_WAITS)
    op.execute("COMMENT ON INDEX ix_notice_due_at IS 'What is waiting to be sent, and leases that ran out.'")
    op.drop_index("ix_notice_waiting", table_name="notice")
