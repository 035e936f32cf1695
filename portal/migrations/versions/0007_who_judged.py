"""Who judged a public app, and when."""

import sqlalchemy as sa
from alembic import op


revision = '0007'
down_revision = '0006'


def upgrade() -> None:
    """Who judged a public app, and when; of those that were judged before, the time of an approval is known."""
    op.add_column('app', sa.Column('judged_at', sa.DateTime(timezone=True), nullable=True), schema='portal')
    op.add_column('app', sa.Column('judged_by', sa.String(length=120), nullable=True), schema='portal')
    op.execute('UPDATE portal.app SET judged_at = approved_at WHERE approved_at IS NOT NULL')


def downgrade() -> None:
    """Take it back."""
    op.drop_column('app', 'judged_by', schema='portal')
    op.drop_column('app', 'judged_at', schema='portal')
