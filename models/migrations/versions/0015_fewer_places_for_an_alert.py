"""An alert, its log, its events and its thread have a place in eleven indexes, not in eighteen, and check no reference."""

from alembic import op

revision = "0015"
down_revision = "0014"

_REFERENCES = (("alert", "source"), ("alert", "connection"), ("alert_step", "alert"), ("reminder", "connection"))
_UPGRADE = """
ALTER TABLE event DROP CONSTRAINT pk_event;
DROP INDEX ix_event_tx_id, ix_event_app_id_at;
ALTER TABLE event ADD CONSTRAINT pk_event PRIMARY KEY (tx, id, at);
COMMENT ON CONSTRAINT pk_event ON event IS 'The feed, in commit order.';

ALTER TABLE alert_step DROP CONSTRAINT pk_alert_step;
DROP INDEX ix_alert_step_alert_id;
ALTER TABLE alert_step ADD CONSTRAINT pk_alert_step PRIMARY KEY (alert_id, id);
COMMENT ON CONSTRAINT pk_alert_step ON alert_step IS 'The log of one alert, in order.';

DROP INDEX uq_alert_open, ix_alert_untold, ix_alert_connection_id;
CREATE UNIQUE INDEX uq_alert_open ON alert (app_id, connection_id, kind, environment, source_id)
    NULLS NOT DISTINCT WHERE resolved_at IS NULL;
COMMENT ON INDEX uq_alert_open IS
    'At most one open alert per (app, tenant, environment, kind), of which a connection is three.';
CREATE INDEX ix_alert_app_id_connection_id ON alert (app_id, connection_id);
COMMENT ON INDEX ix_alert_app_id_connection_id IS
    'All alerts of an app, for what has to be told, and of a connection, for explain.';

DROP INDEX uq_reminder_open, ix_reminder_app_id;
CREATE UNIQUE INDEX uq_reminder_open ON reminder (app_id, connection_id) WHERE stopped_at IS NULL;
COMMENT ON INDEX uq_reminder_open IS 'One open thread per connection; those of an app stand together.';
CREATE INDEX ix_reminder_stopped ON reminder (connection_id, id) WHERE stopped_at IS NOT NULL;
COMMENT ON INDEX ix_reminder_stopped IS 'The last thread of a connection that has no open one, for explain.';
"""
_DOWNGRADE = """
ALTER TABLE event DROP CONSTRAINT pk_event;
ALTER TABLE event ADD CONSTRAINT pk_event PRIMARY KEY (id, at);
CREATE INDEX ix_event_tx_id ON event (tx, id);
COMMENT ON INDEX ix_event_tx_id IS 'The feed, in commit order.';
CREATE INDEX ix_event_app_id_at ON event (app_id, at);
COMMENT ON INDEX ix_event_app_id_at IS 'What happened to an app.';

ALTER TABLE alert_step DROP CONSTRAINT pk_alert_step;
ALTER TABLE alert_step ADD CONSTRAINT pk_alert_step PRIMARY KEY (id);
CREATE INDEX ix_alert_step_alert_id ON alert_step (alert_id, id);
COMMENT ON INDEX ix_alert_step_alert_id IS 'The log of one alert.';

DROP INDEX uq_alert_open, ix_alert_app_id_connection_id;
CREATE UNIQUE INDEX uq_alert_open ON alert (source_id, app_id, kind, tenant_id, environment)
    NULLS NOT DISTINCT WHERE resolved_at IS NULL;
COMMENT ON INDEX uq_alert_open IS 'At most one open alert per (app, tenant, environment, kind).';
CREATE INDEX ix_alert_untold ON alert (app_id, kind) WHERE state <> 'pending';
COMMENT ON INDEX ix_alert_untold IS 'What receivers may have to be told.';
CREATE INDEX ix_alert_connection_id ON alert (connection_id);
COMMENT ON INDEX ix_alert_connection_id IS 'The alerts of a connection, for explain.';

DROP INDEX uq_reminder_open, ix_reminder_stopped;
CREATE UNIQUE INDEX uq_reminder_open ON reminder (connection_id) WHERE stopped_at IS NULL;
COMMENT ON INDEX uq_reminder_open IS 'One open thread per connection.';
CREATE INDEX ix_reminder_app_id ON reminder (app_id);
COMMENT ON INDEX ix_reminder_app_id IS 'The threads of an app.';
"""


def upgrade() -> None:
    """Spare each new alert what nobody asks, and what is known already."""
    for table, to in _REFERENCES:
        op.drop_constraint(f"fk_{table}_{to}_id", table)
    _execute(_UPGRADE)


def downgrade() -> None:
    """Take it back."""
    _execute(_DOWNGRADE)
    for table, to in _REFERENCES:
        op.create_foreign_key(f"fk_{table}_{to}_id", table, to, [f"{to}_id"], ["id"])


def _execute(statements: str) -> None:
    for statement in statements.split(";\n"):
        if statement.strip():
            op.execute(statement)
