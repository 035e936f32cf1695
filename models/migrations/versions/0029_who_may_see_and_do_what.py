"""Accounts, tokens, sessions, what holds once, and the audit trail that only grows."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0029"
down_revision = "0028"

AT = sa.TIMESTAMP(timezone=True)
INDEXES = (
    ("uq_account_name", "account", ["name"], None, "A name is one person's."),
    ("uq_account_subject", "account", ["subject"], None, "Whom the identity provider names is one account."),
    ("uq_token_hash", "token", ["hash"], None, "Which token is shown; one secret is one token."),
    ("uq_token_name", "token", ["name"], "revoked_at IS NULL", "A name is one token's, of those that are not revoked."),
)

# The owner of a table may always write to it, so grants alone would keep nobody from rewriting it. Each row holds the
# digest of itself and of the one before: who takes the triggers away and edits one leaves a chain that is broken.
ONLY_GROWS = (
    """CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN RAISE EXCEPTION 'the audit trail only grows'; END$$""",
    """CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()""",
    # Of the instant as a number: as a text it would depend on who looks.
    """CREATE FUNCTION audit_digest(before bytea, id bigint, at timestamptz, who text, by_way_of text, what text,
        about text, data jsonb) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$SELECT sha256(coalesce(before, '') || convert_to(jsonb_build_array(
        id, extract(epoch FROM at), who, by_way_of, what, about, data)::text, 'UTF8'))$$""",
    # One after the other, numbered in that order, until the transaction ends.
    """CREATE FUNCTION audit_chained() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE last audit;
    BEGIN
        PERFORM pg_advisory_xact_lock(419561563508);
        SELECT * INTO last FROM audit ORDER BY id DESC LIMIT 1;
        NEW.id := coalesce(last.id, 0) + 1;
        NEW.hash := audit_digest(last.hash, NEW.id, NEW.at, NEW.who, NEW.by_way_of, NEW.what, NEW.about, NEW.data);
        RETURN NEW;
    END$$""",
    "CREATE TRIGGER chained BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_chained()",
)


def upgrade() -> None:
    """Have a place for each, and let nobody rewrite the trail."""
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.String(40), nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("sources", sa.ARRAY(sa.Text)),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("disabled_at", AT),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.CheckConstraint("name = lower(name)", name=op.f("ck_account_small"), comment="Ada and ada are the same name."),
    )
    op.create_table(
        "token",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scope", sa.String(40), nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("sources", sa.ARRAY(sa.Text)),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", AT, nullable=False),
        sa.Column("expires_at", AT),
        sa.Column("last_used_at", AT),
        sa.Column("revoked_at", AT),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
    )
    for name, table, columns, where, why in INDEXES:
        op.create_index(name, table, columns, unique=True, postgresql_where=sa.text(where) if where else None)
        op.execute(f"COMMENT ON INDEX {name} IS '{why.replace(chr(39), 2 * chr(39))}'")
    op.create_table(
        "sign_in",
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("began_at", AT, nullable=False),
        sa.Column("seen_at", AT, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_sign_in"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_sign_in_account_id", ondelete="CASCADE"),
    )
    op.create_index("ix_sign_in_account_id", "sign_in", ["account_id"])
    op.execute("COMMENT ON INDEX ix_sign_in_account_id IS 'Everything of one account ends together.'")
    op.create_table(
        "ticket",
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("account_id", sa.BigInteger),
        sa.Column("data", JSONB, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("expires_at", AT, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_ticket"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_ticket_account_id", ondelete="CASCADE"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("by_way_of", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("about", sa.Text, nullable=False),
        sa.Column("data", JSONB, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    for statement in ONLY_GROWS:
        op.execute(statement)


def downgrade() -> None:
    """Take them back."""
    for table in ("audit", "ticket", "sign_in", "token", "account"):
        op.drop_table(table)
    for function in ("audit_only_grows()", "audit_chained()", "audit_digest"):
        op.execute(f"DROP FUNCTION {function}")
