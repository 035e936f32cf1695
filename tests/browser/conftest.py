"""A real browser, a dashboard in a process of its own with what a real portal told it, and a portal to look at."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from sqlalchemy import create_engine

from config.settings import settings
from models.migrations import upgrade
from tests.acceptance.daemon import Daemon
from tests.acceptance.embedded import ROOT, eventually
from tests.acceptance.portal_world import PortalWorld, free_port, lagging_app
from tests.browser.chromium import ARGUMENTS, NoChromiumError, executable
from tests.integration.portal.conftest import empty_portal
from tests.integration.portal.world import World, served
from tests.servers import Servers, create, drop
from worker.demo import prepare


# Not for the session: while Playwright is open, nothing else may run an event loop in this thread.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; without one these tests are skipped, but never where CI is set."""
    try:
        path = executable()
    except NoChromiumError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"BROWSER TESTS SKIPPED: {error}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


PASSWORD = "correct horse battery"


class Dashboard(NamedTuple):
    """Where it answers, and who types commands beside it."""

    url: str
    daemon: Daemon
    portal: PortalWorld | None = None  # while it is served


@pytest.fixture(scope="session")
def dashboard(servers: Servers, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """One that knows one app, of whose ten tenants six lag behind, Ada, who has no password, and Bob."""
    with lagging(servers, worker_id, tmp_path_factory.mktemp("browser")) as found:
        yield found


@contextmanager
def lagging(servers: Servers, name: str, directory: Path) -> Iterator[Dashboard]:
    """A dashboard that knows one app of a portal, of whose ten tenants six lag behind, Ada and Bob."""
    names = [f"{servers.prefix}_browser_{name}", f"{servers.prefix}_browser_portal_{name}"]
    ours, theirs = create(servers.admin, names[0], servers.template), create(servers.admin, names[1])
    upgrade(ours)
    portal = PortalWorld.started(directory, theirs, tenants=10)
    lagging_app(portal, tenants=10, upgraded=4)
    environment = os.environ | {
        "DATABASE_URL": ours,
        "UPTAKE_CONFIG": str(portal.uptake_toml(directory / "uptake.toml")),
        "UPTAKE_DASHBOARD_PORT": str(free_port()),
        "PYTHONPATH": str(ROOT),
    }
    daemon = Daemon(directory, environment)
    daemon.cli("poll")
    daemon.cli("user", "add", "ada", "--role", "admin", "--no-password")
    daemon.cli("user", "add", "bob", "--role", "viewer", "--password-stdin", told=PASSWORD)
    with _serving(daemon, directory) as url:
        yield Dashboard(url, daemon, portal)
    portal.stop()
    for made in names:
        drop(servers.admin, made)


@pytest.fixture(scope="session")
def demo(servers: Servers, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """The demo's ninety days, with fewer tenants, as `uptake up --demo` would show them; Ada is there, too."""
    directory = tmp_path_factory.mktemp("shown")
    name = f"{servers.prefix}_shown_{worker_id}"
    url = create(servers.admin, name, servers.template)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPTAKE_PORTAL_PORT", str(free_port()))
        settings.cache_clear()
        upgrade(url)
        made = prepare(directory, url, say=lambda _: None, tenants=40)
        environment = os.environ | {
            "DATABASE_URL": url,
            "UPTAKE_CONFIG": str(made.config),
            "UPTAKE_DASHBOARD_PORT": str(free_port()),
            "PYTHONPATH": str(ROOT),
        }
        daemon = Daemon(directory, environment)
        daemon.cli("user", "add", "ada", "--role", "admin", "--no-password")
        with _serving(daemon, directory) as address:
            yield Dashboard(address, daemon)
    settings.cache_clear()
    drop(servers.admin, name)


@contextmanager
def _serving(daemon: Daemon, directory: Path) -> Iterator[str]:
    """A dashboard in a process of its own; where it answers."""
    with (directory / "dashboard.log").open("wb") as log:
        command = [sys.executable, "-m", "dashboard"]
        process = subprocess.Popen(command, env=daemon.environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{daemon.environment['UPTAKE_DASHBOARD_PORT']}"
    eventually(lambda: _answers(url), "the dashboard does not start", 60)
    yield url
    process.send_signal(signal.SIGTERM)
    process.wait(20)


@pytest.fixture(scope="session")
def address(dashboard: Dashboard) -> str:
    """Where the dashboard answers."""
    return dashboard.url


@pytest.fixture(scope="module")
def visitor(browser: Browser, dashboard: Dashboard) -> Iterator[BrowserContext]:
    """A browser in which Ada has opened the link that signs her in."""
    with signed_in(browser, dashboard) as context:
        yield context


@pytest.fixture(scope="module")
def audience(browser: Browser, demo: Dashboard) -> Iterator[BrowserContext]:
    """The same in the demo."""
    with signed_in(browser, demo) as context:
        yield context


@contextmanager
def signed_in(browser: Browser, dashboard: Dashboard) -> Iterator[BrowserContext]:
    """A browser in which Ada has opened the link that signs her in."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(dashboard.daemon.cli("user", "link", "ada")["url"])
    assert page.url == f"{dashboard.url}/"
    page.close()
    yield context
    context.close()


@pytest.fixture(scope="session")
def portal(servers: Servers) -> Iterator[World]:
    """A portal of its own, whose pages are looked at."""
    with empty_portal(servers) as database, served(database) as base:
        engine = create_engine(database)
        world = World(engine, base, [])
        yield world
        for caller in world.callers:
            caller.close()
        engine.dispose()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False
