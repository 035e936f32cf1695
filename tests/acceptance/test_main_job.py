"""The main job with real processes: a portal, a worker and beat, from a release to a resolved alert."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from models.migrations import upgrade
from tests.acceptance.daemon import SHORT, Daemon
from tests.acceptance.portal_world import B, PortalWorld, lagging_app


@dataclass
class Job:
    """Our processes and the portal that they read."""

    daemon: Daemon
    portal: PortalWorld


@pytest.fixture
def job(fresh_database: Callable[[], str], broker_url: str, tmp_path: Path) -> Iterator[Job]:
    """A portal with ten tenants, our schema, and no process of ours yet."""
    ours = fresh_database()
    upgrade(ours)
    portal = PortalWorld.started(tmp_path, ours, tenants=10)
    environment = {
        **os.environ,
        "DATABASE_URL": ours,
        "REDIS_URL": broker_url,
        "UPTAKE_CONFIG": str(portal.uptake_toml(tmp_path / "uptake.toml", SHORT)),
    }
    daemon = Daemon(tmp_path, environment)
    yield Job(daemon, portal)
    daemon.kill_all()
    portal.stop()


def test_from_release_to_resolved(job: Job) -> None:
    """Worker and beat as they stand find the laggards; an upgrade resolves within a poll; a deletion ends it all."""
    daemon, portal = job.daemon, job.portal
    app = lagging_app(portal, tenants=10, upgraded=4)
    daemon.start("worker", "worker", "-c", "2")
    daemon.start("beat", "beat")

    daemon.until(lambda: len(daemon.cli("alerts")) == 6)
    (status,) = daemon.cli("status")
    assert (status["connected"], status["current"], status["blocking"]) == (10, 4, 6)
    assert {tuple(lag["missing"]) for lag in daemon.cli("laggards")} == {(B,)}

    portal.tenant(9, "upgrade", app, {"version": 2})
    daemon.until(lambda: len(daemon.cli("alerts")) == 5)
    types = [entry["type"] for entry in daemon.cli("timeline", "1009")]
    assert types[-3:] == ["tenant.upgraded", "alert.resolved", "reminder.stopped"]

    portal.delete(app)
    daemon.until(lambda: not daemon.cli("alerts"), seconds=60)
    assert daemon.cli("status") == []

    assert daemon.stop("beat") == 0
    assert daemon.stop("worker") == 0


def test_killed_workers_lose_no_upgrade(job: Job) -> None:
    """Killed -9 again and again, and with no beat at all, workers record each upgrade once, and work resumes."""
    daemon, portal = job.daemon, job.portal
    app = lagging_app(portal, tenants=10, upgraded=4)
    for number in range(4, 8):
        daemon.start("worker", "worker", "-c", "2")
        daemon.until(lambda: daemon.cli("status"))
        portal.tenant(number, "upgrade", app, {"version": 2})
        time.sleep(number / 4)
        daemon.stop("worker", signal.SIGKILL)
    daemon.start("worker", "worker", "-c", "2")
    daemon.until(lambda: daemon.cli("status")[0]["current"] == 8, seconds=100)
    for number in range(4, 8):
        types = [entry["type"] for entry in daemon.cli("timeline", str(1000 + number))]
        first = [entry for entry in daemon.cli("timeline", str(1000 + number)) if entry["type"] == "tenant.connected"]
        seen_new = first[0]["data"]["to_version"] == 2
        assert types.count("tenant.upgraded") == (0 if seen_new else 1)
