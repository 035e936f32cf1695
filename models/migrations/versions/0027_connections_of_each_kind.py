"""How many connections of each kind every app has, counted once and kept from then on."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"

STATUSES = ("awaiting_approval", "not_connected", "connected", "disabled", "disconnected", "unknown")


def upgrade() -> None:
    """Count what there is."""
    op.create_table(
        "tally",
        sa.Column("app_id", sa.BigInteger, nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("status", sa.Enum(*STATUSES, name="status", native_enum=False, length=40), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("scope_set_id", sa.BigInteger, nullable=False),
        sa.Column("tenants", sa.Integer, nullable=False),
        sa.CheckConstraint("tenants > 0", name=op.f("ck_tally_tenants")),
        sa.ForeignKeyConstraint(["app_id"], ["app.id"], name="fk_tally_app_id_app"),
        sa.PrimaryKeyConstraint("app_id", "environment", "status", "version", "scope_set_id", name="pk_tally"),
    )
    op.execute("COMMENT ON CONSTRAINT ck_tally_tenants ON tally IS 'What nobody is has no row.'")
    op.execute("""
        INSERT INTO tally (app_id, environment, status, version, scope_set_id, tenants)
        SELECT app_id, environment, status, coalesce(version, 0), coalesce(scope_set_id, 0), count(*)
        FROM connection GROUP BY 1, 2, 3, 4, 5
    """)


def downgrade() -> None:
    """Take it back."""
    op.drop_table("tally")
