"""No password, token, link, session or code shows anywhere: not in the log of a real process that says all it can."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from pytest_httpserver import HTTPServer

from tests.integration.access.callers import PASSWORD, SAME_SITE
from tests.integration.access.conftest import Rows, Typed
from tests.integration.access.provider_double import CLIENT, SECRET, ProviderDouble

WRONG = "wr0ng-battery-c4n4ry"


class Serving(NamedTuple):
    """A dashboard in a process of its own, as it is run, and its log."""

    base: str
    log: Path
    provider: ProviderDouble


@pytest.fixture
def serving(own_database: str, httpserver: HTTPServer, tmp_path: Path) -> Iterator[Serving]:
    """One that says as much as it can, with an identity provider."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    provider = ProviderDouble.serving(httpserver, int(time.time()))  # noqa: TID251 - the provider's own clock
    environment = os.environ | {
        "DATABASE_URL": own_database,
        "UPTAKE_DASHBOARD_PORT": port,
        "UPTAKE_LOG_LEVEL": "debug",
        "UPTAKE_OIDC_ISSUER": provider.issuer,
        "UPTAKE_OIDC_CLIENT_ID": CLIENT,
        "UPTAKE_OIDC_CLIENT_SECRET": SECRET,
        "UPTAKE_OIDC_ROLES": "groups: ops=admin",
    }
    base, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    with log.open("wb") as said:
        process = subprocess.Popen([sys.executable, "-m", "dashboard"], env=environment, stdout=said, stderr=said)
    while process.poll() is None and not _answers(base):
        time.sleep(0.05)
    yield Serving(base, log, provider)
    process.terminate()
    process.wait(20)


def _answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/healthz").is_success
    except httpx.TransportError:
        return False


def test_no_secret_is_said(serving: Serving, typed: Typed, rows: Rows) -> None:
    """Every way in, right and wrong, and a database that breaks in the midst of it."""
    typed("user", "add", "ada", "--role", "admin", "--password-stdin", told=PASSWORD)
    token = typed("token", "make", "ci", "--scope", "read").stdout.strip()
    link = typed("user", "link", "ada").stdout.strip().rpartition("/")[2]
    secrets = {PASSWORD, WRONG, token, link, SECRET}
    texts = []
    with httpx.Client(base_url=serving.base, headers=SAME_SITE) as client:
        typed_in = [{"name": "ada", "password": password} for password in (WRONG, PASSWORD)]
        typed_in.insert(0, {"name": WRONG, "password": ""})
        texts += [client.post("/sign-in", data=data) for data in typed_in]
        secrets.add(client.cookies["uptake"])
        texts += [client.get("/"), client.get("/sign-in"), client.get(f"/sign-in/once/{link}")]
        secrets.add(client.cookies["uptake"])
        texts.append(client.get(f"/sign-in/once/{link}"))
        for shown in (f"Bearer {token}", f"Bearer {token[:-1]}x", f"Basic {WRONG}", f"Bearer {WRONG}"):
            texts.append(client.get("/api/v1/apps", headers={"Authorization": shown}))
        began = client.get("/sign-in/oidc")
        secrets.add(client.cookies["uptake-way"])
        back = httpx.get(began.headers["location"]).headers["location"]
        secrets |= set(re.findall(r"(?:code|state)=([^&]+)", back))
        texts += [client.get(back), client.get(back)]
        assert [answer.status_code for answer in texts] == [
            403,
            403,
            303,
            200,
            200,
            303,
            403,
            200,
            401,
            401,
            401,
            303,
            403,
        ]
        # A fault in the midst of a sign-in, whose row PostgreSQL quotes in its answer.
        rows("ALTER TABLE sign_in ADD CONSTRAINT never CHECK (began_at IS NULL) NOT VALID")
        texts.append(client.post("/sign-in", data=typed_in[-1]))
        assert texts[-1].status_code == 500
    said = serving.log.read_text()
    assert said.count("session.began") == 3
    assert "/sign-in/once/***" in said
    # The form shows again what stood in the field of the name, to whoever typed it.
    told = said + "".join(answer.text for answer in texts[1:]) + str(typed("audit", "--json"))
    assert [secret for secret in secrets if secret in told] == []
    # Nor what tells a stranger how we are built.
    assert not any(
        word in answer.text for answer in texts for word in ("Traceback", "psycopg", "SELECT", "INSERT", ".py")
    )
