"""The main job with real processes: a portal, a worker and beat, from a release to a resolved alert."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from models.migrations import upgrade
from tests.acceptance.portal_world import A, B, PortalWorld

POLICY = """
[polling]
poll_every = "2s"
min = "1s"
max = "2s"
"""


@dataclass
class Daemon:
    """Our processes against one database, broker and portal."""

    directory: Path
    environment: dict[str, str]
    portal: PortalWorld
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *arguments: str) -> None:
        """Start `celery -A worker ARGUMENTS` as a user would."""
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "worker", *arguments],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        """End a process by a signal, and its children with it when it is killed; its exit code."""
        process = self.processes.pop(name)
        if number is signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        return process.wait(40)

    def cli(self, *arguments: str) -> Any:
        """What `uptake ARGUMENTS --json` answers."""
        done = subprocess.run(
            [sys.executable, "-m", "worker.cli", *arguments, "--json"],
            env=self.environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return json.loads(done.stdout)["data"]

    def until(self, asked: Callable[[], Any], *, seconds: float = 40) -> Any:
        """Ask until the answer is true, within a bound; what the logs say when it never is."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if answer := asked():
                return answer
            time.sleep(0.3)
        logs = "\n".join(path.read_text()[-3000:] for path in sorted(self.directory.glob("*.log")))
        raise AssertionError(f"it never came true; the logs end with\n{logs}")


@pytest.fixture
def daemon(
    fresh_database: Callable[[], str], broker_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Daemon]:
    """A portal with ten tenants, our schema, and no process of ours yet."""
    ours = fresh_database()
    upgrade(ours)
    portal = PortalWorld.started(tmp_path, ours, tenants=10)
    environment = {
        **os.environ,
        "DATABASE_URL": ours,
        "REDIS_URL": broker_url,
        "UPTAKE_CONFIG": str(portal.uptake_toml(tmp_path / "uptake.toml", POLICY)),
    }
    daemon = Daemon(tmp_path, environment, portal)
    yield daemon
    for name in list(daemon.processes):
        daemon.stop(name, signal.SIGKILL)
    portal.stop()


def lagging_app(portal: PortalWorld) -> int:
    """Ten tenants allowed version 1 long ago; two weeks and more ago version 2 came, and four took it."""
    portal.clock("2026-06-01T09:00:00Z")
    app = portal.make_app("Dispatch Helper", A)
    for number in range(10):
        portal.tenant(number, "allow", app)
    portal.clock("2026-07-01T09:00:00Z")
    portal.release(app, A, B)
    portal.clock(None)
    for number in range(4):
        portal.tenant(number, "upgrade", app, {"version": 2})
    return app


def test_from_release_to_resolved(daemon: Daemon) -> None:
    """Worker and beat as they stand find the laggards; an upgrade resolves within a poll; a deletion ends it all."""
    app = lagging_app(daemon.portal)
    daemon.start("worker", "worker", "-c", "2")
    daemon.start("beat", "beat", "-s", str(daemon.directory / "beat"))

    daemon.until(lambda: len(daemon.cli("alerts")) == 6)
    (status,) = daemon.cli("status")
    assert (status["connected"], status["current"], status["blocking"]) == (10, 4, 6)
    assert {tuple(lag["missing"]) for lag in daemon.cli("laggards")} == {(B,)}

    daemon.portal.tenant(9, "upgrade", app, {"version": 2})
    daemon.until(lambda: len(daemon.cli("alerts")) == 5)
    types = [entry["type"] for entry in daemon.cli("timeline", "1009")]
    assert types[-3:] == ["tenant.upgraded", "alert.resolved", "reminder.stopped"]

    daemon.portal.delete(app)
    daemon.until(lambda: not daemon.cli("alerts"), seconds=60)
    assert daemon.cli("status") == []

    assert daemon.stop("beat") == 0
    assert daemon.stop("worker") == 0


def test_killed_workers_lose_no_upgrade(daemon: Daemon) -> None:
    """Killed -9 again and again, and with no beat at all, workers record each upgrade once, and work resumes."""
    app = lagging_app(daemon.portal)
    for number in range(4, 8):
        daemon.start("worker", "worker", "-c", "2")
        daemon.until(lambda: daemon.cli("status"))
        daemon.portal.tenant(number, "upgrade", app, {"version": 2})
        time.sleep(number / 4)
        daemon.stop("worker", signal.SIGKILL)
    daemon.start("worker", "worker", "-c", "2")
    daemon.until(lambda: daemon.cli("status")[0]["current"] == 8, seconds=100)
    for number in range(4, 8):
        types = [entry["type"] for entry in daemon.cli("timeline", str(1000 + number))]
        first = [entry for entry in daemon.cli("timeline", str(1000 + number)) if entry["type"] == "tenant.connected"]
        seen_new = first[0]["data"]["to_version"] == 2
        assert types.count("tenant.upgraded") == (0 if seen_new else 1)
