"""Traces of the real processes, taken by a real collector."""

import os
import signal
import subprocess
import sys

import httpx

from tests.acceptance.daemon import Daemon
from tests.acceptance.portal_world import free_port
from tests.integration.collector import Collector, Seen, collector

SECRETS = (b"at1.t0k3n", b"Bearer", b"1001/apps", b"cid.")
LATE = "600000"  # milliseconds: only the end of a process sends anything


def poll_in(listening: Collector) -> tuple[Seen, list[Seen]]:
    """A poll that asked a portal and remembered what it said, and its whole trace."""
    for run in listening.named("run uptake.poll_app"):
        spans = listening.trace(run)
        if {"GET", "WITH"} <= {span.name for span in spans if span.parent == run.id}:
            return run, spans
    raise AssertionError(f"no such trace; there are {sorted({span.name for span in listening.spans})}")


def test_a_poll_is_one_trace(daemon: Daemon) -> None:
    """Who rang, who polled, what the portal and the database were asked: one trace, sent at the end at the latest."""
    with collector() as listening:
        daemon.environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": listening.url, "OTEL_BSP_SCHEDULE_DELAY": LATE}
        daemon.start("worker", "worker", "--concurrency", "2")
        daemon.until(lambda: daemon.rows("SELECT count(*) FROM poll WHERE app_id IS NOT NULL")[0][0] >= 3)
        assert listening.spans == []
        assert daemon.stop("worker", signal.SIGTERM) == 0
        run, spans = poll_in(listening)
    by_id = {span.id: span for span in spans}
    ring = by_id[run.parent]
    assert (run.kind, ring.name, ring.kind) == ("consumer", "ring uptake.poll_app", "producer")
    assert by_id[ring.parent].kind == "consumer"
    assert {span.service for span in spans} == {"uptake-worker"}
    inner = [span for span in spans if span.parent == run.id]
    read = next(span for span in inner if span.name == "GET")
    assert read.attributes["server.address"].startswith(("127.0.0.1:", "localhost:"))
    assert (read.kind, read.attributes["http.response.status_code"]) == ("client", 200)
    written = next(span for span in inner if span.name == "WITH")
    assert (written.kind, written.attributes["db.system.name"]) == ("client", "postgresql")
    assert "%(" in written.attributes["db.query.text"]
    assert not [secret for secret in SECRETS if secret in listening.raw]


def test_requests_tell_no_address(daemon: Daemon) -> None:
    """A request is a span by its route, with its statements below it; the key in a link is in none of them."""
    port = free_port()
    with collector() as listening:
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": listening.url, "OTEL_BSP_SCHEDULE_DELAY": LATE}
        environment = daemon.environment | traced | {"UPTAKE_DASHBOARD_PORT": str(port)}
        process = subprocess.Popen([sys.executable, "-m", "dashboard"], env=environment, stderr=subprocess.PIPE)
        daemon.until(lambda: answers(port))
        httpx.get(f"http://127.0.0.1:{port}/opt-out/s3cr3t.l1nk?q=Bright-HVAC", trust_env=False)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    (asked,) = listening.named("GET /opt-out/{token}")
    assert (asked.service, asked.kind) == ("uptake-dashboard", "server")
    ready = listening.named("GET /readyz")
    assert any(span.name == "SELECT" for span in listening.trace(ready[0]))
    assert b"s3cr3t" not in listening.raw
    assert b"Bright" not in listening.raw


def answers(port: int) -> bool:
    """Whether the dashboard is there and ready to be asked."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code in {200, 503}
    except httpx.TransportError:
        return False


def test_without_the_extra(daemon: Daemon) -> None:
    """Who asks for traces without having what makes them is told so in a sentence, before anything begins."""
    for named in ("", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        environment = daemon.environment | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
        environment |= {named: "grpc"} if named else {}
        missing = (
            "import sys; sys.modules['opentelemetry.sdk.trace'] = None; import dashboard.__main__ as it; it.main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", missing], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert ("only http/protobuf" if named else "pip install opentelemetry-sdk") in done.stderr


def test_off_costs_nothing() -> None:
    """Without a collector in the environment, nothing of the extra is loaded."""
    loaded = (
        "import sys, tasks.traced as it; print(it.begin('x'), [m for m in sys.modules if 'opentelemetry.sdk' in m])"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run([sys.executable, "-c", loaded], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "[]"]
