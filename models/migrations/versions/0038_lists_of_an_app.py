"""Alerts and threads of an app are found in the order of their lists, and open alerts are counted by an index alone."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"

_RANK = sa.text("coalesce(array_position('{critical,warning,info}', severity), 4)")
Described = tuple[str, str, list[str | sa.TextClause], str, str]  # name, table, columns, of which rows, and why
INDEXES: tuple[Described, ...] = (
    (
        "ix_alert_open_kind",
        "alert",
        ["source_id", "kind", _RANK, "since", "id"],
        "resolved_at IS NULL",
        "Open alerts of a kind, the most severe and oldest first, and what they are about, to count them by.",
    ),
    (
        "ix_alert_held",
        "alert",
        ["source_id", "kind"],
        "resolved_at IS NULL AND (acknowledged_at IS NOT NULL OR snoozed_until IS NOT NULL)",
        "The open alerts that somebody looks after, or has put off.",
    ),
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
# In place of these.
FORMER: tuple[Described, ...] = (
    (
        "ix_alert_open_kind",
        "alert",
        ["source_id", "kind", _RANK, "since", "id"],
        "resolved_at IS NULL",
        "Open alerts of a kind, the most severe and oldest first.",
    ),
    (
        "ix_alert_acknowledged",
        "alert",
        ["source_id", "kind"],
        "acknowledged_at IS NOT NULL AND resolved_at IS NULL",
        "The open alerts that somebody looks after.",
    ),
)


def upgrade() -> None:
    """Build them; what alerts are about stands in the index of the open ones, so that counting reads no alert."""
    for name, table, columns, where, why in INDEXES:
        held = ["app_id", "tenant_id", "environment", "severity"] if name == "ix_alert_open_kind" else []
        _build(name, table, columns, where, why, held)
    _put_in_place(FORMER, INDEXES)


def downgrade() -> None:
    """Look through all alerts and threads of an app."""
    for name, table, columns, where, why in FORMER:
        _build(name, table, columns, where, why, [])
    _put_in_place(INDEXES, FORMER)


def _build(name: str, table: str, columns: list[str | sa.TextClause], where: str, why: str, held: list[str]) -> None:
    """Under a name of its own, while the one that it is in place of serves whoever reads."""
    op.create_index(f"{name}_to_be", table, columns, postgresql_where=sa.text(where), postgresql_include=held)
    op.execute(f"COMMENT ON INDEX {name}_to_be IS '{why}'")


def _put_in_place(before: tuple[Described, ...], after: tuple[Described, ...]) -> None:
    """Last of all: from the first drop to the end nobody can read alerts."""
    for name, table, *_ in before:
        op.drop_index(name, table)
    for name, *_ in after:
        op.execute(f"ALTER INDEX {name}_to_be RENAME TO {name}")
