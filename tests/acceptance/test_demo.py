"""The demo, small: its past is made by the real code path, once, and it goes on live."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import create_engine, text
from structlog.testing import capture_logs

from config.settings import settings
from models.migrations import upgrade
from tests.acceptance.daemon import Daemon
from tests.acceptance.embedded import ROOT
from tests.acceptance.portal_world import free_port
from tests.integration.portal.people import Browser
from tests.servers import Servers, create, drop
from worker.demo import Demo, prepare
from worker.demo.history import portal_with_a_clock
from worker.demo.live import COME_OR_GO_EVERY, RELEASE_EVERY, Life
from worker.demo.people import People
from worker.embedded import SetupError

pytestmark = pytest.mark.xdist_group("demo")
TENANTS = 20


@pytest.fixture(scope="module")
def made(
    servers: Servers, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Daemon, Demo, Path]]:
    """The demo with few tenants, and its portal's port."""
    directory = tmp_path_factory.mktemp("demo")
    name = f"{servers.prefix}_demo_{worker_id}"
    url = create(servers.admin, name, servers.template)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPTAKE_PORTAL_PORT", str(free_port()))
        settings.cache_clear()
        upgrade(url)
        demo = prepare(directory, url, say=lambda _: None, tenants=TENANTS)
        environment = os.environ | {"DATABASE_URL": url, "UPTAKE_CONFIG": str(demo.config), "PYTHONPATH": str(ROOT)}
        yield Daemon(directory, environment), demo, directory
    settings.cache_clear()
    drop(servers.admin, name)


def test_past(made: tuple[Daemon, Demo, Path]) -> None:
    """Apps, curves, laggards, alerts and reminders are there, and the history has neither gap nor overlap."""
    daemon, demo, _ = made
    assert len(daemon.cli("status")) == 12
    assert daemon.rows("SELECT count(DISTINCT day) > 20 FROM adoption") == [(True,)]
    counts = daemon.rows("SELECT state, count(*) > 0 FROM alert GROUP BY state ORDER BY state")
    assert counts[:1] == [("firing", True)]
    assert ("resolved", True) in counts
    assert daemon.rows("SELECT sum(sent) > 5 FROM reminder") == [(True,)]
    types = {row[0] for row in daemon.rows("SELECT DISTINCT type FROM event")}
    assert {"version.released", "tenant.connected", "tenant.upgraded", "alert.resolved", "reminder.stopped"} <= types
    assert daemon.rows("SELECT count(*) FROM poll WHERE outcome <> 'complete'") == [(0,)]
    overlaps = """SELECT count(*) FROM tenure a JOIN tenure b ON a.connection_id = b.connection_id AND a.id < b.id
        AND tstzrange(a.valid_from, a.valid_to) && tstzrange(b.valid_from, b.valid_to)"""
    assert daemon.rows(overlaps) == [(0,)]
    assert demo.app in {app["app"] for app in daemon.cli("status")}
    (story,) = daemon.cli("explain", demo.app, demo.tenant)
    assert story["lag"] == "blocking"


def test_its_past_again(made: tuple[Daemon, Demo, Path]) -> None:
    """By the demo's own rules a backtest says what was done, message by message and step by step."""
    daemon, _, _ = made
    found = daemon.cli("backtest")
    assert found["by_policy"] == found["really"]
    assert found["tenants"] == []
    sent = daemon.rows("SELECT count(*) FROM notice WHERE state IN ('due', 'sending', 'sent')")
    assert [(len(found["really"]["messages"]),)] == sent
    assert len(found["really"]["messages"]) > 50


def test_it_goes_on(made: tuple[Daemon, Demo, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Live, tenants upgrade, one goes and one comes, and versions are released: over the portal, by real calls."""
    daemon, demo, _ = made
    monkeypatch.setenv("DATABASE_URL", daemon.environment["DATABASE_URL"])
    with portal_with_a_clock("127.0.0.1", free_port()) as hands:
        people = People.read(demo.config.parent / "credentials.json", hands)
        life = Life(people, Random(1))
        versions = {app["id"]: app["latestVersion"] for app in people.develop("GET", "/apps?pageSize=500")["data"]}
        with capture_logs() as told:
            for acted in (0, COME_OR_GO_EVERY - 1, COME_OR_GO_EVERY - 1, RELEASE_EVERY - 1):
                life.acted = acted
                life.act()
        done = [entry["what"] for entry in told if entry["event"] == "demo.acted"]
        assert sorted(done) == ["connected", "released", "revoked", "upgraded"]
        later = {app["id"]: app["latestVersion"] for app in people.develop("GET", "/apps?pageSize=500")["data"]}
        assert sum(later[app] - versions[app] for app in versions) == 1


def test_its_people_sign_in(made: tuple[Daemon, Demo, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer sees the apps, the lagging tenant's admin what waits for them, the operator what to approve."""
    daemon, demo, _ = made
    monkeypatch.setenv("DATABASE_URL", daemon.environment["DATABASE_URL"])
    port = free_port()
    seen = {}
    with portal_with_a_clock("127.0.0.1", port):
        for username, password in demo.people:
            browser = Browser(f"http://127.0.0.1:{port}")
            seen[username] = browser.sign_in({"username": username, "password": password}).text
            browser.http.close()
    assert list(seen) == ["developer", "admin", "operator"]
    assert "My Apps" in seen["developer"]
    assert "Tradewind Apps" in seen["admin"]
    assert "Approvals" in seen["operator"]


def test_it_is_made_once(made: tuple[Daemon, Demo, Path]) -> None:
    """The second start finds it as it was; a start without it in another database is refused what is not its own."""
    daemon, demo, directory = made
    before = daemon.rows("SELECT max(id), count(*) FROM event")
    assert prepare(directory, daemon.environment["DATABASE_URL"], say=pytest.fail, tenants=TENANTS) == demo
    assert daemon.rows("SELECT max(id), count(*) FROM event") == before
    with pytest.raises(SetupError, match="something else"):
        prepare(directory / "elsewhere", daemon.environment["DATABASE_URL"], say=pytest.fail, tenants=TENANTS)


def test_foreign_data_is_refused(fresh_database: Callable[[], str], tmp_path: Path) -> None:
    """A real source is never mixed with the demo, and nothing of it changes."""
    url = fresh_database()
    upgrade(url)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO source (name, kind, next_poll_at) VALUES ('acme', 'portal', now())"))
    with pytest.raises(SetupError, match="UPTAKE_DATA_DIR"):
        prepare(tmp_path, url, say=pytest.fail)
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT name FROM source")).all() == ["acme"]
    engine.dispose()
    assert not (tmp_path / "demo").exists()


def test_life_goes_on(made: tuple[Daemon, Demo, Path], tmp_path: Path) -> None:
    """A tenant upgrades at the portal within seconds, by itself."""
    daemon, demo, directory = made
    port = settings().portal_port
    with (tmp_path / "log").open("wb") as log:
        portal = subprocess.Popen(
            [sys.executable, "-m", "portal", "serve", "--port", str(port)],
            env=daemon.environment,
            stdout=log,
            stderr=log,
        )
        life = subprocess.Popen([sys.executable, "-m", "worker.demo"], env=daemon.environment, stdout=log, stderr=log)
    try:
        daemon.until(lambda: b"demo.acted" in (tmp_path / "log").read_bytes(), seconds=60)
    finally:
        for process in (life, portal):
            process.terminate()
            process.wait(20)
    assert life.returncode == -15
    assert json.loads((directory / "demo" / "demo.json").read_text())["tenant"] == demo.tenant
