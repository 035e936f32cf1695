"""Messages of an app that wait or failed are found without looking through those of all others."""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"


def upgrade() -> None:
    """By an index of what was not sent, which is little."""
    op.create_index(
        "ix_notice_unsent_app", "notice", ["app_id", "state", "id"], postgresql_where=sa.text("state <> 'sent'")
    )
    why = "Messages about an app that wait, failed or were taken back, the last ones first."
    op.execute(f"COMMENT ON INDEX ix_notice_unsent_app IS '{why}'")


def downgrade() -> None:
    """Look through them."""
    op.drop_index("ix_notice_unsent_app", "notice")
