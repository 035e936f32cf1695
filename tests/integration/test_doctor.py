"""The doctor against real servers, and what it says of each that is missing."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from config.settings import SettingsError, settings
from models.base import engine_for
from models.migrations import upgrade
from tasks.rules import rules
from worker.doctor import CHECKS, examined, require

NOWHERE = "127.0.0.1:9"


@pytest.fixture
def ours(fresh_database: Callable[[], str], broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database without our schema and a broker, as the environment names them."""
    url = fresh_database()
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("REDIS_URL", broker_url)
    monkeypatch.delenv("UPTAKE_CONFIG", raising=False)
    settings.cache_clear()
    rules.cache_clear()
    engine = engine_for(url)
    yield url
    engine.dispose()
    settings.cache_clear()
    rules.cache_clear()


def said(check: str) -> str:
    """What the check found, which must be something wrong."""
    (finding,) = examined(check)
    assert not finding.ok
    return finding.said


@pytest.mark.usefixtures("ours")
def test_schema_is_missing() -> None:
    """Before the migrations the schema is wrong, and so is what needs it; each says what to do."""
    assert "uptake migrate" in said("schema")
    assert "uptake migrate" in said("worker")
    with pytest.raises(SettingsError, match="uptake migrate"):
        require("settings", "database", "schema")


def test_all_is_well(ours: str) -> None:
    """With schema and a fresh tick every check is in order; without a tick, or with a late one, there is no worker."""
    upgrade(ours)
    assert "uptake worker" in said("worker")
    engine = engine_for(ours)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO heartbeat (process, at) VALUES ('tick', now())"))
    assert [finding for finding in examined(*CHECKS) if not finding.ok] == []
    with engine.begin() as connection:
        connection.execute(text("UPDATE heartbeat SET at = at - interval '90 seconds'"))
    assert "for 9" in said("worker")
    engine.dispose()


def test_failing_source_is_named(ours: str) -> None:
    """A source that cannot be read is wrong, with the reason."""
    upgrade(ours)
    engine = engine_for(ours)
    with engine.begin() as connection:
        connection.execute(
            text("""INSERT INTO source (name, kind, next_poll_at, last_fault, last_error)
                    VALUES ('acme', 'portal', now(), 'auth', 'the client id is not known')""")
        )
    engine.dispose()
    assert said("sources") == "acme: the client id is not known"


def test_servers_are_away(ours: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither server is there: each check says which, and no password."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql://somebody:hush@{NOWHERE}/uptake")
    monkeypatch.setenv("REDIS_URL", f"redis://:hush@{NOWHERE}/0")
    settings.cache_clear()
    assert ours
    assert "DATABASE_URL" in said("database")
    assert "REDIS_URL" in said("broker")
    assert all("hush" not in finding.said for finding in examined(*CHECKS))


def test_counters_that_differ_from_a_recount(ours: str) -> None:
    """A counter that nobody's tenure accounts for is told with its app, version and both figures."""
    upgrade(ours)
    engine = engine_for(ours)
    with engine.begin() as connection:
        for statement in (
            "INSERT INTO source (name, kind, next_poll_at) VALUES ('acme', 'portal', now())",
            """INSERT INTO app (source_id, external_id, name, first_seen_at, next_poll_at)
               VALUES (1, '4711', 'Dispatch Helper', now(), now())""",
            "INSERT INTO adoption VALUES (1, 'production', 2, current_date, 3)",
        ):
            connection.execute(text(statement))
    assert "acme:4711 at version 2 in production: 3, and 0 by a recount" in said("adoption")
    with engine.begin() as connection:
        connection.execute(text("UPDATE adoption SET tenants = 0"))
    assert examined("adoption")[0].ok
    engine.dispose()


def test_reminders_that_come_to_nothing(ours: str) -> None:
    """What a mail server refuses is told for a day, with its words; an address that there is not is not meant."""
    upgrade(ours)
    engine = engine_for(ours)
    refused = """
        INSERT INTO notice (key, receiver, "to", reason, reminder_id, subject, body, state, created_at, due_at,
            settled_at, settle_reason)
        VALUES (:reason, 'mail', 'a@b.example', 'first', :reminder, '', '', 'failed', now(), now(), :at, :reason)
    """
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO source (name, kind, next_poll_at) VALUES ('acme', 'portal', now())"))
        connection.execute(
            text("INSERT INTO tenant (source_id, external_id, first_seen_at) SELECT id, '1', now() FROM source")
        )
        reminder = connection.scalar(
            text("""INSERT INTO reminder (connection_id, app_id, tenant_id, environment, target_version, opened_at)
                    SELECT 1, 1, id, 'production', 2, now() FROM tenant RETURNING id""")
        )
        (gone,) = connection.execute(
            text("""INSERT INTO contact (tenant_id, email, refused_at) SELECT id, 'a@b.example', now() FROM tenant
                    RETURNING refused_at""")
        ).one()
        for at, reason in ((gone, "no such user"), (gone + timedelta(1e-6), "554 spam"), (gone - timedelta(2), "old")):
            connection.execute(text(refused), {"reason": reason, "reminder": reminder, "at": at})
    engine.dispose()
    assert "(mail: 1, the last for 554 spam)" in said("receivers")


def test_one_reason_is_said_once(ours: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails for the reason of an earlier check points to that one; another reason is told in full."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql://{NOWHERE}/uptake")
    monkeypatch.setenv("REDIS_URL", f"redis://{NOWHERE}/0")
    settings.cache_clear()
    database, broker, *resting = examined("database", "broker", "worker", "audit")
    assert "same reason" not in database.said + broker.said
    assert [(one.ok, one.said) for one in resting] == [(False, "fails for the same reason: see database")] * 2
