"""Stretches are compared when they end, and what comes with a connection is not checked again."""

from alembic import op
from sqlalchemy import text

revision = "0012"
down_revision = "0011"

_OVERLAP = "EXCLUDE USING gist (connection_id WITH =, tstzrange(valid_from, valid_to) WITH &&)"
_ONE = "Exactly one stretch of a connection is open"
_AGAIN = (("alert", "app"), ("alert", "tenant"), ("reminder", "app"), ("reminder", "tenant"))


def upgrade() -> None:
    """Spare each open stretch its place in the slowest of all indexes, and each alert checks of what was checked."""
    op.execute("ALTER TABLE tenure DROP CONSTRAINT ex_tenure_overlap")
    op.execute(f"ALTER TABLE tenure ADD CONSTRAINT ex_tenure_overlap {_OVERLAP} WHERE (valid_to IS NOT NULL)")
    op.execute("COMMENT ON CONSTRAINT ex_tenure_overlap ON tenure IS 'Stretches of one connection never overlap.'")
    op.create_index(
        "uq_tenure_connection_id", "tenure", ["connection_id", "valid_to"], unique=True, postgresql_nulls_not_distinct=True
    )
    op.execute(f"COMMENT ON INDEX uq_tenure_connection_id IS '{_ONE}; and all that it had.'")
    op.drop_index("uq_tenure_open", "tenure")
    for table, to in _AGAIN:
        op.drop_constraint(f"fk_{table}_{to}_id", table)


def downgrade() -> None:
    """Take it back."""
    for table, to in _AGAIN:
        op.create_foreign_key(f"fk_{table}_{to}_id", table, to, [f"{to}_id"], ["id"])
    op.create_index(
        "uq_tenure_open", "tenure", ["connection_id"], unique=True, postgresql_where=text("valid_to IS NULL")
    )
    op.execute(f"COMMENT ON INDEX uq_tenure_open IS '{_ONE}.'")
    op.drop_index("uq_tenure_connection_id", "tenure")
    op.execute("ALTER TABLE tenure DROP CONSTRAINT ex_tenure_overlap")
    op.execute(f"ALTER TABLE tenure ADD CONSTRAINT ex_tenure_overlap {_OVERLAP}")
    op.execute("COMMENT ON CONSTRAINT ex_tenure_overlap ON tenure IS 'Stretches of one connection never overlap.'")
