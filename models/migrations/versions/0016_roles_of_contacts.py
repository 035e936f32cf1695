"""A contact has a role, and may or may not accept a new version."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Let everybody known so far be somebody who may accept, as was assumed of them."""
    op.execute("ALTER TABLE contact ADD COLUMN role text, ADD COLUMN may_accept boolean NOT NULL DEFAULT true")
    op.execute(
        "COMMENT ON INDEX ix_contact_tenant_id_rank IS 'A tenant''s contacts, to find the first who has not opted out.'"
    )


def downgrade() -> None:
    """Take it back."""
    op.execute("ALTER TABLE contact DROP COLUMN role, DROP COLUMN may_accept")
    op.execute("COMMENT ON INDEX ix_contact_tenant_id_rank IS 'The first contact who has not opted out.'")
