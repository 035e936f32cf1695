"""Tenants that are found by a few letters of their name, and lists over everything in an order of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"

INDEXES: tuple[tuple[str, str, list[str | sa.TextClause], str | None, str], ...] = (
    (
        "ix_tenant_source_id_name",
        "tenant",
        ["source_id", sa.text('coalesce(name, external_id) COLLATE "C"'), "id"],
        None,
        "The tenants of a source by name, page by page.",
    ),
    (
        "ix_alert_open_kind",
        "alert",
        ["source_id", "kind", sa.text("coalesce(array_position('{critical,warning,info}', severity), 4)"), "since", "id"],
        "resolved_at IS NULL",
        "Open alerts of a kind, the most severe and oldest first.",
    ),
    (
        "ix_alert_resolved_kind",
        "alert",
        ["source_id", "kind", "resolved_at", "id"],
        "resolved_at IS NOT NULL",
        "Resolved alerts of a kind, the last ones first.",
    ),
    (
        "ix_alert_acknowledged",
        "alert",
        ["source_id", "kind"],
        "acknowledged_at IS NOT NULL AND resolved_at IS NULL",
        "The open alerts that somebody looks after.",
    ),
    (
        "ix_reminder_next",
        "reminder",
        [sa.text("coalesce(due_at, '9999-01-01 00:00:00+00')"), "id"],
        "stopped_at IS NULL",
        "Open threads by when they are due, page by page.",
    ),
    (
        "ix_notice_receiver_id",
        "notice",
        ["receiver", "id"],
        None,
        "What a receiver was sent, the newest first.",
    ),
    (
        "ix_notice_unsent",
        "notice",
        ["state", "id"],
        "state IN ('failed', 'cancelled')",
        "What came to nothing, the newest first.",
    ),
    (
        "ix_poll_unwell",
        "poll",
        ["source_id", "started_at"],
        "outcome <> 'complete'",
        "The last runs of a source that were not well.",
    ),
)
LETTERS = "Tenants by any three letters of their name or id."
# The extension is a trusted one: it takes the right to create in the database, and its files on the server. Without
# either, whoever searches reads all tenants; docs/deploy.md says how to mend that later.
FOUND_BY_LETTERS = f"""
DO $$BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX ix_tenant_letters ON tenant USING gin (name gin_trgm_ops, external_id gin_trgm_ops);
    COMMENT ON INDEX ix_tenant_letters IS '{LETTERS}';
EXCEPTION WHEN insufficient_privilege OR feature_not_supported OR undefined_file OR undefined_object THEN
    RAISE WARNING 'pg_trgm cannot be had here, so searches for tenants read all of them: %', SQLERRM;
END$$
"""


def upgrade() -> None:
    """Build them."""
    for name, table, columns, where, why in INDEXES:
        op.create_index(name, table, columns, postgresql_where=sa.text(where) if where else None)
        op.execute(f"COMMENT ON INDEX {name} IS '{why}'")
    op.execute(FOUND_BY_LETTERS)


def downgrade() -> None:
    """Take them back; others may use the extension."""
    op.execute("DROP INDEX IF EXISTS ix_tenant_letters")
    for name, table, *_ in INDEXES:
        op.drop_index(name, table)
