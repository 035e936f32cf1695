"""Valkey or PostgreSQL killed -9 under a working daemon: nothing is lost, nothing is told twice, work resumes."""

import base64
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy.exc import OperationalError, ProgrammingError
from werkzeug import Request, Response

from tests.acceptance.daemon import SHORT, Daemon
from tests.acceptance.embedded import ROOT, descendants
from tests.acceptance.mailroom import Mailroom
from tests.acceptance.portal_world import PortalWorld, lagging_app
from worker.embedded import running
from worker.embedded.directory import Directory

TENANTS = 6
RULES = """
[policy]
receivers = ["post", "hook"]
reminders = ""
group_wait = "0s"
group_interval = "1s"

[[receiver]]
name = "post"
kind = "email"
url = "{smtp}"
from = "Acme Apps <apps@acme.example>"
to = ["ops@acme.example"]

[[receiver]]
name = "hook"
kind = "webhook"
url = "{hook}"
secret = "file:hook"
"""
UPGRADED = """
SELECT t.external_id, count(*) FROM event e JOIN tenant t ON t.id = e.tenant_id
WHERE e.type = 'tenant.upgraded' GROUP BY 1 ORDER BY 1
"""
OVERLAPS = """
SELECT a.id FROM tenure a JOIN tenure b ON a.connection_id = b.connection_id AND a.id < b.id
WHERE tstzrange(a.valid_from, a.valid_to) && tstzrange(b.valid_from, b.valid_to)
UNION ALL
SELECT connection_id FROM tenure GROUP BY 1 HAVING count(*) FILTER (WHERE valid_to IS NULL) <> 1
"""
UNTOLD = """
SELECT count(*) FILTER (WHERE told_state = 'resolved') = 4 AND (SELECT bool_and(state = 'sent') FROM notice)
FROM (SELECT t.state AS told_state FROM told t WHERE t.receiver = 'hook') x
"""


@dataclass
class Machine:
    """Servers, worker and beat on one machine; the portal and the receivers are elsewhere."""

    home: Path
    daemon: Daemon
    portal: PortalWorld
    post: Mailroom
    app: int
    posted: Counter[str] = field(default_factory=Counter)

    def take(self, request: Request) -> Response:
        """Count a webhook by its key."""
        self.posted[request.headers["webhook-id"]] += 1
        return Response("thanks")

    def start(self) -> None:
        """Start it all, and wait until everybody is told of the laggards."""
        with self.daemon.log("up").open("wb") as log:
            self.daemon.processes["up"] = subprocess.Popen(
                [sys.executable, "-m", "tests.acceptance.up", str(self.home / "data")],
                cwd=ROOT,
                env=self.daemon.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        found = self.daemon.until(lambda: running(self.home / "data") and self._addresses())
        self.daemon.environment["DATABASE_URL"] = found
        self.daemon.until(lambda: self.post.taken and self.posted)

    def _addresses(self) -> str | None:
        found = running(self.home / "data")
        return found.database_url if found else None

    def asked(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of *query*, none while the database is away."""
        try:
            return self.daemon.rows(query)
        except (OperationalError, ProgrammingError):
            return []

    def upgrade(self, number: int) -> None:
        """A tenant's admin takes the new version."""
        self.portal.tenant(number, "upgrade", self.app, {"version": 2})

    def kill(self, server: str) -> None:
        """Kill a server, and whatever it started, as the kernel does that has no memory left."""
        found = Directory(self.home / "data").process(server)
        assert found
        for pid in (found.pid, *descendants(found.pid)):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def machine(fresh_database: Callable[[], str], httpserver: HTTPServer, post: Mailroom) -> Iterator[Machine]:
    """A daemon with servers of its own; the portal's are not those that are killed."""
    home = Path(tempfile.mkdtemp(prefix="uptake-kill-"))
    portal = PortalWorld.started(home, fresh_database(), tenants=TENANTS)
    (home / "hook").write_text(f"whsec_{base64.b64encode(b'k' * 32).decode()}")
    rules = SHORT + RULES.format(smtp=post.url, hook=httpserver.url_for("/hook"))
    environment = {key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "REDIS_URL"}}
    environment["UPTAKE_CONFIG"] = str(portal.uptake_toml(home / "uptake.toml", rules))
    environment["UPTAKE_DATA_DIR"] = str(home / "data")
    app = lagging_app(portal, tenants=TENANTS, upgraded=0)
    machine = Machine(home, Daemon(home, environment), portal, post, app)
    httpserver.expect_request("/hook").respond_with_handler(machine.take)
    machine.start()
    yield machine
    if up := machine.daemon.processes.get("up"):
        up.terminate()
        up.wait(40)
    portal.stop()
    shutil.rmtree(home)


def _more(post: Mailroom, than: int) -> bool:
    return post.offered > than


@pytest.mark.parametrize("server", ["valkey", "postgres"])
def test_killed_server(server: str, machine: Machine) -> None:
    """Tenants upgrade before and while a server is away, a letter is half handed over: each counts exactly once."""
    daemon, post = machine.daemon, machine.post
    for number in (0, 2):
        post.seconds, offered = 1.0, post.offered
        machine.upgrade(number)
        daemon.until(partial(_more, post, offered))
        machine.kill(server)
        machine.upgrade(number + 1)
        post.seconds = 0.0

    everybody = [(str(1000 + number), 1) for number in range(4)]
    daemon.until(lambda: machine.asked(UPGRADED) == everybody, seconds=70)
    daemon.until(lambda: machine.asked(UNTOLD) == [(True,)], seconds=70)
    assert daemon.rows(UPGRADED) == everybody
    assert daemon.rows(OVERLAPS) == []
    assert daemon.rows("SELECT version, count(*) FROM connection GROUP BY 1 ORDER BY 1") == [(1, 2), (2, 4)]

    by_kind = dict(daemon.rows("SELECT receiver, count(*) FROM notice GROUP BY 1"))
    assert (len(post.taken), len(machine.posted)) == (by_kind["post"], by_kind["hook"])
    # Only whoever is killed between sending and writing that down may leave a second sending; here nobody was, unless
    # the broker's death ended the worker: then an attempt is left without an end.
    (without_end,) = daemon.rows("SELECT count(*) FROM attempt WHERE finished_at IS NULL")[0]
    twice = sum(count - 1 for count in [*post.taken.values(), *machine.posted.values()])
    assert twice <= without_end
    if server == "postgres":
        assert (twice, without_end) == (0, 0)
    up = daemon.processes["up"]
    assert up.poll() is None
    assert daemon.stop("up") == 0
