"""Alerts and threads of an app are found in the order of their lists."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0035"

_RANK = sa.text("coalesce(array_position('{critical,warning,info}', severity), 4)")
INDEXES: tuple[tuple[str, str, list[str | sa.TextClause], str, str], ...] = (
    (
        "ix_alert_open_app",
        "alert",
        ["app_id", "kind", _RANK, "since", "id"],
        "resolved_at IS NULL",
        "Open alerts of an app and kind, the most severe and oldest first.",
    ),
    (
        "ix_alert_resolved_app",
        "alert",
        ["app_id", "kind", "resolved_at", "id"],
        "resolved_at IS NOT NULL",
        "Resolved alerts of an app and kind, the last ones first.",
    ),
    (
        "ix_reminder_next_app",
        "reminder",
        ["app_id", sa.text("coalesce(due_at, '9999-01-01 00:00:00+00')"), "id"],
        "stopped_at IS NULL",
        "The open threads of an app by when they are due, page by page.",
    ),
    (
        "ix_reminder_stopped_app",
        "reminder",
        ["app_id", "id"],
        "stopped_at IS NOT NULL",
        "The threads of an app that are over, the last ones first.",
    ),
)


def upgrade() -> None:
    """Build them."""
    for name, table, columns, where, why in INDEXES:
        op.create_index(name, table, columns, postgresql_where=sa.text(where))
        op.execute(f"COMMENT ON INDEX {name} IS '{why}'")


def downgrade() -> None:
    """Look through all alerts and threads of an app."""
    for name, table, *_ in INDEXES:
        op.drop_index(name, table)
