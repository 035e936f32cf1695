"""The API does what its OpenAPI document says, for every role: Schemathesis tries, over HTTP."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session as OrmSession

from models import Scope, Session
from models.base import engine_for
from models.migrations import upgrade
from tasks.evaluate import evaluate_now
from tasks.flush import flush_now
from tasks.remind import remind_now
from tests.acceptance.embedded import ROOT, eventually
from tests.acceptance.portal_world import free_port
from tests.integration.access.callers import token
from tests.integration.models.world import A, B, World
from tests.integration.tasks.conftest import chosen as chosen  # noqa: PLC0414 - a fixture of that folder, for this too

EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "2")
SEED = os.environ.get("FUZZ_SEED", "1")
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"),
    *("response_headers_conformance", "ignored_auth"),
)


@pytest.fixture
def session(fresh_database: Callable[[], str]) -> Iterator[OrmSession]:
    """Over a database of its own: the dashboard is another process, and sees what is committed."""
    url = fresh_database()
    upgrade(url)
    engine = engine_for(url)
    Session.configure(bind=engine, join_transaction_mode="conditional_savepoint")
    with Session() as session:
        yield session
    engine.dispose()


@pytest.fixture
def served(world: World, chosen: Path, tmp_path: Path) -> Iterator[str]:
    """A dashboard in a process of its own, over a world in which there is something of everything."""
    world.put("1", 1, tenant_name="Bright HVAC")
    world.put("2", 1)
    world.poll()
    world.session.execute(text("INSERT INTO contact (tenant_id, email) SELECT id, 'someone@b.example' FROM tenant"))
    world.session.execute(text("UPDATE tenant SET time_zone = 'Europe/Berlin'"))
    world.release(A, B)
    world.put("2", 2)
    world.poll()
    # A Monday again, in working hours.
    world.poll(after=timedelta(days=21))
    world.now += timedelta(hours=3)
    world.session.commit()
    evaluate_now(world.app_id, now=world.now)
    flush_now(now=world.now)
    assert remind_now(now=world.now)
    bind = world.session.get_bind()
    assert isinstance(bind, Engine)
    database_url = bind.url.render_as_string(hide_password=False)
    port = str(free_port())
    environment = os.environ | {"DATABASE_URL": database_url, "UPTAKE_DASHBOARD_PORT": port, "PYTHONPATH": str(ROOT)}
    environment |= {"UPTAKE_CONFIG": str(chosen), "UPTAKE_API_RATE": "1000000"}
    with (tmp_path / "dashboard.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "dashboard"], env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: _answers(url), "the dashboard does not start", 60)
    yield url
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    assert "Traceback" not in (tmp_path / "dashboard.log").read_text()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("scope", Scope)
def test_document_holds(served: str, session: OrmSession, scope: Scope, tmp_path: Path) -> None:
    """Whatever is sent: no 5xx, no status, type or body that is not in the document, and no answer to a stranger."""
    key = token(session, scope, name=f"fuzz {scope}")
    shown = {"Authorization": f"Bearer {key}"}
    document = tmp_path / "openapi.json"
    document.write_bytes(httpx.get(f"{served}/api/v1/openapi.json", headers=shown).content)
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", served, "--no-color"]
    command += ["--header", f"Authorization: {shown['Authorization']}", "--checks", ",".join(CHECKS)]
    # It does not end by itself, and has tests of its own.
    command += ["--exclude-path", "/api/v1/events/stream", "--workers", "1", "--max-examples", EXAMPLES]
    command += ["--phases", "examples,coverage,fuzzing", "--seed", SEED, "--generation-database", "none"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    Path(os.environ.get("FUZZ_REPORT", tmp_path / "report")).write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False
