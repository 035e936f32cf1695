"""Which connections of an app the next evaluation has to judge, by name instead of by a search through all."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Name who changed; until then, and so for every app once, nobody named is everybody."""
    op.add_column("app", sa.Column("unjudged", sa.ARRAY(sa.BigInteger())))
    op.drop_column("app", "changes")
    op.drop_column("app", "evaluated_changes")
    op.drop_column("app", "evaluated_seq")


def downgrade() -> None:
    """Take it back; all is judged anew."""
    op.drop_column("app", "unjudged")
    op.add_column("app", sa.Column("changes", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("app", sa.Column("evaluated_changes", sa.BigInteger()))
    op.add_column("app", sa.Column("evaluated_seq", sa.BigInteger()))
