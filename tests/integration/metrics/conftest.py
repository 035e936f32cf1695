"""A database of its own, in which something of everything has happened."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from config.settings import settings
from models import Session, db_now
from models.base import engine_for
from models.stopped import stop
from tasks.deliver import deliver_now
from tasks.flush import flush_now
from tasks.rules import rules
from tests.integration.metrics.scraped import busy
from tests.integration.models.world import World
from tests.servers import create, drop

TOML = """
[policy]
receivers = ["ops"]
reminders = "tenants"

[[receiver]]
name = "ops"
kind = "log"

[[receiver]]
name = "tenants"
kind = "log"
"""


@pytest.fixture(autouse=True)
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The dashboard can read an uptake.toml."""
    (tmp_path / "uptake.toml").write_text(TOML)
    monkeypatch.setenv("UPTAKE_CONFIG", str(tmp_path / "uptake.toml"))
    settings.cache_clear()
    rules.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()
    rules.cache_clear()


@pytest.fixture
def own_url(alone: str) -> Iterator[str]:
    """A migrated database in which others may commit."""
    url = create(alone, "metrics", "template")
    engine = engine_for(url)
    before = dict(Session.kw)
    Session.kw.clear()
    Session.configure(bind=engine, expire_on_commit=False)
    yield url
    Session.kw.clear()
    Session.kw.update(before)
    engine.dispose()
    drop(alone, "metrics")


@pytest.fixture
def lived(own_url: str) -> Iterator[World]:
    """Two apps of which one lags, two who were told, one receiver that is shut, and work that is due."""
    with Session() as session:
        world = World.founded(session, db_now(session) - timedelta(days=60), step=timedelta(minutes=15))
        busy(world)
        flush_now(now=world.now + timedelta(minutes=10))
        deliver_now(now=world.now + timedelta(minutes=11))
        session.execute(text("INSERT INTO heartbeat (process, at) VALUES ('tick', now())"))
        session.execute(text("UPDATE app SET evaluations_broken = 1 WHERE external_id = '4711'"))
        stop(session, "pager", reason="401", now=world.now)
        session.commit()
        yield world
