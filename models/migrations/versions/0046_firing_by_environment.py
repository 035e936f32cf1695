"""How many alerts fire, of an app in an environment or of a source, is counted of an index where vacuum has been."""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"

_WHY = "How many alerts fire, of each app in each environment and of each source."
# Pages that were written since are looked at alert by alert, which takes ten times as long: PostgreSQL would leave a
# fifth of the table to that.
_SOON = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02"


def upgrade() -> None:
    """Environment and source stand in the index, too, and alerts are vacuumed sooner."""
    _put_in_place(["app_id", "environment", "source_id"], _WHY)
    op.execute(f"ALTER TABLE alert SET ({_SOON})")


def downgrade() -> None:
    """Look at each alert for it."""
    op.execute("ALTER TABLE alert RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor)")
    _put_in_place(["app_id"], "How many alerts of each app fire.")


def _put_in_place(columns: list[str], why: str) -> None:
    op.create_index("ix_alert_firing_to_be", "alert", columns, postgresql_where=sa.text("state = 'firing'"))
    op.execute(f"COMMENT ON INDEX ix_alert_firing_to_be IS '{why}'")
    op.drop_index("ix_alert_firing", "alert")
    op.execute("ALTER INDEX ix_alert_firing_to_be RENAME TO ix_alert_firing")
