"""The schema: models and migrations agree, and every index says why it is there."""

from collections.abc import Callable
from importlib import import_module

import pytest
from alembic import command
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

import models
from models.migrations import config, pending, upgrade
from models.queries.event_feed import events_after


def test_models_and_migrations_agree(database_url: str) -> None:
    """Alembic finds nothing to do on a freshly migrated database."""
    command.check(config(database_url))
    assert not pending(database_url)


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    """A second upgrade is quiet."""
    upgrade(database_url)


def test_events_and_polls_survive_their_division(fresh_database: Callable[[], str]) -> None:
    """What was recorded before there were months is there afterwards, in the month it belongs to, and ids go on."""
    url = fresh_database()
    command.upgrade(config(url), "0004")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text("""INSERT INTO event (at, type) SELECT at, 'tenant.connected' FROM
                    generate_series(now() - interval '70 days', now(), interval '10 days') at""")
        )
        before = connection.execute(text("SELECT id, tx::text, at FROM event ORDER BY id")).all()
    upgrade(url)
    with engine.begin() as connection:
        assert connection.execute(text("SELECT id, tx::text, at FROM event ORDER BY id")).all() == before
        assert connection.execute(text("SELECT count(*) FROM event_rest")).scalar_one() == 0
        new = connection.execute(text("INSERT INTO event (at, type) VALUES (now(), 'x') RETURNING id")).scalar_one()
        assert new == before[-1].id + 1
    command.downgrade(config(url), "0004")
    with engine.begin() as connection:
        assert connection.execute(text("SELECT id, tx::text, at FROM event ORDER BY id LIMIT 8")).all() == before
    upgrade(url)
    command.check(config(url))
    engine.dispose()


def test_a_step_that_fails_takes_no_other_back(fresh_database: Callable[[], str]) -> None:
    """What was done before it stands, nothing of it does, and the next run goes on from there."""
    url = fresh_database()
    command.upgrade(config(url), "0033")
    engine = create_engine(url)
    version, found = text("SELECT version_num FROM alembic_version"), text("SELECT to_regclass(:name)")
    with engine.begin() as connection:
        # In the way of the last index that step 0038 makes.
        connection.execute(text("CREATE TABLE ix_reminder_stopped_app_to_be ()"))
    with pytest.raises(ProgrammingError):
        upgrade(url)
    with engine.begin() as connection:
        assert connection.scalar(version) == "0037"
        assert connection.scalar(found, {"name": "ix_tenant_name"}) == "ix_tenant_name"
        assert connection.scalar(found, {"name": "ix_alert_held_to_be"}) is None
        assert connection.scalar(found, {"name": "ix_alert_acknowledged"}) == "ix_alert_acknowledged"
        connection.execute(text("DROP TABLE ix_reminder_stopped_app_to_be"))
    upgrade(url)
    command.check(config(url))
    engine.dispose()


def test_alerts_are_read_while_their_indexes_are_built(fresh_database: Callable[[], str]) -> None:
    """Dropping an index keeps readers out, so it comes after all that takes long; and both ways lead back."""
    url = fresh_database()
    command.upgrade(config(url), "0037")
    said: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement.strip()[:12])

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        for go, to, built, dropped in ((command.upgrade, "0038", 6, 2), (command.downgrade, "0037", 2, 6)):
            said.clear()
            go(config(url), to)
            changes = [one for one in said if one in {"CREATE INDEX", "DROP INDEX i"}]
            assert changes == ["CREATE INDEX"] * built + ["DROP INDEX i"] * dropped
    finally:
        event.remove(Engine, "before_cursor_execute", hear)
    upgrade(url)
    command.check(config(url))


def test_letters_without_the_extension(fresh_database: Callable[[], str]) -> None:
    """Who may not create an extension is migrated all the same, and found without its index."""
    engine = create_engine(fresh_database())
    statement = import_module("models.migrations.versions.0031_tenants_and_alerts_in_lists").FOUND_BY_LETTERS
    with engine.connect() as connection:
        connection.execute(text("CREATE ROLE of_few_rights"))
        connection.execute(text("CREATE TABLE tenant (name text, external_id text)"))
        connection.execute(text("ALTER TABLE tenant OWNER TO of_few_rights"))
        connection.execute(text("SET LOCAL ROLE of_few_rights"))
        connection.execute(text(statement))
        found = "SELECT to_regclass('ix_tenant_letters')"
        assert connection.scalar(text(found)) is None
        connection.execute(text("RESET ROLE"))
        connection.execute(text(statement))
        assert connection.scalar(text(found)) == "ix_tenant_letters"
        connection.rollback()
    engine.dispose()


def test_letters_of_a_source_without_the_extension(fresh_database: Callable[[], str]) -> None:
    """Who may not create it keeps the index that there is; whoever may, and migrates, gets the one with the source."""
    url = fresh_database()
    command.upgrade(config(url), "0044")
    engine = create_engine(url)
    statement = import_module("models.migrations.versions.0045_letters_of_a_source").FOUND_IN_A_SOURCE
    indexed = text("SELECT pg_get_indexdef(to_regclass('ix_tenant_letters'))")
    with engine.connect() as connection:
        connection.execute(text("CREATE ROLE of_fewer_rights"))
        connection.execute(text("ALTER TABLE tenant OWNER TO of_fewer_rights"))
        connection.execute(text("SET LOCAL ROLE of_fewer_rights"))
        connection.execute(text(statement))
        assert "gin (letters gin_trgm_ops)" in connection.scalar(indexed)
        connection.execute(text("RESET ROLE"))
        connection.execute(text(statement))
        assert "gin (source_id, letters gin_trgm_ops)" in connection.scalar(indexed)
        connection.rollback()
    engine.dispose()


