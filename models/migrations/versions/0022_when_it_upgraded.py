"""When each connection was seen to upgrade, beside how it stands."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

_STANDING = """
CREATE VIEW standing AS
SELECT c.id AS connection_id, c.app_id, c.tenant_id, c.environment, c.status, c.version, c.scope_set_id,
       v.latest, v.lag, v.missing, v.superfluous, v.versions_behind,
       greatest(v.outdated_since, c.epoch_started_at) AS outdated_since,
       greatest(v.since, c.epoch_started_at) AS since{more}
FROM connection c
JOIN verdict v ON v.app_id = c.app_id AND v.version = coalesce(c.version, 0) AND v.scope_set_id = c.scope_set_id
WHERE c.status IN ('connected', 'disabled')
"""


def upgrade() -> None:
    """Tell it with the rest."""
    op.execute("DROP VIEW standing")
    op.add_column("connection", sa.Column("upgraded_at", sa.TIMESTAMP(timezone=True)))
    op.execute(_STANDING.format(more=", c.upgraded_at"))


def downgrade() -> None:
    """Take it back."""
    op.execute("DROP VIEW standing")
    op.drop_column("connection", "upgraded_at")
    op.execute(_STANDING.format(more=""))
