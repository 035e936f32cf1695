"""The OpenAPI document says what the portal does: Schemathesis tries, every check, in every phase."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine

from tests.integration.portal.conftest import empty_portal
from tests.integration.portal.world import MODIFY, VIEW, Caller, World, served, using
from tests.servers import Servers

# So many for each operation and phase; FUZZ_EXAMPLES asks for more, and FUZZ_SEED for others.
CONFIG = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "3")
SEED = os.environ.get("FUZZ_SEED", "1")


def shown(caller: Caller) -> dict[str, str]:
    """The two headers of a caller."""
    return {name: caller._http.headers[name] for name in ("ST-App-Key", "Authorization")}


@pytest.fixture
def people(servers: Servers) -> Iterator[tuple[str, dict[str, Any]]]:
    """A portal of its own, and people of each kind in it."""
    with empty_portal(servers) as url, served(url, demo_clock=False) as base:
        engine = create_engine(url)
        world = World(engine, base, [])
        developer, admin, operator = world.developer(), world.admin(), world.operator()
        # Nobody ends this one: it belongs to another organization.
        other = world.developer()
        app = world.approved(other, tenantIds=[admin.credentials["id"]], scopes=[VIEW, MODIFY])
        admin.ok("POST", f"/app-access/{app}/allow")
        at_work = using(world, other, admin, app)
        tenants = [admin.credentials["id"]]
        apps = [world.approved(developer, tenantIds=tenants) for _ in range(60)]
        yield (
            base,
            {
                "organization": int(developer.credentials["id"]),
                "tenants": tenants,
                "apps": apps[:10],
                "doomed": apps[10:],
                "client": {
                    "client_id": developer.credentials["clientId"],
                    "client_secret": developer.credentials["clientSecret"],
                },
                "developer": shown(developer),
                "admin": shown(admin),
                "operator": shown(operator),
                "app": at_work.headers,
            },
        )
        for caller in world.callers:
            caller.close()
        engine.dispose()


@pytest.mark.timeout(3600)
def test_document_holds(people: tuple[str, dict[str, Any]], tmp_path: Path) -> None:
    """No 5xx, no answer outside the document, no bad call accepted, no good one refused, nothing used after its end."""
    base, known = people
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        str(CONFIG),
        "run",
        f"{base}/portal/v2/openapi.json",
    ]
    command += ["--url", base, "--checks", "all", "--max-examples", EXAMPLES, "--no-color"]
    # One worker: two threads that parse Python at once crash CPython 3.11 (gh-106905) inside Hypothesis.
    command += ["--workers", "1"]
    command += ["--continue-on-failure", "--seed", SEED, "--generation-database", "none"]
    environment = {**os.environ, "PORTAL_PEOPLE": json.dumps(known), "PYTHONPATH": str(Path.cwd())}
    environment |= {"SCHEMATHESIS_HOOKS": "tests.integration.portal.fuzzed"}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    Path(os.environ.get("FUZZ_REPORT", tmp_path / "report")).write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]


def test_document_is_served_and_names_every_call(portal_url: str) -> None:
    """It needs no credentials, and says of each call what it needs."""
    document = httpx.get(f"{portal_url}/portal/v2/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            open_to_all = path == "/connect/token" or "/demo/" in path
            assert ("security" in operation) is not open_to_all, path
            assert "422" not in operation["responses"]
            counted = {status for status, answer in operation["responses"].items() if "RateLimit-Limit" in str(answer)}
            assert counted == (set() if open_to_all else set(operation["responses"]) - {"401", "413"}), path
            assert ("413" in operation["responses"]) is (method in {"post", "put", "patch"}), path
