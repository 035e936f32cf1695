"""Feeds of changes, and until when our picture of an app is exact with them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"


def upgrade() -> None:
    """Remember where a feed was left."""
    op.add_column("source", sa.Column("feed_from", sa.Text(), nullable=True))
    op.add_column("source", sa.Column("feed_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("source", sa.Column("fed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("source", sa.Column("feed_fault", sa.Text(), nullable=True))
    op.add_column("source", sa.Column("feed_retry_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("app", sa.Column("exact_until", sa.DateTime(timezone=True), nullable=True))
    op.execute("""
CREATE VIEW freshness AS
SELECT a.id AS app_id, CASE WHEN a.exact_until IS NOT NULL THEN a.exact_until
    WHEN a.walked_at >= s.feed_since THEN greatest(a.walked_at, s.fed_at) ELSE a.walked_at END AS exact_at
FROM app a JOIN source s ON s.id = a.source_id
""")
    op.execute("COMMENT ON VIEW freshness IS 'Until when our picture of an app is exact: walked, or fed since.'")


def downgrade() -> None:
    """Take it back."""
    op.execute("DROP VIEW freshness")
    op.drop_column("app", "exact_until")
    for column in ("feed_retry_at", "feed_fault", "fed_at", "feed_since", "feed_from"):
        op.drop_column("source", column)
