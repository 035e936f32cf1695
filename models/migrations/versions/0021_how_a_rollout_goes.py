"""How a rollout goes as a whole: when it was looked at, who went back, and since when an approval is waited for."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Have what the alerts on rollouts, approvals and broken evaluations rest on."""
    op.add_column("app", sa.Column("evaluations_broken", sa.Integer(), server_default="0", nullable=False))
    op.add_column("app", sa.Column("followed_at", sa.TIMESTAMP(timezone=True)))
    op.add_column("app", sa.Column("follow_at", sa.TIMESTAMP(timezone=True)))
    op.add_column("app", sa.Column("approval_since", sa.TIMESTAMP(timezone=True)))
    op.execute("UPDATE app SET approval_since = first_seen_at")
    op.alter_column("app", "approval_since", server_default=sa.text("now()"), nullable=False)
    op.add_column("connection", sa.Column("regressed_from", sa.Integer()))
    op.create_index(
        "ix_connection_regressed", "connection", ["app_id"], postgresql_where=sa.text("regressed_from IS NOT NULL")
    )
    op.execute("COMMENT ON INDEX ix_connection_regressed IS 'Tenants that went back to an older version.'")


def downgrade() -> None:
    """Take it back."""
    op.drop_column("connection", "regressed_from")
    for column in ("approval_since", "follow_at", "followed_at", "evaluations_broken"):
        op.drop_column("app", column)