def test_letters_in_one_place_without_the_extension(fresh_database: Callable[[], str]) -> None:
    """There and back again, what is searched for stands in its column, with an index only where that can be had."""
    url = fresh_database()
    command.upgrade(config(url), "0039")
    engine = create_engine(url)
    found = text("SELECT to_regclass('ix_tenant_letters')")
    with engine.begin() as connection:
        connection.execute(text("DROP EXTENSION pg_trgm CASCADE"))
        connection.execute(text("INSERT INTO source (name, kind, next_poll_at) VALUES ('acme', 'portal', now())"))
        for name, tenant in (("Käse HVAC", "A1"), (None, "A2")):
            connection.execute(
                text("""INSERT INTO tenant (source_id, external_id, name, first_seen_at)
                        SELECT id, :tenant, :name, now() FROM source"""),
                {"tenant": tenant, "name": name},
            )
    upgrade(url)
    with engine.begin() as connection:
        assert connection.scalars(text("SELECT letters FROM tenant ORDER BY id")).all() == ["\nkäse hvac\na1", "\n\na2"]
        assert connection.scalar(found) is None
    command.downgrade(config(url), "0039")
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM pg_attribute WHERE attname = 'letters'")) == 0
        connection.execute(text("CREATE EXTENSION pg_trgm"))
    indexed = text("SELECT pg_get_indexdef(to_regclass('ix_tenant_letters'))")
    upgrade(url)
    with engine.begin() as connection:
        assert "gin (source_id, letters gin_trgm_ops)" in connection.scalar(indexed)
    command.downgrade(config(url), "0044")
    with engine.begin() as connection:
        assert "gin (letters gin_trgm_ops)" in connection.scalar(indexed)
    command.downgrade(config(url), "0039")
    with engine.begin() as connection:
        assert "gin (name gin_trgm_ops, external_id gin_trgm_ops)" in connection.scalar(indexed)
    engine.dispose()


def test_every_index_says_why(database_url: str) -> None:
    """The reason stands in the database too, for whoever looks there."""
    wanted = {index.name: index.info["why"] for table in models.Base.metadata.sorted_tables for index in table.indexes}
    engine = create_engine(database_url)
    with engine.connect() as connection:
        query = text(
            "SELECT relname, obj_description(oid, 'pg_class') FROM pg_class"
            " WHERE relkind IN ('i', 'I') AND relname = ANY(:names)"
        )
        found = {row.relname: row.obj_description for row in connection.execute(query, {"names": list(wanted)})}
    engine.dispose()
    assert found == wanted


def test_events_of_another_server(fresh_database: Callable[[], str]) -> None:
    """What a server that counted further wrote is told after a restore, and before what happens from then on."""
    url = fresh_database()
    upgrade(url)
    engine = create_engine(url)
    with Session(engine) as session:
        write = "INSERT INTO event (tx, at, type) VALUES ({}, '2026-03-02 09:00Z', '{}')"
        for kind, tx in (("first", "'800000000'"), ("second", "'900000000'"), ("third", "'900000001'")):
            session.execute(text(write.format(tx, kind)))
        session.commit()
        assert events_after(session).events == []
        upgrade(url)
        session.execute(text(write.format("pg_current_xact_id()", "fourth")))
        session.commit()
        # The last one may wait for whatever else this server does.
        assert [one.type for one in events_after(session).events[:3]] == ["first", "second", "third"]
        order = text("SELECT type FROM event ORDER BY tx, id")
        assert session.scalars(order).all() == ["first", "second", "third", "fourth"]
        upgrade(url)
        assert session.scalar(text("SELECT count(*) FROM event WHERE tx = '0'")) == 3
    engine.dispose()


def test_labels_beside_open_alerts(fresh_database: Callable[[], str]) -> None:
    """What is open has its tenant's set from then on, what is over none; there is a way back."""
    url = fresh_database()
    command.upgrade(config(url), "0043")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO source (name, kind, next_poll_at) VALUES ('acme', 'portal', now());
            INSERT INTO label_set (labels) VALUES ('{"tier"\\:"gold"}');
            INSERT INTO tenant (source_id, external_id, label_set_id, first_seen_at)
            SELECT s.id, n, CASE n WHEN '1' THEN l.id END, now() FROM source s, label_set l, unnest(ARRAY['1', '2']) n;
            INSERT INTO alert (source_id, app_id, kind, tenant_id, connection_id, environment, state, since, opened_at,
                reason, resolved_at)
            SELECT t.source_id, 1, 'tenant_lagging', t.id, t.id, 'production', 'x', now(), now(), 'x', r.at
            FROM tenant t, (VALUES (NULL), (now())) r (at)
        """)
        )
    upgrade(url)
    labelled = text("""SELECT t.external_id, a.resolved_at IS NULL FROM alert a JOIN tenant t ON t.id = a.tenant_id
                       WHERE a.label_set_id = t.label_set_id""")
    with engine.begin() as connection:
        assert [tuple(row) for row in connection.execute(labelled)] == [("1", True)]
    command.downgrade(config(url), "0043")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alert SET resolved_at = NULL WHERE id = 1; UPDATE tenant SET label_set_id = 1"))
    upgrade(url)
    command.check(config(url))
    engine.dispose()
