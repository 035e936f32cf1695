"""Tenants of a source are found by letters without a look at those of all others."""

from alembic import op

revision = "0045"
down_revision = "0044"

_WHY = "Tenants by any three letters of their name or id."
# The extension is a trusted one, as that of 0031 is; without either, the index stays what it is, or is not there.
FOUND_IN_A_SOURCE = f"""
DO $$BEGIN
    CREATE EXTENSION IF NOT EXISTS btree_gin;
    CREATE INDEX ix_tenant_letters_to_be ON tenant USING gin (source_id, letters gin_trgm_ops);
    COMMENT ON INDEX ix_tenant_letters_to_be IS '{_WHY}';
    DROP INDEX IF EXISTS ix_tenant_letters;
    ALTER INDEX ix_tenant_letters_to_be RENAME TO ix_tenant_letters;
EXCEPTION WHEN insufficient_privilege OR feature_not_supported OR undefined_file OR undefined_object THEN
    RAISE WARNING 'btree_gin or pg_trgm cannot be had here, so searches look at tenants of all sources: %', SQLERRM;
END$$
"""
_OF_ALL = f"""
DO $$BEGIN
    CREATE INDEX ix_tenant_letters_to_be ON tenant USING gin (letters gin_trgm_ops);
    COMMENT ON INDEX ix_tenant_letters_to_be IS '{_WHY}';
    DROP INDEX IF EXISTS ix_tenant_letters;
    ALTER INDEX ix_tenant_letters_to_be RENAME TO ix_tenant_letters;
EXCEPTION WHEN undefined_object THEN NULL;
END$$
"""


def upgrade() -> None:
    """The source stands in the index, too."""
    op.execute(FOUND_IN_A_SOURCE)


def downgrade() -> None:
    """Look at those of all; others may use the extension."""
    op.execute(_OF_ALL)
