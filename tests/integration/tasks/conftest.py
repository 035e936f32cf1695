"""An uptake.toml of the test's own, read by the tasks as any other."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from config.settings import settings
from models import Session, db_now
from models.base import engine_for
from models.listing import sync_sources
from models.record import Recorded
from tasks import edges
from tasks.edges import source_named
from tasks.poll import list_apps, poll
from tasks.rules import rules
from tests.integration.small_portal import SmallPortal, small_portal
from tests.integration.tasks.fed import Fed
from tests.integration.tasks.recorded import Ours, well
from tests.servers import Servers, create, drop
from uptake.sources.portal import PortalSource

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
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file, as the settings of this test name it."""
    path = tmp_path / "uptake.toml"
    path.write_text(TOML)
    monkeypatch.setenv("UPTAKE_CONFIG", str(path))
    settings.cache_clear()
    rules.cache_clear()
    yield path
    settings.cache_clear()
    rules.cache_clear()


@pytest.fixture(scope="module")
def portal() -> Iterator[SmallPortal]:
    """One portal for all tests here: it takes long to end."""
    with small_portal(apps=(4711, 4712)) as portal:
        yield portal


@pytest.fixture
def ours(
    servers: Servers, worker_id: str, chosen: Path, portal: SmallPortal, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ours]:
    """Recorded once; then two tenants upgraded, one left, one came, and version 3 is out."""
    monkeypatch.setattr(edges, "PortalSource", partial(PortalSource, sleep=lambda _seconds: None))
    name = f"{servers.prefix}_bad_portal_{worker_id}"
    url = create(servers.admin, name, servers.template)
    engine = engine_for(url)
    Session.configure(bind=engine)
    portal.apps, portal.latest, portal.tenants = (4711, 4712), 2, dict.fromkeys(range(1, 6), 1)
    portal.fault, portal.tags, portal.unchanged, portal.told = well, False, 0, None
    portal.toml(chosen)
    for cache in (settings, rules, source_named):
        cache.cache_clear()
    with Session.begin() as session:
        now = db_now(session)
        sync_sources(session, [("acme", "portal")], now=now)
    list_apps(1, now=now)
    with Session() as session:
        app, other = session.scalars(text("SELECT id FROM app ORDER BY external_id"))
    for each in (app, other):
        assert poll(each, now=now)
    portal.latest, portal.tenants = 3, {1: 2, 3: 1, 4: 1, 5: 2, 6: 3}
    yield Ours(url, portal, app, 1, now)
    source_named("acme").close()
    source_named.cache_clear()
    engine.dispose()
    drop(servers.admin, name)


@pytest.fixture
def fed(ours: Ours) -> Fed:
    """Everything is recorded, and the feed has nothing to tell so far."""
    ours.portal.told = []
    fed = Fed(ours, ours.now)
    # There was none when it was asked for first.
    assert fed.read(after=timedelta(days=1)) == 0
    assert fed.poll() == Recorded("complete", 3, 0, (3,))
    assert fed.poll() == Recorded("complete", 1, 1, ())
    return fed
