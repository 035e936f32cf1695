"""A real portal in a process of its own, with an organization, tenants and their admins, driven over HTTP."""

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

A, B = "tn.crm.customers:r", "tn.jpm.jobs:r"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class PortalWorld:
    """The portal's process and everybody's credentials."""

    directory: Path
    database_url: str
    port: int
    process: subprocess.Popen[bytes]
    credentials: dict[str, Any]

    @classmethod
    def started(cls, directory: Path, database_url: str, *, tenants: int, faithful: bool = False) -> "PortalWorld":
        """Migrate, make the organization and its tenants, and serve."""
        environment = _environment(database_url)
        wanted = {
            "organizations": [{"id": 1001, "name": "Acme Apps", "faithful": faithful, "clients": [{"name": "j.doe"}]}],
            "tenants": [{"id": str(1000 + number), "name": f"Tenant {number}"} for number in range(tenants)],
            "operators": [{"name": "platform"}],
        }
        (directory / "bootstrap.json").write_text(json.dumps(wanted))
        out = directory / "credentials.json"
        _run(environment, "migrate")
        _run(environment, "bootstrap", str(directory / "bootstrap.json"), "--out", str(out))
        port = free_port()
        with (directory / "portal.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "portal", "serve", "--port", str(port), "--demo-clock"],
                env=environment,
                stdout=log,
                stderr=log,
            )
        world = cls(directory, database_url, port, process, json.loads(out.read_text()))
        world.wait()
        return world

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def wait(self) -> None:
        """Return when it answers."""
        for _ in range(200):
            try:
                if httpx.get(f"{self.url}/healthz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise RuntimeError((self.directory / "portal.log").read_text())

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.wait(20)

    def clock(self, now: str | None) -> None:
        """Set the portal's business clock; None: real time again."""
        httpx.put(f"{self.url}/portal/v2/demo/clock", json={"now": now}).raise_for_status()

    @property
    def developer(self) -> dict[str, str]:
        """The organization's client."""
        client: dict[str, str] = self.credentials["organizations"][0]["clients"][0]
        return client

    def call(self, client: dict[str, str], method: str, path: str, body: Any = None) -> Any:
        """One call as *client*; the answer's JSON."""
        form = {
            "grant_type": "client_credentials",
            "client_id": client["clientId"],
            "client_secret": client["clientSecret"],
        }
        token = httpx.post(f"{self.url}/connect/token", data=form).raise_for_status().json()["access_token"]
        headers = {"Authorization": f"Bearer {token}", "ST-App-Key": client["appKey"]}
        answer = httpx.request(method, f"{self.url}/portal/v2{path}", headers=headers, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def make_app(self, name: str, *scopes: str) -> int:
        """A public app with version 1, approved, visible to all tenants."""
        app = self.call(
            self.developer,
            "POST",
            "/organization/1001/apps",
            {
                "name": name,
                "organizationName": "Acme Apps",
                "homePageUrl": "https://acme.example",
                "distribution": "public",
                "credentialManagement": "resourceOwner",
                "scopes": list(scopes),
                "tenantIds": [tenant["id"] for tenant in self.credentials["tenants"]],
            },
        )
        self.call(
            self.credentials["operators"][0]["clients"][0]
            if "clients" in self.credentials["operators"][0]
            else self.credentials["operators"][0],
            "POST",
            f"/operator/apps/{app['id']}/approve",
        )
        return int(app["id"])

    def release(self, app: int, *scopes: str) -> None:
        """Change the app's scopes: the next version."""
        self.call(self.developer, "POST", f"/organization/1001/apps/{app}/versions", {"scopes": list(scopes)})

    def delete(self, app: int) -> None:
        """Delete the app."""
        self.call(self.developer, "DELETE", f"/organization/1001/apps/{app}")

    def tenant(self, number: int, action: str, app: int, body: Any = None) -> None:
        """Let a tenant's admin allow, upgrade, disable ... the app."""
        tenant = self.credentials["tenants"][number]
        self.call(tenant["clients"][0], "POST", f"/tenant/{tenant['id']}/app-access/{app}/{action}", body or {})

    def uptake_toml(self, path: Path, extra: str = "") -> Path:
        """An uptake.toml that reads this portal; its secrets stand in files beside it."""
        (path.parent / "secret").write_text(self.developer["clientSecret"])
        (path.parent / "app_key").write_text(self.developer["appKey"])
        path.write_text(
            f"""
[[source]]
name = "acme"
kind = "portal"
url = "{self.url}/portal/v2"
token_url = "{self.url}/connect/token"
organization = "1001"
client_id = "{self.developer["clientId"]}"
client_secret = "file:secret"
app_key = "file:app_key"
{extra}
"""
        )
        return path


def lagging_app(portal: PortalWorld, *, tenants: int, upgraded: int) -> int:
    """So many tenants allowed version 1 long ago; two weeks and more ago version 2 came, and some took it."""
    portal.clock("2026-06-01T09:00:00Z")
    app = portal.make_app("Dispatch Helper", A)
    for number in range(tenants):
        portal.tenant(number, "allow", app)
    portal.clock("2026-07-01T09:00:00Z")
    portal.release(app, A, B)
    portal.clock(None)
    for number in range(upgraded):
        portal.tenant(number, "upgrade", app, {"version": 2})
    return app


def _environment(database_url: str) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": database_url}


def _run(environment: dict[str, str], *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "portal", *arguments], env=environment, check=True, capture_output=True)
