"""How many alerts of each app fire in an environment is counted of an index alone."""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"

_WHY = "How many alerts of each app fire, in each environment."


def upgrade() -> None:
    """The environment stands in the index, too."""
    _put_in_place(["app_id", "environment"], _WHY)


def downgrade() -> None:
    """Look at each alert for it."""
    _put_in_place(["app_id"], "How many alerts of each app fire.")


def _put_in_place(columns: list[str], why: str) -> None:
    op.create_index("ix_alert_firing_to_be", "alert", columns, postgresql_where=sa.text("state = 'firing'"))
    op.execute(f"COMMENT ON INDEX ix_alert_firing_to_be IS '{why}'")
    op.drop_index("ix_alert_firing", "alert")
    op.execute("ALTER INDEX ix_alert_firing_to_be RENAME TO ix_alert_firing")
