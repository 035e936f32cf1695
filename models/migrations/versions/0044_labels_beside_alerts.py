"""Which open alerts a silence by labels is for is told without looking their tenants up."""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"

_COLUMNS: list[str | sa.TextClause] = [
    "source_id",
    "kind",
    sa.text("coalesce(array_position('{critical,warning,info}', severity), 4)"),
    "since",
    "id",
]
_HELD = ["app_id", "tenant_id", "environment", "severity"]
_WHY = "Open alerts of a kind, the most severe and oldest first, and what they are about, to count them by."
# Whoever writes either: what opens takes the tenant's set of labels along, and another one goes to what is open.
_KEPT = """
CREATE FUNCTION alert_is_labelled() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    SELECT t.label_set_id INTO NEW.label_set_id FROM tenant t WHERE t.id = NEW.tenant_id;
    RETURN NEW;
END $$;
CREATE TRIGGER is_labelled BEFORE INSERT ON alert FOR EACH ROW
    WHEN (NEW.resolved_at IS NULL AND NEW.tenant_id IS NOT NULL) EXECUTE FUNCTION alert_is_labelled();
CREATE TRIGGER is_labelled_again BEFORE UPDATE OF resolved_at ON alert FOR EACH ROW
    WHEN (NEW.resolved_at IS NULL AND NEW.tenant_id IS NOT NULL) EXECUTE FUNCTION alert_is_labelled();
CREATE FUNCTION tenant_is_labelled() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE alert a SET label_set_id = NEW.label_set_id FROM connection c
    WHERE c.tenant_id = NEW.id AND a.app_id = c.app_id AND a.connection_id = c.id AND a.resolved_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER is_labelled AFTER UPDATE OF label_set_id ON tenant FOR EACH ROW
    WHEN (OLD.label_set_id IS DISTINCT FROM NEW.label_set_id) EXECUTE FUNCTION tenant_is_labelled();
"""


def upgrade() -> None:
    """A tenant's set of labels stands beside its open alerts, and in the index that they are counted by."""
    op.add_column("alert", sa.Column("label_set_id", sa.BigInteger))
    op.execute(_KEPT)
    op.execute("""
        UPDATE alert a SET label_set_id = t.label_set_id FROM tenant t
        WHERE t.id = a.tenant_id AND t.label_set_id IS NOT NULL AND a.resolved_at IS NULL
    """)
    _build([*_HELD, "label_set_id"])


def downgrade() -> None:
    """Look the tenants up."""
    _build(_HELD)
    op.execute("DROP TRIGGER is_labelled ON tenant; DROP FUNCTION tenant_is_labelled")
    op.execute("DROP TRIGGER is_labelled ON alert; DROP TRIGGER is_labelled_again ON alert")
    op.execute("DROP FUNCTION alert_is_labelled")
    op.drop_column("alert", "label_set_id")


def _build(held: list[str]) -> None:
    """Beside the one in place, which is dropped at the end."""
    where = sa.text("resolved_at IS NULL")
    op.create_index("ix_alert_open_kind_to_be", "alert", _COLUMNS, postgresql_include=held, postgresql_where=where)
    op.execute(f"COMMENT ON INDEX ix_alert_open_kind_to_be IS '{_WHY}'")
    op.drop_index("ix_alert_open_kind", "alert")
    op.execute("ALTER INDEX ix_alert_open_kind_to_be RENAME TO ix_alert_open_kind")
