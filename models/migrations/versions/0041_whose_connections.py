"""Whose connections are of a kind is read from an index alone."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"

_COLUMNS: list[str | sa.TextClause] = [
    "app_id",
    "environment",
    "status",
    sa.text("coalesce(version, 0)"),
    sa.text("coalesce(scope_set_id, 0)"),
    sa.text("coalesce(epoch_started_at, 'infinity'::timestamptz)"),
    "id",
]
_WHY = "Connections of a kind, of which all have the same verdict, those that began first before the others."


def upgrade() -> None:
    """Beside the tenant stand the columns that PostgreSQL does not read from their expressions."""
    _build(["tenant_id", "version", "scope_set_id"])


def downgrade() -> None:
    """Look each of them up."""
    _build([])


def _build(held: list[str]) -> None:
    """The one in place serves whoever reads until this one does."""
    op.create_index("ix_connection_kind_to_be", "connection", _COLUMNS, postgresql_include=held)
    op.execute(f"COMMENT ON INDEX ix_connection_kind_to_be IS '{_WHY}'")
    op.drop_index("ix_connection_kind", "connection")
    op.execute("ALTER INDEX ix_connection_kind_to_be RENAME TO ix_connection_kind")
