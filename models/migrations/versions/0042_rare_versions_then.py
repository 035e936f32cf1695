"""Who ran a version at a past instant is found without reading the stretches of all others."""

from alembic import op

revision = "0042"
down_revision = "0041"


def upgrade() -> None:
    """The version stands in the index of the stretches of an app."""
    _build("An app as of a past instant, and who ran a version then.", "app_id", "valid_from", "valid_to", "version")


def downgrade() -> None:
    """Read the stretches."""
    _build("An app as of a past instant.", "app_id", "valid_from", "valid_to")


def _build(why: str, *columns: str) -> None:
    """The one in place serves whoever reads until this one does."""
    op.create_index("ix_tenure_app_id_to_be", "tenure", list(columns))
    op.execute(f"COMMENT ON INDEX ix_tenure_app_id_to_be IS '{why}'")
    op.drop_index("ix_tenure_app_id", "tenure")
    op.execute("ALTER INDEX ix_tenure_app_id_to_be RENAME TO ix_tenure_app_id")
