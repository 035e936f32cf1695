"""The letters that tenants are found by stand in a column of their own, in lower case."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"

# Each begins a line, so that what a name or an id begins with is found as well.
LETTERS = r"lower(e'\n' || coalesce(name, '') || e'\n' || external_id)"
WHY = "Tenants by any three letters of their name or id."
# Where the extension cannot be had, 0031 has said so.
FOUND_BY_LETTERS = f"""
DO $$BEGIN
    CREATE INDEX ix_tenant_letters ON tenant USING gin (letters gin_trgm_ops);
    COMMENT ON INDEX ix_tenant_letters IS '{WHY}';
EXCEPTION WHEN undefined_object THEN
    RAISE WARNING 'pg_trgm is not here, so searches for tenants read all of them: docs/deploy.md says how to mend that';
END$$
"""
_AS_IT_WAS = f"""
DO $$BEGIN
    CREATE INDEX ix_tenant_letters ON tenant USING gin (name gin_trgm_ops, external_id gin_trgm_ops);
    COMMENT ON INDEX ix_tenant_letters IS '{WHY}';
EXCEPTION WHEN undefined_object THEN NULL;
END$$
"""


def upgrade() -> None:
    """Write it beside each name, which rewrites the table."""
    op.execute("DROP INDEX IF EXISTS ix_tenant_letters")
    op.add_column("tenant", sa.Column("letters", sa.Text, sa.Computed(LETTERS, persisted=True)))
    op.execute(FOUND_BY_LETTERS)


def downgrade() -> None:
    """Compare names and ids in any case again."""
    op.execute("DROP INDEX IF EXISTS ix_tenant_letters")
    op.drop_column("tenant", "letters")
    op.execute(_AS_IT_WAS)
