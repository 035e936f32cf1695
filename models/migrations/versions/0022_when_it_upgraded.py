"""When each connection was seen to upgrade, beside how it stands."""

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
    more = ",\n       CASE WHEN c.version_not_before IS NOT NULL THEN c.version_not_after END AS upgraded_at"
    op.execute(_STANDING.format(more=more))


def downgrade() -> None:
    """Take it back."""
    op.execute("DROP VIEW standing")
    op.execute(_STANDING.format(more=""))
