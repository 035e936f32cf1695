"""What is kept and for how long, and whose a repetition is."""

import sqlalchemy as sa
from alembic import op


revision = '0008'
down_revision = '0007'


def upgrade() -> None:
    """Deliveries know when they were queued; indexes for reading and sweeping; keys of connections besides clients'."""
    op.add_column('delivery', sa.Column('queued_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False), schema='portal')
    op.drop_index('delivery_due_ix', table_name='delivery', schema='portal', postgresql_where='(due_at IS NOT NULL)')
    op.create_index('delivery_waiting_ix', 'delivery', ['subscription_id', 'due_at'], unique=False, schema='portal', postgresql_where=sa.text('due_at IS NOT NULL'))
    op.create_index('delivery_settled_ix', 'delivery', ['queued_at'], unique=False, schema='portal', postgresql_where=sa.text('due_at IS NULL'))
    op.create_index('delivery_subscription_ix', 'delivery', ['subscription_id', 'id'], unique=False, schema='portal')
    op.create_index('token_expires_ix', 'token', ['expires_at'], unique=False, schema='portal')
    op.drop_constraint('idempotency_client_id_fk', 'idempotency', schema='portal', type_='foreignkey')
    op.alter_column('idempotency', 'client_id', new_column_name='owner', type_=sa.String(64), postgresql_using='client_id::text', schema='portal')


def downgrade() -> None:
    """Take it back; keys that came with a connection's token are forgotten."""
    op.execute("DELETE FROM portal.idempotency WHERE owner !~ '^[0-9]+$'")
    op.alter_column('idempotency', 'owner', new_column_name='client_id', type_=sa.BigInteger(), postgresql_using='owner::bigint', schema='portal')
    op.create_foreign_key('idempotency_client_id_fk', 'idempotency', 'client', ['client_id'], ['id'], source_schema='portal', referent_schema='portal')
    op.drop_index('token_expires_ix', table_name='token', schema='portal')
    op.drop_index('delivery_subscription_ix', table_name='delivery', schema='portal')
    op.drop_index('delivery_settled_ix', table_name='delivery', schema='portal')
    op.drop_index('delivery_waiting_ix', table_name='delivery', schema='portal')
    op.create_index('delivery_due_ix', 'delivery', ['due_at'], unique=False, schema='portal', postgresql_where=sa.text('due_at IS NOT NULL'))
    op.drop_column('delivery', 'queued_at', schema='portal')
