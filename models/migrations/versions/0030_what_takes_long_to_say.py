"""Answers about rollouts that take long, worked out ahead."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Have a place for them; the workers fill it within an hour, and until then they are worked out when asked for."""
    op.create_table(
        "study",
        sa.Column("app_id", sa.BigInteger, nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("made_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("as_of", sa.TIMESTAMP(timezone=True)),
        sa.Column("rests_on", sa.TIMESTAMP(timezone=True)),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["app.id"], name="fk_study_app_id_app"),
        sa.PrimaryKeyConstraint("app_id", "environment", "version", "question", name="pk_study"),
    )
    op.add_column("app", sa.Column("studied_at", sa.TIMESTAMP(timezone=True)))
    op.create_index(
        "ix_reminder_sent", "reminder", ["app_id", "last_sent_at"], postgresql_where=sa.text("last_sent_at IS NOT NULL")
    )
    op.execute("COMMENT ON INDEX ix_reminder_sent IS 'What came of the reminders of an app.'")


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_reminder_sent", table_name="reminder")
    op.drop_column("app", "studied_at")
    op.drop_table("study")
