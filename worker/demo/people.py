"""Everybody's credentials at the demo's portal, and what each of them can do there."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.demo.hands import Client, Hands
from worker.demo.names import Business

ORGANIZATION = 4401
NAME = "Tradewind Apps"
SITE = "https://tradewind.example"


@dataclass(frozen=True, slots=True)
class People:
    """The developer, the platform's operator and one admin per tenant id."""

    hands: Hands
    developer: Client
    operator: Client
    admins: dict[str, Client]

    @classmethod
    def read(cls, file: Path, hands: Hands) -> "People":
        """Those whose credentials the portal wrote into *file*."""
        found = json.loads(file.read_text())
        operator = found["operators"][0]
        return cls(
            hands,
            Client.written(found["organizations"][0]["clients"][0]),
            Client.written(operator["clients"][0] if "clients" in operator else operator),
            {tenant["id"]: Client.written(tenant["clients"][0]) for tenant in found["tenants"]},
        )

    def develop(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the developer, below the organization."""
        return self.hands.call(self.developer, method, f"/organization/{ORGANIZATION}{path}", body)

    def make_app(self, name: str, scopes: tuple[str, ...], tenants: list[str], *, approved: bool) -> int:
        """A public app with version 1, which the operator lets tenants see at once, or not yet."""
        wanted = {
            "name": name,
            "organizationName": NAME,
            "homePageUrl": f"{SITE}/{name.lower().replace(' ', '-')}",
            "distribution": "public",
            "scopes": list(scopes),
            "tenantIds": tenants,
        }
        made: int = self.develop("POST", "/apps", wanted)["id"]
        if approved:
            self.hands.call(self.operator, "POST", f"/operator/apps/{made}/approve")
        return made

    def release(self, app: int, scopes: tuple[str, ...]) -> int:
        """The next version; its number."""
        released: int = self.develop("POST", f"/apps/{app}/versions", {"scopes": list(scopes)})["version"]
        return released

    def access(self, tenant: str, app: int, verb: str, body: Any = None) -> None:
        """A tenant's admin allows, upgrades, disables or revokes."""
        path = f"/tenant/{tenant}/app-access/{app}"
        if verb == "revoke":
            self.hands.call(self.admins[tenant], "DELETE", f"{path}?environment=production")
        else:
            self.hands.call(self.admins[tenant], "POST", f"{path}/{verb}", body or {})


def wanted(tenants: tuple[Business, ...]) -> dict[str, Any]:
    """What the portal is to be made with."""
    return {
        "organizations": [{"id": ORGANIZATION, "name": NAME, "homePageUrl": SITE, "clients": [{"name": "r.hale"}]}],
        "tenants": [
            {"id": one.id, "name": one.name, "clients": [{"name": one.people[0].email.partition("@")[0]}]}
            for one in tenants
        ],
        "operators": [{"name": "platform"}],
    }


def visitors(made: dict[str, Any], tenant: str) -> dict[str, Any]:
    """What lets the developer, the admin of *tenant* and the operator of what was *made* sign in to the pages."""
    (organization,) = made["organizations"]
    (one,) = (entry for entry in made["tenants"] if entry["id"] == tenant)
    return {
        "organizations": [_signing_in(organization, "developer")],
        "tenants": [_signing_in(one, "admin")],
        "operators": [entry | {"username": "operator"} for entry in made["operators"]],
    }


def _signing_in(owner: dict[str, Any], username: str) -> dict[str, Any]:
    return owner | {"clients": [client | {"username": username} for client in owner["clients"]]}


def keep(file: Path, content: str) -> None:
    """Write *content* for our eyes only, whole or not at all."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as end:
        end.write(content)
    fresh.replace(file)
