"""The first of a list are found without looking at the rest: by kind of connection, by app, tenant and state."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"

INDEXES: tuple[tuple[str, str, list[str | sa.TextClause], str | None, str], ...] = (
    (
        "ix_connection_kind",
        "connection",
        [
            "app_id",
            "environment",
            "status",
            sa.text("coalesce(version, 0)"),
            sa.text("coalesce(scope_set_id, 0)"),
            sa.text("coalesce(epoch_started_at, 'infinity'::timestamptz)"),
            "id",
        ],
        None,
        "Connections of a kind, of which all have the same verdict, those that began first before the others.",
    ),
    ("ix_alert_firing", "alert", ["app_id"], "state = 'firing'", "How many alerts of each app fire."),
    (
        "ix_notice_unsent",
        "notice",
        ["state", "id"],
        "state <> 'sent'",
        "Messages that wait, failed or were taken back, the last ones first.",
    ),
    (
        "ix_notice_operators",
        "notice",
        ["id"],
        "reminder_id IS NULL",
        "What operators were told last, among very many reminders.",
    ),
    ("ix_notice_app_id", "notice", ["app_id", "id"], "reminder_id IS NULL", "What operators were told last about an app."),
    (
        "ix_notice_refused",
        "notice",
        ["settled_at"],
        "state = 'failed' AND reminder_id IS NOT NULL",
        "Reminders that came to nothing of late.",
    ),
    ("ix_notice_reminder_app_id", "notice_reminder", ["app_id", "notice_id"], None, "The last reminders about an app."),
    (
        "ix_notice_reminder_tenant_id",
        "notice_reminder",
        ["tenant_id", "notice_id"],
        None,
        "The last reminders to a tenant.",
    ),
)
# Beside the thread stands what never changes of it, whoever writes the row.
ABOUT = """
CREATE FUNCTION notice_reminder_is_about() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT r.app_id, r.tenant_id INTO NEW.app_id, NEW.tenant_id FROM reminder r WHERE r.id = NEW.reminder_id;
    RETURN NEW;
END $$;
CREATE TRIGGER is_about BEFORE INSERT ON notice_reminder FOR EACH ROW EXECUTE FUNCTION notice_reminder_is_about();
"""


def upgrade() -> None:
    """Build them, and say of each turn of a thread whom it is about."""
    op.add_column("notice_reminder", sa.Column("app_id", sa.BigInteger))
    op.add_column("notice_reminder", sa.Column("tenant_id", sa.BigInteger))
    op.execute("""
        UPDATE notice_reminder p SET app_id = r.app_id, tenant_id = r.tenant_id
        FROM reminder r WHERE r.id = p.reminder_id
    """)
    op.execute(ABOUT)
    op.drop_index("ix_notice_app_id", table_name="notice")
    for name, table, columns, where, why in INDEXES:
        op.create_index(name, table, columns, postgresql_where=sa.text(where) if where else None)
        op.execute(f"COMMENT ON INDEX {name} IS '{why}'")


def downgrade() -> None:
    """Take them back."""
    for name, table, *_ in reversed(INDEXES):
        op.drop_index(name, table)
    op.create_index("ix_notice_app_id", "notice", ["app_id", "created_at"])
    op.execute("COMMENT ON INDEX ix_notice_app_id IS 'What was sent about an app.'")
    op.execute("DROP TRIGGER is_about ON notice_reminder; DROP FUNCTION notice_reminder_is_about")
    op.drop_column("notice_reminder", "tenant_id")
    op.drop_column("notice_reminder", "app_id")
