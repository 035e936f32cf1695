"""Months of events and polls."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.orm import Session

from models.partitions import make_partitions

revision = "0005"
down_revision = "0004"

INDEXES = {
    "event": {
        "ix_event_tx_id": (("tx", "id"), "The feed, in commit order."),
        "ix_event_app_id_at": (("app_id", "at"), "What happened to an app."),
        "ix_event_tenant_id_at": (("tenant_id", "at"), "The timeline of a tenant."),
    },
    "poll": {
        "ix_poll_app_id_started_at": (("app_id", "started_at"), "The last runs of an app."),
        "ix_poll_source_id_started_at": (("source_id", "started_at"), "The last runs of a source."),
    },
}
COLUMN = {"event": "at", "poll": "started_at"}


def upgrade() -> None:
    """Give each month of events and of polls a table of its own."""
    for table, column in COLUMN.items():
        _empty_beside(table, f"({{}}) PARTITION BY RANGE ({column})", key=f"id, {column}")
        op.execute(f"CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT")
        _move(table)
    session = Session(op.get_bind())
    (now, *oldest) = session.execute(sa.text("SELECT now(), (SELECT min(at) FROM event), (SELECT min(started_at) FROM poll)")).one()
    make_partitions(session, now=now, since=min((at for at in oldest if at), default=now))


def downgrade() -> None:
    """One table for each again."""
    for table in COLUMN:
        _empty_beside(table, "({})", key="id")
        _move(table)


def _empty_beside(table: str, shape: str, *, key: str) -> None:
    """An empty table of this name and *shape*; what was there is called `<table>_before`."""
    op.execute(f"ALTER TABLE {table} RENAME TO {table}_before")
    op.execute(f"ALTER TABLE {table}_before ALTER id DROP IDENTITY IF EXISTS")
    op.execute(f"ALTER TABLE {table}_before ALTER id DROP DEFAULT")
    op.execute(f"ALTER TABLE {table}_before DROP CONSTRAINT pk_{table}")
    for index in INDEXES[table]:
        op.execute(f"DROP INDEX {index}")
    op.execute(f"CREATE SEQUENCE IF NOT EXISTS {table}_id_seq")
    op.execute("CREATE TABLE " + table + " " + shape.format(f"LIKE {table}_before INCLUDING DEFAULTS"))
    op.execute(f"ALTER TABLE {table} ALTER id SET DEFAULT nextval('{table}_id_seq')")
    op.execute(f"ALTER SEQUENCE {table}_id_seq OWNED BY {table}.id")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({key})")
    for index, (columns, why) in INDEXES[table].items():
        op.execute(f"CREATE INDEX {index} ON {table} ({', '.join(columns)})")
        op.execute(f"COMMENT ON INDEX {index} IS '{why}'")


def _move(table: str) -> None:
    op.execute(f"INSERT INTO {table} SELECT * FROM {table}_before")
    op.execute(f"SELECT setval('{table}_id_seq', coalesce((SELECT max(id) FROM {table}), 0) + 1, false)")
    if table == "poll":
        op.execute("ALTER TABLE poll_before DROP CONSTRAINT fk_poll_app_id, DROP CONSTRAINT fk_poll_source_id")
        op.execute("ALTER TABLE poll ADD CONSTRAINT fk_poll_app_id FOREIGN KEY (app_id) REFERENCES app (id)")
        op.execute("ALTER TABLE poll ADD CONSTRAINT fk_poll_source_id FOREIGN KEY (source_id) REFERENCES source (id)")
    op.execute(f"DROP TABLE {table}_before")
