"""The house as first laid."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from models.event import Xid8

revision = "0001"
down_revision = None

STANDING = """
CREATE VIEW standing AS
SELECT c.id AS connection_id, c.app_id, c.tenant_id, c.environment, c.status, c.version, c.scope_set_id,
       v.latest, v.lag, v.missing, v.superfluous, v.versions_behind,
       greatest(v.outdated_since, c.epoch_started_at) AS outdated_since,
       greatest(v.since, c.epoch_started_at) AS since
FROM connection c
JOIN verdict v ON v.app_id = c.app_id AND v.version = coalesce(c.version, 0) AND v.scope_set_id = c.scope_set_id
WHERE c.status IN ('connected', 'disabled')
"""

WHYS = (
    ("ix_event_app_id_at", "What happened to an app."),
    ("ix_event_tenant_id_at", "The timeline of a tenant."),
    ("ix_event_tx_id", "The feed, in commit order."),
    ("ix_source_due", "The tick looks for due sources."),
    ("ix_app_due", "The tick looks for due apps."),
    ("ix_app_evaluate", "The tick looks for apps whose alerts may have changed."),
    ("ix_connection_absent", "Rows missing from the last complete walk: gone after the second."),
    ("ix_connection_tenant_id", "All apps of one tenant."),
    ("ix_contact_tenant_id_rank", "The first contact who has not opted out."),
    ("ix_notice_group_flush_at", "The tick looks for groups to flush."),
    ("uq_notice_group", "One group per (receiver, source, app, kind)."),
    ("ix_poll_app_id_started_at", "The last runs of an app."),
    ("ix_poll_source_id_started_at", "The last runs of a source."),
    ("ix_alert_connection_id", "The alerts of a connection, for explain."),
    ("ix_alert_untold", "What receivers may have to be told."),
    ("uq_alert_open", "At most one open alert per (app, tenant, environment, kind)."),
    ("ix_reminder_app_id", "The threads of an app."),
    ("ix_reminder_due_at", "The tick looks for threads that are due."),
    ("uq_reminder_open", "One open thread per connection."),
    ("ix_tenure_app_id", "An app as of a past instant."),
    ("ix_tenure_tenant_id_app_id", "The timeline of a tenant."),
    ("uq_tenure_open", "Exactly one stretch of a connection is open."),
    ("ix_alert_step_alert_id", "The log of one alert."),
    ("ix_notice_app_id", "What was sent about an app."),
    ("ix_notice_due_at", "What is waiting to be sent, and leases that ran out."),
    ("ix_notice_reminder_id", "The notices of a thread, to cancel them."),
)


def upgrade() -> None:
    """The house as first laid."""
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")  # the exclusion constraint compares ids with =
    op.create_table(
        "event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tx", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("app_id", sa.BigInteger(), nullable=True),
        sa.Column("tenant_id", sa.BigInteger(), nullable=True),
        sa.Column("connection_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "data", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    op.create_index("ix_event_app_id_at", "event", ["app_id", "at"], unique=False)
    op.create_index("ix_event_tenant_id_at", "event", ["tenant_id", "at"], unique=False)
    op.create_index("ix_event_tx_id", "event", ["tx", "id"], unique=False)
    op.create_table(
        "fire",
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "fired_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("schedule", "due_at", name=op.f("pk_fire")),
    )
    op.create_table(
        "heartbeat",
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("process", name=op.f("pk_heartbeat")),
    )
    op.create_table(
        "scope_set",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("grants", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scope_set")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_scope_set_fingerprint")),
    )
    op.create_table(
        "source",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("circuit_open_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_fault", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_poll_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rung_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("poll_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source")),
        sa.UniqueConstraint("name", name=op.f("uq_source_name")),
    )
    op.create_index("ix_source_due", "source", ["next_poll_at"], unique=False)
    op.create_table(
        "app",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("distribution", sa.Text(), server_default="public", nullable=False),
        sa.Column("approval", sa.Text(), server_default="not_required", nullable=False),
        sa.Column("environments", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("latest_version", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("walked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("evaluate_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("evaluated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_poll_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rung_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("poll_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_app_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app")),
        sa.UniqueConstraint("source_id", "external_id", name=op.f("uq_app_source_id_external_id")),
    )
    op.create_index(
        "ix_app_due", "app", ["next_poll_at"], unique=False, postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.create_index(
        "ix_app_evaluate",
        "app",
        ["evaluate_at"],
        unique=False,
        postgresql_where=sa.text("evaluate_at IS NOT NULL"),
    )
    op.create_table(
        "tenant",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column(
            "labels", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_tenant_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant")),
        sa.UniqueConstraint("source_id", "external_id", name=op.f("uq_tenant_source_id_external_id")),
    )
    op.create_table(
        "adoption",
        sa.Column("app_id", sa.BigInteger(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("tenants", sa.Integer(), nullable=False),
        sa.CheckConstraint("tenants >= 0", name=op.f("ck_adoption_tenants")),
        sa.ForeignKeyConstraint(["app_id"], ["app.id"], name=op.f("fk_adoption_app_id")),
        sa.PrimaryKeyConstraint("app_id", "environment", "version", "day", name=op.f("pk_adoption")),
    )
    op.create_table(
        "app_version",
        sa.Column("app_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("scope_set_id", sa.BigInteger(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_by", sa.Text(), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_app_version_number")),
        sa.ForeignKeyConstraint(["app_id"], ["app.id"], name=op.f("fk_app_version_app_id")),
        sa.ForeignKeyConstraint(["scope_set_id"], ["scope_set.id"], name=op.f("fk_app_version_scope_set_id")),
        sa.PrimaryKeyConstraint("app_id", "number", name=op.f("pk_app_version")),
    )
    op.create_table(
        "connection",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("app_id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column(
            "status",
            sa.Enum(
                "awaiting_approval",
                "not_connected",
                "connected",
                "disabled",
                "disconnected",
                "unknown",
                name="status",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("scope_set_id", sa.BigInteger(), nullable=True),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("epoch_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("allowed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_by", sa.Text(), nullable=True),
        sa.Column("version_not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version_not_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hash", sa.BigInteger(), nullable=False),
        sa.Column("absent_walks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("epoch >= 0", name=op.f("ck_connection_epoch")),
        sa.ForeignKeyConstraint(["app_id"], ["app.id"], name=op.f("fk_connection_app_id")),
        sa.ForeignKeyConstraint(["scope_set_id"], ["scope_set.id"], name=op.f("fk_connection_scope_set_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_connection_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connection")),
        sa.UniqueConstraint(
            "app_id", "tenant_id", "environment", name=op.f("uq_connection_app_id_tenant_id_environment")
        ),
        postgresql_with={"fillfactor": "85"},
    )
    op.create_index(
        "ix_connection_absent",
        "connection",
        ["app_id"],
        unique=False,
        postgresql_where=sa.text("absent_walks > 0"),
    )
    op.create_index("ix_connection_tenant_id", "connection", ["tenant_id"], unique=False)
    op.create_table(
        "contact",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("rank", sa.Integer(), server_default="1", nullable=False),
        sa.Column("opted_out_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_contact_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact")),
        sa.UniqueConstraint("tenant_id", "email", name=op.f("uq_contact_tenant_id_email")),
    )
    op.create_index("ix_contact_tenant_id_rank", "contact", ["tenant_id", "rank"], unique=False)
    op.create_table(
        "notice_group",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("app_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("flush_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("notices", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["app.id"], name=op.f("fk_notice_group_app_id")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_notice_group_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_group")),
    )
    op.create_index("ix_notice_group_flush_at", "notice_group", ["flush_at"], unique=False)
    op.create_index(
        "uq_notice_group",
        "notice_group",
        ["receiver", "source_id", "app_id", "kind"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "poll",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("app_id", sa.BigInteger(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_seconds", sa.Double(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("pages", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rows", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("vanished", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rejected", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["app.id"], name=op.f("fk_poll_app_id")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_poll_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_poll")),
    )
    op.create_index("ix_poll_app_id_started_at", "poll", ["app_id", "started_at"], unique=False)
    op.create_index("ix_poll_source_id_started_at", "poll", ["source_id", "started_at"], unique=False)
    op.create_table(
        "verdict",
        sa.Column("app_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("scope_set_id", sa.BigInteger(), nullable=False),
        sa.Column("latest", sa.Integer(), nullable=False),
        sa.Column("lag", sa.Text(), nullable=False),
        sa.Column("missing", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("superfluous", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("versions_behind", sa.Integer(), nullable=False),
        sa.Column("outdated_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mismatch", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["app.id"], name=op.f("fk_verdict_app_id")),
        sa.ForeignKeyConstraint(["scope_set_id"], ["scope_set.id"], name=op.f("fk_verdict_scope_set_id")),
        sa.PrimaryKeyConstraint("app_id", "version", "scope_set_id", name=op.f("pk_verdict")),
    )
    op.create_table(
        "alert",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("app_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=True),
        sa.Column("connection_id", sa.BigInteger(), nullable=True),
        sa.Column("environment", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("resolve_reason", sa.Text(), nullable=True),
        sa.Column(
            "data", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["app_id"], ["app.id"], name=op.f("fk_alert_app_id")),
        sa.ForeignKeyConstraint(["connection_id"], ["connection.id"], name=op.f("fk_alert_connection_id")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_alert_source_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_alert_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
    )
    op.create_index("ix_alert_connection_id", "alert", ["connection_id"], unique=False)
    op.create_index(
        "ix_alert_untold",
        "alert",
        ["app_id", "kind"],
        unique=False,
        postgresql_where=sa.text("state <> 'pending'"),
    )
    op.create_index(
        "uq_alert_open",
        "alert",
        ["source_id", "app_id", "kind", "tenant_id", "environment"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_table(
        "reminder",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("app_id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("target_version", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held_reason", sa.Text(), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["app_id"], ["app.id"], name=op.f("fk_reminder_app_id")),
        sa.ForeignKeyConstraint(["connection_id"], ["connection.id"], name=op.f("fk_reminder_connection_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_reminder_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reminder")),
    )
    op.create_index("ix_reminder_app_id", "reminder", ["app_id"], unique=False)
    op.create_index(
        "ix_reminder_due_at",
        "reminder",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("stopped_at IS NULL"),
    )
    op.create_index(
        "uq_reminder_open",
        "reminder",
        ["connection_id"],
        unique=True,
        postgresql_where=sa.text("stopped_at IS NULL"),
    )
    op.create_table(
        "tenure",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("connection_id", sa.BigInteger(), nullable=False),
        sa.Column("app_id", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "awaiting_approval",
                "not_connected",
                "connected",
                "disabled",
                "disconnected",
                "unknown",
                name="status",
                native_enum=False,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("scope_set_id", sa.BigInteger(), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        postgresql.ExcludeConstraint(
            (sa.column("connection_id"), "="),
            (sa.text("tstzrange(valid_from, valid_to)"), "&&"),
            using="gist",
            name="ex_tenure_overlap",
        ),
        sa.CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name=op.f("ck_tenure_forward")),
        sa.ForeignKeyConstraint(["connection_id"], ["connection.id"], name=op.f("fk_tenure_connection_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenure")),
    )
    op.create_index("ix_tenure_app_id", "tenure", ["app_id", "valid_from", "valid_to"], unique=False)
    op.create_index(
        "ix_tenure_tenant_id_app_id", "tenure", ["tenant_id", "app_id", "valid_from"], unique=False
    )
    op.create_index(
        "uq_tenure_open",
        "tenure",
        ["connection_id"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "alert_step",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("alert_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("fk_alert_step_alert_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_step")),
    )
    op.create_index("ix_alert_step_alert_id", "alert_step", ["alert_id", "id"], unique=False)
    op.create_table(
        "notice",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("to", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=True),
        sa.Column("app_id", sa.BigInteger(), nullable=True),
        sa.Column("tenant_id", sa.BigInteger(), nullable=True),
        sa.Column("group_id", sa.BigInteger(), nullable=True),
        sa.Column("reminder_id", sa.BigInteger(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=True),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settle_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["app_id"], ["app.id"], name=op.f("fk_notice_app_id")),
        sa.ForeignKeyConstraint(["group_id"], ["notice_group.id"], name=op.f("fk_notice_group_id")),
        sa.ForeignKeyConstraint(["reminder_id"], ["reminder.id"], name=op.f("fk_notice_reminder_id")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_notice_source_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_notice_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sa.UniqueConstraint("key", name=op.f("uq_notice_key")),
    )
    op.create_index("ix_notice_app_id", "notice", ["app_id", "created_at"], unique=False)
    op.create_index(
        "ix_notice_due_at",
        "notice",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('due', 'sending')"),
    )
    op.create_index("ix_notice_reminder_id", "notice", ["reminder_id"], unique=False)
    op.create_table(
        "told",
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("alert_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("fk_told_alert_id")),
        sa.PrimaryKeyConstraint("receiver", "alert_id", name=op.f("pk_told")),
    )
    op.create_table(
        "attempt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("notice_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["notice_id"], ["notice.id"], name=op.f("fk_attempt_notice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
        sa.UniqueConstraint("notice_id", "number", name=op.f("uq_attempt_notice_id_number")),
    )
    op.execute(STANDING)
    for index, why in WHYS:
        op.execute(
            sa.text(f"COMMENT ON INDEX {index} IS " + "'" + why.replace("'", "''").replace(":", "\\:") + "'")
        )


def downgrade() -> None:
    """Take it back."""
    op.execute("DROP VIEW standing")
    op.drop_table("attempt")
    op.drop_table("told")
    op.drop_index("ix_notice_reminder_id", table_name="notice")
    op.drop_index(
        "ix_notice_due_at", table_name="notice", postgresql_where=sa.text("state IN ('due', 'sending')")
    )
    op.drop_index("ix_notice_app_id", table_name="notice")
    op.drop_table("notice")
    op.drop_index("ix_alert_step_alert_id", table_name="alert_step")
    op.drop_table("alert_step")
    op.drop_index("uq_tenure_open", table_name="tenure", postgresql_where=sa.text("valid_to IS NULL"))
    op.drop_index("ix_tenure_tenant_id_app_id", table_name="tenure")
    op.drop_index("ix_tenure_app_id", table_name="tenure")
    op.drop_table("tenure")
    op.drop_index("uq_reminder_open", table_name="reminder", postgresql_where=sa.text("stopped_at IS NULL"))
    op.drop_index("ix_reminder_due_at", table_name="reminder", postgresql_where=sa.text("stopped_at IS NULL"))
    op.drop_index("ix_reminder_app_id", table_name="reminder")
    op.drop_table("reminder")
    op.drop_index(
        "uq_alert_open",
        table_name="alert",
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.drop_index("ix_alert_untold", table_name="alert", postgresql_where=sa.text("state <> 'pending'"))
    op.drop_index("ix_alert_connection_id", table_name="alert")
    op.drop_table("alert")
    op.drop_table("verdict")
    op.drop_index("ix_poll_source_id_started_at", table_name="poll")
    op.drop_index("ix_poll_app_id_started_at", table_name="poll")
    op.drop_table("poll")
    op.drop_index("uq_notice_group", table_name="notice_group", postgresql_nulls_not_distinct=True)
    op.drop_index("ix_notice_group_flush_at", table_name="notice_group")
    op.drop_table("notice_group")
    op.drop_index("ix_contact_tenant_id_rank", table_name="contact")
    op.drop_table("contact")
    op.drop_index("ix_connection_tenant_id", table_name="connection")
    op.drop_index(
        "ix_connection_absent", table_name="connection", postgresql_where=sa.text("absent_walks > 0")
    )
    op.drop_table("connection")
    op.drop_table("app_version")
    op.drop_table("adoption")
    op.drop_table("tenant")
    op.drop_index("ix_app_evaluate", table_name="app", postgresql_where=sa.text("evaluate_at IS NOT NULL"))
    op.drop_index("ix_app_due", table_name="app", postgresql_where=sa.text("deleted_at IS NULL"))
    op.drop_table("app")
    op.drop_index("ix_source_due", table_name="source")
    op.drop_table("source")
    op.drop_table("scope_set")
    op.drop_table("heartbeat")
    op.drop_table("fire")
    op.drop_index("ix_event_tx_id", table_name="event")
    op.drop_index("ix_event_tenant_id_at", table_name="event")
    op.drop_index("ix_event_app_id_at", table_name="event")
    op.drop_table("event")
